//! Rectangles of an image, and random ones.

use std::ops::Range;

use rand::{Rng, RngExt};

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
}

/// Draws of a rectangle to erase before giving up, as in timm; and of a crop before taking the last one, as
/// in MMSegmentation.
const ATTEMPTS: usize = 10;

impl Rectangle {
    /// A whole image of this height and width.
    pub fn whole([height, width]: [usize; 2]) -> Self {
        Self { top: 0, left: 0, height, width }
    }

    /// Its rows.
    pub fn rows(&self) -> Range<usize> {
        self.top..self.top + self.height
    }

    /// Its columns.
    pub fn columns(&self) -> Range<usize> {
        self.left..self.left + self.width
    }

    /// This part of an image that is `width` pixels wide.
    pub(crate) fn cut(&self, image: &[u8], width: usize, channels: usize) -> Vec<u8> {
        let mut part = Vec::with_capacity(self.height * self.width * channels);
        for row in image.chunks_exact(width * channels).skip(self.top).take(self.height) {
            part.extend_from_slice(&row[self.left * channels..][..self.width * channels]);
        }
        part
    }

    /// A random rectangle smaller than the image in both directions, or `None` if [`ATTEMPTS`] draws did not
    /// fit.
    ///
    /// Its share of the image is uniform in `area`, and the logarithm of its height over width is uniform
    /// between those of `min_aspect` and `1 / min_aspect` (Zhong et al., Random Erasing Data Augmentation,
    /// algorithm 1, with timm's logarithm).
    pub(crate) fn draw(
        rng: &mut impl Rng,
        [height, width]: [usize; 2],
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

    /// A square of `side` at a random position, clipped to the size of the image: the first of [`ATTEMPTS`]
    /// draws that `accept` allows, else the last.
    pub(crate) fn draw_square(
        rng: &mut impl Rng,
        size: [usize; 2],
        side: usize,
        accept: impl Fn(Self) -> bool,
    ) -> Self {
        let [height, width] = size.map(|length| length.min(side));
        let mut draw = || {
            let (top, left) = (rng.random_range(0..=size[0] - height), rng.random_range(0..=size[1] - width));
            Self { top, left, height, width }
        };
        for _ in 1..ATTEMPTS {
            let drawn = draw();
            if accept(drawn) {
                return drawn;
            }
        }
        draw()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_square_is_drawn_until_it_is_accepted_and_ten_times_at_most() {
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let tries = Cell::new(0);
        let mut draw = |accepted: usize| {
            tries.set(1);
            Rectangle::draw_square(&mut rng, [100, 100], 10, |_| {
                let found = tries.get() == accepted;
                tries.set(tries.get() + usize::from(!found));
                found
            });
            tries.get()
        };
        assert_eq!([draw(1), draw(4), draw(9), draw(50)], [1, 4, 9, 10]);
    }

    #[test]
    fn areas_are_uniform_and_aspects_in_their_logarithm() {
        // timm's numbers, with an image in which all draws fit.
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        const DRAWS: usize = 4000;
        let (mut areas, mut aspects) = ([0.0; 2], [0.0; 2]);
        for _ in 0..DRAWS {
            let drawn = Rectangle::draw(&mut rng, [2000, 2000], [0.02, 0.25], 0.3).expect("it fits");
            let area = (drawn.height * drawn.width) as f64 / 4e6;
            let aspect = (drawn.height as f64 / drawn.width as f64).ln();
            for (sums, value) in [(&mut areas, area), (&mut aspects, aspect)] {
                *sums = [sums[0] + value / DRAWS as f64, sums[1] + value * value / DRAWS as f64];
            }
        }
        let variance = |[mean, squares]: [f64; 2]| squares - mean * mean;
        assert!((areas[0] - 0.135).abs() < 0.006, "{areas:?}");
        assert!((variance(areas) / (0.23_f64.powi(2) / 12.0) - 1.0).abs() < 0.1, "{areas:?}");
        assert!(aspects[0].abs() < 0.06, "{aspects:?}");
        assert!((variance(aspects) / ((2.0 * 0.3_f64.ln()).powi(2) / 12.0) - 1.0).abs() < 0.1, "{aspects:?}");
    }

    proptest! {
        #[test]
        fn a_square_lies_in_the_image_and_reaches_every_place(
            size in [1..6_usize, 1..6_usize], side in 1..6_usize, seed: u64,
        ) {
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let mut corners = [[usize::MAX, 0]; 2];
            for _ in 0..100 {
                let drawn = Rectangle::draw_square(&mut rng, size, side, |_| true);
                prop_assert_eq!([drawn.height, drawn.width], size.map(|length| length.min(side)));
                prop_assert!(drawn.rows().end <= size[0] && drawn.columns().end <= size[1]);
                for (range, at) in corners.iter_mut().zip([drawn.top, drawn.left]) {
                    *range = [range[0].min(at), range[1].max(at)];
                }
            }
            prop_assert_eq!(corners, size.map(|length| [0, length.saturating_sub(side)]));
        }

        #[test]
        fn large_rectangles_have_the_drawn_area_and_aspect(seed: u64) {
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let drawn = Rectangle::draw(&mut rng, [1000, 1000], [0.1, 0.2], 0.5);
            let Rectangle { height, width, .. } = drawn.expect("a fifth of the image always fits");
            let (height, width) = (height as f64, width as f64);
            prop_assert!((0.099..0.201).contains(&(height * width / 1e6)));
            prop_assert!((0.49..2.02).contains(&(height / width)));
        }
    }
}
