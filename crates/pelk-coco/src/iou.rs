//! Intersection over union of boxes and masks, with COCO's rule for crowds.

use crate::{MaskError, Rle};

/// A box `[x, y, width, height]` in pixels.
pub type BBox = [f64; 4];

/// What is compared in an evaluation: a [`BBox`], an [`Rle`], or a shape of your own.
pub trait Shape: Sync {
    /// The area of a detection of this shape, in square pixels.
    fn area(&self) -> f64;

    /// Whether all coordinates are finite, without which there are no overlaps.
    fn is_finite(&self) -> bool;

    /// The IoU of each detection with each truth, row-major `[detections, truths]`. The truths say whether
    /// they are crowds, with which the overlap counts over the area of the detection alone.
    ///
    /// # Errors
    /// If the shapes cannot be compared, such as masks of different sizes.
    fn ious(detections: &[&Self], truths: &[(&Self, bool)]) -> Result<Vec<f64>, MaskError>;
}

/// The IoU of a detected box and a true one. Boxes that do not overlap along both axes have 0; with a
/// `crowd`, it is the intersection over the area of the detection.
pub fn box_iou(detection: BBox, truth: BBox, crowd: bool) -> f64 {
    let overlap = |i: usize| {
        (detection[i + 2] + detection[i]).min(truth[i + 2] + truth[i]) - detection[i].max(truth[i])
    };
    let (width, height) = (overlap(0), overlap(1));
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let intersection = width * height;
    let area = detection[2] * detection[3];
    intersection / if crowd { area } else { area + truth[2] * truth[3] - intersection }
}

/// The IoU of a detected mask and a true one, in pixels, computed on their runs. Masks without common pixels
/// have 0; with a `crowd`, it is the intersection over the area of the detection.
///
/// # Errors
/// [`MaskError::SizesDiffer`].
pub fn mask_iou(detection: &Rle, truth: &Rle, crowd: bool) -> Result<f64, MaskError> {
    Ok(Rle::ious(&[detection], &[(truth, crowd)])?[0])
}

impl Shape for BBox {
    fn area(&self) -> f64 {
        self[2] * self[3]
    }

    fn is_finite(&self) -> bool {
        self.iter().all(|value| value.is_finite())
    }

    fn ious(detections: &[&Self], truths: &[(&Self, bool)]) -> Result<Vec<f64>, MaskError> {
        let row =
            |&&detection: &&BBox| truths.iter().map(move |&(&truth, crowd)| box_iou(detection, truth, crowd));
        Ok(detections.iter().flat_map(row).collect())
    }
}

impl Shape for Rle {
    fn area(&self) -> f64 {
        f64::from(Rle::area(self))
    }

    fn is_finite(&self) -> bool {
        true
    }

    fn ious(detections: &[&Self], truths: &[(&Self, bool)]) -> Result<Vec<f64>, MaskError> {
        let boxes: Vec<_> = truths.iter().map(|(truth, _)| (truth.bbox(), truth.area())).collect();
        let mut ious = Vec::with_capacity(detections.len() * truths.len());
        for detection in detections {
            let (bbox, area) = (detection.bbox(), detection.area());
            for (&(truth, crowd), &(truth_box, truth_area)) in truths.iter().zip(&boxes) {
                detection.check_same_size(truth)?;
                // Boxes that do not overlap spare the walk along the runs.
                let common = match box_iou(bbox, truth_box, false) {
                    0.0 => 0,
                    _ => detection.intersection_area(truth),
                };
                let whole = if crowd { area } else { area + (truth_area - common) };
                ious.push(if common == 0 { 0.0 } else { f64::from(common) / f64::from(whole) });
            }
        }
        Ok(ious)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn touching_boxes_do_not_overlap_and_crowds_count_the_detection() {
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0], false), 0.0);
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0], false), 2.0 / 6.0);
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 9.0, 9.0], true), 0.5);
        assert_eq!(box_iou([0.0; 4], [0.0; 4], false), 0.0);
    }

    #[test]
    fn masks_of_different_sizes_are_an_error_even_far_apart() {
        let a = Rle::from_counts(&[0, 1, 5], [2, 3]).unwrap();
        let b = Rle::from_counts(&[5, 1], [3, 2]).unwrap();
        assert!(matches!(mask_iou(&a, &b, false), Err(MaskError::SizesDiffer { .. })));
    }

    proptest! {
        #[test]
        fn the_overlap_of_runs_is_that_of_bitmaps(
            (size, a, b) in [1..8_usize, 1..8_usize].prop_flat_map(|size| {
                let bitmap = || prop::collection::vec(prop::bool::weighted(0.3), size[0] * size[1]);
                (Just(size), bitmap(), bitmap())
            }),
            crowd in any::<bool>(),
        ) {
            let pixels = || a.iter().zip(&b);
            let count = |rule: fn(bool, bool) -> bool| pixels().filter(|&(&a, &b)| rule(a, b)).count() as f64;
            let common = count(|a, b| a && b);
            let whole = if crowd { count(|a, _| a) } else { count(|a, b| a || b) };
            let expected = if common == 0.0 { 0.0 } else { common / whole };
            let masks = [&a, &b].map(|bitmap| Rle::from_bitmap(bitmap, size).unwrap());
            prop_assert_eq!(mask_iou(&masks[0], &masks[1], crowd).unwrap(), expected);
        }
    }
}
