//! Masks of detections in the pixels of the image.

use crate::error::{DetectionError, Result, check_boxes, check_finite, check_len};
use crate::mask::MaskCrop;
use std::ops::Range;

/// The probabilities that a mask head gives for a box, square, row by row.
#[derive(Debug, Clone, Copy)]
pub struct BoxMask<'a> {
    /// `side * side` probabilities.
    pub probabilities: &'a [f32],
    /// Their number along each side.
    pub side: usize,
    /// The box, in the image.
    pub corners: [f32; 4],
}

/// Two neighbors that a pixel is interpolated from, and their weights; neighbors outside the mask weigh 0.
type Pair = [(usize, f32); 2];

impl BoxMask<'_> {
    /// The interpolated probability of each pixel in these rows and columns, row by row (`_do_paste_mask` of
    /// MMDetection 2.11): pixel (x, y) reads the mask at `(x + 0.5 - x1) / (x2 - x1) * side - 0.5`, and
    /// likewise in y; outside the mask all is 0. A box without area is empty.
    ///
    /// # Errors
    /// When the probabilities are not `side * side` finite numbers, or the box is not finite.
    pub fn interpolate(&self, rows: Range<usize>, columns: Range<usize>) -> Result<Vec<f32>> {
        check_len("probabilities of a mask", self.probabilities.len(), self.side * self.side)?;
        check_finite("probability", self.probabilities, self.side.max(1))?;
        check_boxes(&[self.corners])?;
        let [x1, y1, x2, y2] = self.corners;
        if x2 <= x1 || y2 <= y1 || self.side == 0 {
            return Ok(vec![0.0; rows.len() * columns.len()]);
        }
        let across: Vec<Pair> = columns.map(|pixel| self.pair(pixel, x1, x2)).collect();
        let mut pixels = Vec::with_capacity(rows.len() * across.len());
        let mut mixed = vec![0.0; self.side];
        for row in rows {
            let [(a, weight_a), (b, weight_b)] = self.pair(row, y1, y2);
            let of = |row: usize| &self.probabilities[row * self.side..][..self.side];
            for ((mixed, a), b) in mixed.iter_mut().zip(of(a)).zip(of(b)) {
                *mixed = weight_a * a + weight_b * b;
            }
            pixels.extend(
                across
                    .iter()
                    .map(|[(a, weight_a), (b, weight_b)]| weight_a * mixed[*a] + weight_b * mixed[*b]),
            );
        }
        Ok(pixels)
    }

    /// The pixels of an image `[height, width]` whose probability is at least `threshold`, usually 0.5. Only
    /// pixels that can reach it are computed.
    ///
    /// # Errors
    /// As [`BoxMask::interpolate`], and when the threshold is not above 0 and at most 1.
    pub fn paste(&self, [height, width]: [usize; 2], threshold: f32) -> Result<MaskCrop> {
        if !(threshold > 0.0 && threshold <= 1.0) {
            let reason = format!("is {threshold}, and must be above 0 and at most 1");
            return Err(DetectionError::Setting { name: "the threshold of masks", reason });
        }
        let [x1, y1, x2, y2] = self.corners;
        let window = |low, high, pixels| self.window(low, high, pixels, threshold);
        let (rows, columns) = (window(y1, y2, height), window(x1, x2, width));
        let probabilities = self.interpolate(rows.clone(), columns.clone())?;
        Ok(MaskCrop {
            origin: [rows.start, columns.start],
            size: [rows.len(), columns.len()],
            pixels: probabilities.into_iter().map(|p| u8::from(p >= threshold)).collect(),
        })
    }

    fn pair(&self, pixel: usize, low: f32, high: f32) -> Pair {
        let (low, high) = (f64::from(low), f64::from(high));
        let place = (pixel as f64 + 0.5 - low) / (high - low) * self.side as f64 - 0.5;
        let (floor, fraction) = (place.floor(), place - place.floor());
        let neighbor = |place: f64, weight: f64| match place >= 0.0 && place < self.side as f64 {
            true => (place as usize, weight as f32),
            false => (0, 0.0),
        };
        [neighbor(floor, 1.0 - fraction), neighbor(floor + 1.0, fraction)]
    }
    /// The pixels along one side that can reach the threshold. Outside the box the probability falls from at
    /// most one half to 0 within half a cell of the mask. A pixel more on each side makes up for rounding.
    fn window(&self, low: f32, high: f32, pixels: usize, threshold: f32) -> Range<usize> {
        let (low, high) = (f64::from(low), f64::from(high));
        let margin = if threshold >= 0.5 { 0.0 } else { (high - low) / self.side as f64 / 2.0 };
        // The casts take what is negative to 0.
        let start = (((low - margin).floor() - 1.0) as usize).min(pixels);
        let end = (((high + margin).ceil() + 2.0) as usize).min(pixels);
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bilinear interpolation with zeros outside, in its own words.
    fn direct(mask: &BoxMask<'_>, row: usize, column: usize) -> f64 {
        let [x1, y1, x2, y2] = mask.corners.map(f64::from);
        let side = mask.side as f64;
        let u = (column as f64 + 0.5 - x1) / (x2 - x1) * side - 0.5;
        let v = (row as f64 + 0.5 - y1) / (y2 - y1) * side - 0.5;
        let mut sum = 0.0;
        for i in 0..mask.side {
            for j in 0..mask.side {
                let hat = |distance: f64| (1.0 - distance.abs()).max(0.0);
                let p = f64::from(mask.probabilities[i * mask.side + j]);
                sum += p * hat(v - i as f64) * hat(u - j as f64);
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn a_pasted_mask_is_the_interpolation_of_the_whole_image(
            probabilities in prop::collection::vec(0.0..=1.0_f32, 25),
            x in -20.0..30.0_f32, y in -20.0..30.0_f32, sides in prop::array::uniform2(0.1..40.0_f32),
            threshold in prop::sample::select(vec![0.2_f32, 0.5, 0.9]),
        ) {
            let corners = [x, y, x + sides[0], y + sides[1]];
            let mask = BoxMask { probabilities: &probabilities, side: 5, corners };
            let pasted = mask.paste([23, 31], threshold).unwrap();
            let soft = mask.interpolate(0..23, 0..31).unwrap();
            prop_assert!(pasted.origin[0] + pasted.size[0] <= 23 && pasted.origin[1] + pasted.size[1] <= 31);
            for (i, soft) in soft.iter().enumerate() {
                let expected = direct(&mask, i / 31, i % 31);
                prop_assert!((f64::from(*soft) - expected).abs() < 1e-5, "{soft} {expected}");
                // At the edge of the box, rounding may lift one half over the threshold or not.
                if (f64::from(*soft) - f64::from(threshold)).abs() > 1e-5 {
                    prop_assert_eq!(pasted.at(i / 31, i % 31), *soft >= threshold);
                }
            }
        }
    }

    #[test]
    fn a_full_mask_fills_the_pixels_of_its_box() {
        let mask = BoxMask { probabilities: &[1.0; 784], side: 28, corners: [2.0, 1.0, 5.0, 3.0] };
        let pasted = mask.paste([6, 8], 0.5).unwrap();
        let ones: Vec<_> = (0..48).map(|i| (i / 8, i % 8)).filter(|&(y, x)| pasted.at(y, x)).collect();
        assert_eq!(ones, [(1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (2, 4)]);
        assert_eq!(pasted.area(), 6);
        assert_eq!((pasted.origin, pasted.size), ([0, 1], [5, 6]));
    }

    #[test]
    fn boxes_without_area_or_outside_the_image_are_empty() {
        for corners in
            [[3.0, 1.0, 3.0, 4.0], [1.0, 3.0, 4.0, 3.0], [50.0, 1.0, 60.0, 4.0], [-9.0, 0.0, -5.0, 4.0]]
        {
            let mask = BoxMask { probabilities: &[1.0; 4], side: 2, corners };
            assert_eq!(mask.paste([8, 8], 0.5).unwrap().area(), 0, "{corners:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let good = BoxMask { probabilities: &[1.0; 4], side: 2, corners: [0.0, 0.0, 2.0, 2.0] };
        let text = |mask: BoxMask<'_>, threshold| mask.paste([8, 8], threshold).unwrap_err().to_string();
        assert_eq!(text(BoxMask { side: 3, ..good }, 0.5), "there are 4 probabilities of a mask, expected 9");
        let nan = [0.0, 0.0, f32::NAN, 0.0];
        assert_eq!(
            text(BoxMask { probabilities: &nan, ..good }, 0.5),
            "row 1: the probability is NaN, and must be finite"
        );
        assert!(text(BoxMask { corners: nan, ..good }, 0.5).contains("corner is NaN"));
        assert!(text(good, 0.0).contains("is 0, and must be above 0"));
    }
}
