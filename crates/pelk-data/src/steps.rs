//! The steps of an augmentation, each on the pixels of one image: height x width x channels, row-major.
//!
//! What is random is drawn by [`Augmentation`](crate::Augmentation) or by the `draw` functions here; the steps that
//! move pixels take the draws as arguments.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// A value of a pixel as datasets hold it.
pub trait Pixel: Copy {
    /// The value on the scale from 0 (black) to 1.
    fn unit(self) -> f32;
}

impl Pixel for u8 {
    fn unit(self) -> f32 {
        f32::from(self) / 255.0
    }
}

/// Already on the scale from 0 to 1.
impl Pixel for f32 {
    fn unit(self) -> f32 {
        self
    }
}

/// What lies outside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Black: the value 0 before normalisation.
    Zero,
    /// The image mirrored at its border pixels, which are not repeated.
    Reflect,
}

impl Padding {
    /// Where the value at `at` of a line of `len` pixels padded by `pad < len` on both sides comes from.
    fn source(self, at: usize, pad: usize, len: usize) -> Option<usize> {
        match self {
            _ if (pad..pad + len).contains(&at) => Some(at - pad),
            Self::Zero => None,
            Self::Reflect if at < pad => Some(pad - at),
            Self::Reflect => Some(2 * (len - 1) + pad - at),
        }
    }
}

/// Copies into `out` the window of the image's size that starts at `corner` (top, left) of the image padded by
/// `pad` on all sides, scaled to 0..1.
pub(crate) fn crop<P: Pixel>(
    image: &[P],
    [height, width, channels]: [usize; 3],
    padding: Padding,
    pad: usize,
    [top, left]: [usize; 2],
    out: &mut [f32],
) {
    for (y, row) in out.chunks_exact_mut(width * channels).enumerate() {
        let source_y = padding.source(top + y, pad, height);
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            match (source_y, padding.source(left + x, pad, width)) {
                (Some(y), Some(x)) => {
                    let source = &image[(y * width + x) * channels..][..channels];
                    for (value, &from) in pixel.iter_mut().zip(source) {
                        *value = from.unit();
                    }
                }
                _ => pixel.fill(0.0),
            }
        }
    }
}

/// Swaps left and right.
pub(crate) fn flip([_, width, channels]: [usize; 3], pixels: &mut [f32]) {
    for row in pixels.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            let (left, right) = row.split_at_mut((width - 1 - x) * channels);
            left[x * channels..][..channels].swap_with_slice(&mut right[..channels]);
        }
    }
}

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// Rectangles tried before the image is left alone; timm's number.
const ATTEMPTS: usize = 10;

impl Rectangle {
    /// A random rectangle smaller than the image in both directions, or none if [`ATTEMPTS`] draws did not fit.
    ///
    /// Its share of the image is uniform in `area`, and the logarithm of its height over width uniform between
    /// those of `min_aspect` and `1 / min_aspect` (Zhong et al., Random Erasing Data Augmentation, algorithm 1,
    /// with timm's logarithm).
    pub(crate) fn draw(
        rng: &mut impl Rng,
        height: usize,
        width: usize,
        area: [f64; 2],
        min_aspect: f64,
    ) -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let share = area[0] + (area[1] - area[0]) * rng.random::<f64>();
            let aspect = (min_aspect.ln() * (1.0 - 2.0 * rng.random::<f64>())).exp();
            let target = share * (height * width) as f64;
            let side = |length: f64| (length.round() as usize).max(1);
            let (h, w) = (side((target * aspect).sqrt()), side((target / aspect).sqrt()));
            if h < height && w < width {
                let (top, left) = (rng.random_range(0..=height - h), rng.random_range(0..=width - w));
                return Some(Self { top, left, height: h, width: w });
            }
        }
        None
    }
}

/// What an erased rectangle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// 0 after normalisation, hence the dataset's mean colour; timm's `const`.
    Constant,
    /// Noise of the standard normal distribution, drawn for each value; timm's `pixel`.
    Pixel,
}

/// Replaces a rectangle of normalised pixels.
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

    fn cropped(padding: Padding, corner: [usize; 2]) -> Vec<f32> {
        let image: Vec<f32> = (1..=9).map(|i| i as f32).collect();
        let mut out = vec![f32::NAN; 9];
        crop(&image, [3, 3, 1], padding, 1, corner, &mut out);
        out
    }

    #[test]
    fn a_crop_shows_the_padding() {
        assert_eq!(cropped(Padding::Zero, [1, 1]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(cropped(Padding::Zero, [0, 2]), [0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 5.0, 6.0, 0.0]);
        assert_eq!(cropped(Padding::Reflect, [0, 2]), [5.0, 6.0, 5.0, 2.0, 3.0, 2.0, 5.0, 6.0, 5.0]);
        assert_eq!(cropped(Padding::Reflect, [2, 0]), [5.0, 4.0, 5.0, 8.0, 7.0, 8.0, 5.0, 4.0, 5.0]);
    }

    #[test]
    fn bytes_are_scaled() {
        let mut out = [0.0; 3];
        crop(&[0_u8, 51, 255], [1, 1, 3], Padding::Zero, 0, [0, 0], &mut out);
        assert_eq!(out, [0.0, 0.2, 1.0]);
    }

    #[test]
    fn a_flip_swaps_pixels_and_not_channels() {
        let mut pixels = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        flip([1, 3, 2], &mut pixels);
        assert_eq!(pixels, [5.0, 6.0, 3.0, 4.0, 1.0, 2.0]);
    }

    fn shapes() -> impl Strategy<Value = [usize; 3]> {
        [1..12_usize, 1..12_usize, 1..4_usize]
    }

    proptest! {
        #[test]
        fn a_zero_crop_keeps_exactly_the_pixels_still_in_view(shape in shapes(), seed: u64) {
            let [height, width, channels] = shape;
            let pad = (seed % height.min(width) as u64) as usize;
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let corner = [rng.random_range(0..=2 * pad), rng.random_range(0..=2 * pad)];
            let image = vec![1.0_f32; height * width * channels];
            let mut out = vec![f32::NAN; image.len()];
            crop(&image, shape, Padding::Zero, pad, corner, &mut out);
            let kept = corner.map(|at| at.abs_diff(pad));
            let expected = (height - kept[0]) * (width - kept[1]) * channels;
            prop_assert_eq!(out.iter().sum::<f32>(), expected as f32);
            crop(&image, shape, Padding::Reflect, pad, corner, &mut out);
            prop_assert_eq!(out, image);
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
            let Some(rectangle) = Rectangle::draw(&mut rng, height, width, [0.0, area], min_aspect) else {
                return Ok(());
            };
            prop_assert!(rectangle.height >= 1 && rectangle.top + rectangle.height <= height);
            prop_assert!(rectangle.width >= 1 && rectangle.left + rectangle.width <= width);
            for (fill, seed) in [(Fill::Constant, 1), (Fill::Pixel, 2)] {
                let mut pixels = vec![f32::INFINITY; height * width * channels];
                erase(&mut stream(seed, Purpose::Augment, 0, 0), shape, rectangle, fill, &mut pixels);
                for (i, value) in pixels.iter().enumerate() {
                    let (y, x) = (i / channels / width, i / channels % width);
                    let inside = (rectangle.top..rectangle.top + rectangle.height).contains(&y)
                        && (rectangle.left..rectangle.left + rectangle.width).contains(&x);
                    prop_assert_eq!(value.is_finite(), inside);
                }
            }
        }

        #[test]
        fn large_rectangles_have_the_drawn_area_and_aspect(seed: u64) {
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let drawn = Rectangle::draw(&mut rng, 1000, 1000, [0.1, 0.2], 0.5);
            let Rectangle { height, width, .. } = drawn.expect("a fifth of the image always fits");
            let (height, width) = (height as f64, width as f64);
            prop_assert!((0.099..0.201).contains(&(height * width / 1e6)));
            prop_assert!((0.49..2.02).contains(&(height / width)));
        }
    }
}
