//! The steps of an augmentation, each on the values of one image: height x width x channels, row-major.
//!
//! [`Augmentation`](crate::Augmentation) draws the random numbers, except the noise of an erasure; the steps
//! that move values take the draws as arguments, so that pixels, labels and groups move together.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Rectangle;

/// Whether an event of this probability happens; always one draw.
pub(super) fn happens(rng: &mut impl Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

/// The values outside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Black: the value 0 before normalization, and ignored labels.
    Zero,
    /// The image, mirrored at its border pixels, which are not repeated.
    Reflect,
}

impl Padding {
    /// The source of the value at `at` of a line of `len` pixels padded by `pad < len` on both sides.
    fn source(self, at: usize, pad: usize, len: usize) -> Option<usize> {
        match self {
            _ if (pad..pad + len).contains(&at) => Some(at - pad),
            Self::Zero => None,
            Self::Reflect if at < pad => Some(pad - at),
            Self::Reflect => Some(2 * (len - 1) + pad - at),
        }
    }
}

/// The window of the image's size that starts at `corner` (top, left) of the image padded by `pad` on all
/// sides; zero padding shows `outside`.
pub(crate) fn shift<T: Copy>(
    image: &[T],
    [height, width, channels]: [usize; 3],
    padding: Padding,
    pad: usize,
    [top, left]: [usize; 2],
    outside: T,
) -> Vec<T> {
    let mut out = Vec::with_capacity(image.len());
    for y in 0..height {
        let source_y = padding.source(top + y, pad, height);
        for x in 0..width {
            match (source_y, padding.source(left + x, pad, width)) {
                (Some(y), Some(x)) => {
                    out.extend_from_slice(&image[(y * width + x) * channels..][..channels]);
                }
                _ => out.resize(out.len() + channels, outside),
            }
        }
    }
    out
}

/// Swaps left and right.
pub(crate) fn flip<T: Copy>([_, width, channels]: [usize; 3], values: &mut [T]) {
    for row in values.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            let (left, right) = row.split_at_mut((width - 1 - x) * channels);
            left[x * channels..][..channels].swap_with_slice(&mut right[..channels]);
        }
    }
}

/// The image padded with `outside` below and on the right to the size `to` (rows, columns), which must not be
/// smaller.
pub(crate) fn extend<T: Copy>(
    image: Vec<T>,
    [height, width, channels]: [usize; 3],
    to: [usize; 2],
    outside: T,
) -> Vec<T> {
    if [height, width] == to {
        return image;
    }
    let mut out = Vec::with_capacity(to[0] * to[1] * channels);
    for row in image.chunks_exact(width * channels) {
        out.extend_from_slice(row);
        out.resize(out.len() + (to[1] - width) * channels, outside);
    }
    out.resize(to[0] * to[1] * channels, outside);
    out
}

/// What an erased rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// 0 after normalization: the dataset's mean color; timm's `const`.
    Constant,
    /// Standard normal noise, drawn for each value; timm's `pixel`.
    Pixel,
}

/// Replaces a rectangle of normalized pixels.
pub(crate) fn erase(
    rng: &mut impl Rng,
    [_, width, channels]: [usize; 3],
    rectangle: Rectangle,
    fill: Fill,
    pixels: &mut [f32],
) {
    for row in pixels.chunks_exact_mut(width * channels).skip(rectangle.top).take(rectangle.height) {
        let part = &mut row[rectangle.left * channels..][..rectangle.width * channels];
        match fill {
            Fill::Constant => part.fill(0.0),
            Fill::Pixel => part.fill_with(|| rng.sample(StandardNormal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;

    fn shifted(padding: Padding, corner: [usize; 2]) -> Vec<u32> {
        shift(&[1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3, 1], padding, 1, corner, 0)
    }

    #[test]
    fn a_shift_shows_the_padding() {
        assert_eq!(shifted(Padding::Zero, [1, 1]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shifted(Padding::Zero, [0, 2]), [0, 0, 0, 2, 3, 0, 5, 6, 0]);
        assert_eq!(shifted(Padding::Reflect, [0, 2]), [5, 6, 5, 2, 3, 2, 5, 6, 5]);
        assert_eq!(shifted(Padding::Reflect, [2, 0]), [5, 4, 5, 8, 7, 8, 5, 4, 5]);
    }

    #[test]
    fn a_flip_swaps_pixels_and_not_channels() {
        let mut pixels = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        flip([1, 3, 2], &mut pixels);
        assert_eq!(pixels, [5.0, 6.0, 3.0, 4.0, 1.0, 2.0]);
    }

    #[test]
    fn an_image_is_extended_below_and_to_the_right() {
        let extended = extend(vec![1, 2, 3, 4], [2, 1, 2], [3, 2], 0);
        assert_eq!(extended, [1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(extend(vec![1, 2], [1, 2, 1], [1, 2], 0), [1, 2]);
    }

    fn shapes() -> impl Strategy<Value = [usize; 3]> {
        [1..12_usize, 1..12_usize, 1..4_usize]
    }

    proptest! {
        #[test]
        fn a_zero_shift_keeps_exactly_the_pixels_still_in_view(shape in shapes(), seed: u64) {
            let [height, width, channels] = shape;
            let pad = (seed % height.min(width) as u64) as usize;
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let corner = [rng.random_range(0..=2 * pad), rng.random_range(0..=2 * pad)];
            let image = vec![1.0_f32; height * width * channels];
            let kept = corner.map(|at| at.abs_diff(pad));
            let expected = (height - kept[0]) * (width - kept[1]) * channels;
            let sum = shift(&image, shape, Padding::Zero, pad, corner, 0.0).iter().sum::<f32>();
            prop_assert_eq!(sum, expected as f32);
            prop_assert_eq!(shift(&image, shape, Padding::Reflect, pad, corner, 0.0), image);
        }

        #[test]
        fn two_flips_are_none(shape in shapes()) {
            let image: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
            let mut pixels = image.clone();
            flip(shape, &mut pixels);
            prop_assert_eq!(pixels == image, shape[1] == 1);
            flip(shape, &mut pixels);
            prop_assert_eq!(pixels, image);
        }

        #[test]
        fn an_erasure_changes_its_rectangle_and_nothing_else(
            shape in shapes(), seed: u64, area in 0.01..1.0_f64, min_aspect in 0.1..1.0_f64,
        ) {
            let [height, width, channels] = shape;
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let Some(rectangle) = Rectangle::draw(&mut rng, [height, width], [0.0, area], min_aspect) else {
                return Ok(());
            };
            prop_assert!(rectangle.height >= 1 && rectangle.rows().end <= height);
            prop_assert!(rectangle.width >= 1 && rectangle.columns().end <= width);
            for (fill, seed) in [(Fill::Constant, 1), (Fill::Pixel, 2)] {
                let mut pixels = vec![f32::INFINITY; height * width * channels];
                erase(&mut stream(seed, Purpose::Augment, 0, 0), shape, rectangle, fill, &mut pixels);
                for (i, value) in pixels.iter().enumerate() {
                    let (y, x) = (i / channels / width, i / channels % width);
                    let inside = rectangle.rows().contains(&y) && rectangle.columns().contains(&x);
                    prop_assert_eq!(value.is_finite(), inside);
                }
            }
        }
    }
}
