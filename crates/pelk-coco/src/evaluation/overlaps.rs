//! Overlaps of the detections of an image with its truths.

use super::error::EvaluationError;
use super::input::{Detection, Truth};
use crate::Shape;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The IoU of each detection of an image with each truth, row-major `[detections, truths]`; `crowds` says
/// whether COCO's rule for crowds applies.
pub(super) fn ious<S: Shape>(
    truths: &[&Truth<S>],
    detections: &[&Detection<S>],
    crowds: bool,
) -> Result<Vec<f64>, EvaluationError> {
    let (Some(first), false) = (truths.first(), detections.is_empty()) else { return Ok(Vec::new()) };
    let (image_id, category_id) = (first.image_id, first.category_id);
    let shapes: Vec<&S> = detections.iter().map(|detection| &detection.shape).collect();
    let truths: Vec<(&S, bool)> = truths.iter().map(|truth| (&truth.shape, crowds && truth.crowd)).collect();
    let ious = S::ious(&shapes, &truths).map_err(|source| EvaluationError::Shapes {
        image_id,
        category_id,
        source,
    })?;
    if ious.len() != truths.len() * detections.len() || ious.iter().any(|iou| iou.is_nan()) {
        return Err(EvaluationError::Overlap { image_id, category_id });
    }
    Ok(ious)
}

/// The truth that each detection overlaps most, of any category: its place among `truths`, the first of
/// equals; `None` if it overlaps none.
pub(super) fn most_overlapped<S: Shape>(
    truths: &[Truth<S>],
    detections: &[Detection<S>],
) -> Result<Vec<Option<usize>>, EvaluationError> {
    let mut images: BTreeMap<u64, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (place, truth) in truths.iter().enumerate() {
        images.entry(truth.image_id).or_default().0.push(place);
    }
    for (place, detection) in detections.iter().enumerate() {
        images.entry(detection.image_id).or_default().1.push(place);
    }
    let images: Vec<_> = images.into_values().filter(|(truths, _)| !truths.is_empty()).collect();
    let of_image = |(truth_places, places): &(Vec<usize>, Vec<usize>)| {
        let shown: Vec<&Truth<S>> = truth_places.iter().map(|&place| &truths[place]).collect();
        let found: Vec<&Detection<S>> = places.iter().map(|&place| &detections[place]).collect();
        let ious = ious(&shown, &found, false)?;
        let most = |row: &[f64]| {
            let (mut best, mut most) = (0.0, None);
            for (&iou, &place) in row.iter().zip(truth_places) {
                if iou > best {
                    (best, most) = (iou, Some(place));
                }
            }
            most
        };
        Ok(ious.chunks(shown.len()).map(most).collect::<Vec<_>>())
    };
    let most: Vec<Vec<Option<usize>>> =
        images.par_iter().map(of_image).collect::<Result<_, EvaluationError>>()?;
    let mut all = vec![None; detections.len()];
    for ((_, places), most) in images.iter().zip(most) {
        places.iter().zip(most).for_each(|(&place, truth)| all[place] = truth);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BBox, MaskError, Rle};

    fn truth<S>(image_id: u64, shape: S) -> Truth<S> {
        Truth { image_id, category_id: 1, shape, area: 1.0, crowd: true, group: None }
    }

    #[test]
    fn the_truth_overlapped_most_is_of_the_same_image_and_of_any_category() {
        let wide: BBox = [0.0, 0.0, 20.0, 10.0];
        let truths = [[0.0, 0.0, 10.0, 10.0], [10.0, 0.0, 10.0, 10.0], wide].map(|shape| truth(7, shape));
        let found = |image_id, shape| Detection::new(image_id, 2, shape, 0.5);
        let detections = [
            found(7, [1.0, 0.0, 10.0, 10.0]),
            found(3, wide),
            found(7, [12.0, 0.0, 10.0, 10.0]),
            found(7, [5.0, 0.0, 10.0, 10.0]), // 1/3 of each square, half of both together
            found(7, [30.0, 0.0, 5.0, 5.0]),
            found(7, [6.0, 5.0, 4.0, 4.0]),
        ];
        let most = most_overlapped(&truths, &detections).unwrap();
        assert_eq!(most, [Some(0), None, Some(1), Some(2), None, Some(0)], "a crowd is like others here");
        assert_eq!(most_overlapped(&truths[..0], &detections).unwrap(), [None; 6]);
        let twice = [truths[1].clone(), truths[0].clone(), truths[0].clone()];
        assert_eq!(most_overlapped(&twice, &detections[..1]).unwrap(), [Some(1)], "the first of equals");
    }

    #[test]
    fn masks_that_cannot_be_compared_are_an_error() {
        let mask = |size| Rle::from_counts(&[0, 6], size).unwrap();
        let found = [Detection::new(7, 2, mask([2, 3]), 0.5)];
        let error = most_overlapped(&[truth(7, mask([3, 2]))], &found).unwrap_err();
        let source = MaskError::SizesDiffer { first: [2, 3], second: [3, 2] };
        assert_eq!(error, EvaluationError::Shapes { image_id: 7, category_id: 1, source });
    }
}
