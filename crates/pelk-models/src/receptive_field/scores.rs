//! Turns gradients into a map of scores, and measures which area holds which share of the score.

use crate::error::{ModelError, Result};

/// The shares of the score for which RepLKNet reports areas.
pub const THRESHOLDS: [f64; 4] = [0.2, 0.3, 0.5, 0.99];

/// The mean score map of several images, `[height, width]`.
#[derive(Debug, Clone)]
pub struct ScoreMap {
    size: [usize; 2],
    sum: Vec<f64>,
    images: usize,
    skipped: usize,
}

impl ScoreMap {
    /// A map without images.
    pub fn new([height, width]: [usize; 2]) -> ScoreMap {
        ScoreMap { size: [height, width], sum: vec![0.0; height * width], images: 0, skipped: 0 }
    }

    /// Adds the gradient of one image, `[height, width, channels]`, or skips it if a value is not finite.
    ///
    /// # Errors
    /// When the gradient does not have this map's size.
    pub fn add(&mut self, gradient: &[f32]) -> Result<()> {
        let (pixels, [height, width]) = (self.sum.len(), self.size);
        if gradient.is_empty() || !gradient.len().is_multiple_of(pixels) {
            let values = gradient.len();
            return Err(no_field(format!(
                "a gradient of {values} values does not fit {height} x {width} pixels"
            )));
        }
        if !gradient.iter().all(|value| value.is_finite()) {
            self.skipped += 1;
            return Ok(());
        }
        for (sum, colors) in self.sum.iter_mut().zip(gradient.chunks_exact(gradient.len() / pixels)) {
            *sum += colors.iter().map(|&value| f64::from(value.max(0.0))).sum::<f64>();
        }
        self.images += 1;
        Ok(())
    }

    /// Images in the mean.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Images whose gradients were not finite.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The field: `log10(mean + 1)` over its largest value.
    ///
    /// # Errors
    /// When there are no images, or no pixel has a score.
    pub fn field(&self) -> Result<Field> {
        if self.images == 0 {
            return Err(no_field("there is no image with a finite gradient"));
        }
        let mean = self.sum.iter().map(|sum| sum / self.images as f64);
        // ln_1p stays precise for scores far below 1.
        let values: Vec<f64> = mean.map(|mean| mean.ln_1p() / std::f64::consts::LN_10).collect();
        let largest = values.iter().copied().fold(0.0, f64::max);
        if largest <= 0.0 {
            return Err(no_field("the center of the last stage does not depend on any pixel"));
        }
        Ok(Field { size: self.size, values: values.into_iter().map(|value| value / largest).collect() })
    }
}

fn no_field(reason: impl Into<String>) -> ModelError {
    ModelError::ReceptiveField { reason: reason.into() }
}

/// An effective receptive field: values from 0 to 1, `[height, width]`.
#[derive(Debug, Clone)]
pub struct Field {
    size: [usize; 2],
    values: Vec<f64>,
}

/// A square around the center.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Its side in pixels.
    pub side: usize,
    /// Its area over that of the image.
    pub ratio: f64,
}

impl Field {
    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The smallest square of side 3, 5, ... around the pixel `(height / 2, width / 2)` that holds more than
    /// this share of the sum; `None` if even the largest that fits does not.
    pub fn square(&self, threshold: f64) -> Option<Square> {
        let [height, width] = self.size;
        let total: f64 = self.values.iter().sum();
        let mut held = self.values[height / 2 * width + width / 2];
        for i in 1..height.min(width) / 2 {
            held += self.ring(i);
            if held / total > threshold {
                let side = 2 * i + 1;
                return Some(Square { side, ratio: (side * side) as f64 / (height * width) as f64 });
            }
        }
        None
    }

    /// The sum over the border of the square of side `2 i + 1`.
    fn ring(&self, i: usize) -> f64 {
        let [height, width] = self.size;
        let (top, left) = (height / 2 - i, width / 2 - i);
        let row = |y: usize| self.values[y * width + left..][..2 * i + 1].iter().sum::<f64>();
        let sides = (top + 1..top + 2 * i)
            .map(|y| self.values[y * width + left] + self.values[y * width + left + 2 * i]);
        row(top) + row(top + 2 * i) + sides.sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(size: [usize; 2], gradients: &[&[f32]]) -> Result<Field> {
        let mut map = ScoreMap::new(size);
        for gradient in gradients {
            map.add(gradient)?;
        }
        map.field()
    }

    #[test]
    fn a_uniform_field_is_held_in_proportion_to_the_area() {
        let field = field([9, 9], &[&[2.0; 81]]).unwrap();
        assert!(field.values().iter().all(|&value| value == 1.0));
        // 9, 25 and 49 of 81 pixels.
        assert_eq!(field.square(0.1), Some(Square { side: 3, ratio: 9.0 / 81.0 }));
        assert_eq!(field.square(0.2), Some(Square { side: 5, ratio: 25.0 / 81.0 }));
        assert_eq!(field.square(0.5), Some(Square { side: 7, ratio: 49.0 / 81.0 }));
        // The side goes up to 2 (9 / 2 - 1) + 1.
        assert_eq!(field.square(0.99), None);
    }

    #[test]
    fn a_single_pixel_in_the_middle_needs_the_smallest_square() {
        let mut gradient = [0.0; 64];
        gradient[4 * 8 + 4] = 5.0;
        let field = field([8, 8], &[&gradient]).unwrap();
        for threshold in THRESHOLDS {
            assert_eq!(field.square(threshold), Some(Square { side: 3, ratio: 9.0 / 64.0 }));
        }
    }

    #[test]
    fn the_example_by_hand() {
        // Two images of 1 x 3 pixels and two colors. The positive parts of the first sum to 9, 0 and 2, those
        // of the second to 18, 0 and 0; the means are 13.5, 0 and 1, so the logarithms are those of 14.5, 1
        // and 2.
        let first = [-1.0, 9.0, -3.0, -0.5, 2.0, -7.0];
        let second = [9.0, 9.0, 0.0, 0.0, 0.0, 0.0];
        let field = field([1, 3], &[&first, &second]).unwrap();
        let expected = [1.0, 0.0, 2.0_f64.log10() / 14.5_f64.log10()];
        for (value, expected) in field.values().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{value}, not {expected}");
        }
    }

    #[test]
    fn rings_count_every_pixel_once() {
        let gradient: Vec<f32> = (0..7 * 6).map(|i| i as f32).collect();
        let field = field([7, 6], &[&gradient]).unwrap();
        let inside = |i: usize| -> f64 {
            let rows = (3 - i..=3 + i).flat_map(|y| (3 - i..=3 + i).map(move |x| y * 6 + x));
            rows.map(|pixel| field.values[pixel]).sum()
        };
        for i in [1, 2] {
            assert!((field.ring(i) - (inside(i) - inside(i - 1))).abs() < 1e-12);
        }
    }

    #[test]
    fn gradients_that_are_not_finite_are_skipped() {
        let mut map = ScoreMap::new([1, 2]);
        map.add(&[1.0, f32::NAN]).unwrap();
        map.add(&[1.0, 3.0]).unwrap();
        assert_eq!((map.images(), map.skipped()), (1, 1));
        assert_eq!(map.field().unwrap().values()[1], 1.0);
    }

    #[test]
    fn what_makes_no_field_is_refused() {
        assert!(field([2, 2], &[]).unwrap_err().to_string().contains("no image"));
        assert!(field([2, 2], &[&[-1.0; 4]]).unwrap_err().to_string().contains("does not depend"));
        assert!(field([2, 2], &[&[1.0; 6]]).unwrap_err().to_string().contains("6 values"));
    }
}
