//! Non-maximum suppression.

use crate::error::{Result, check_boxes, check_finite, check_fraction, check_len};
use pelk_ops::boxes::iou;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Greedy non-maximum suppression: by falling score, a box is kept unless its IoU with a kept box is above
/// `iou_threshold`. An IoU equal to the threshold keeps both. Returns the boxes that are kept, as indices, by
/// falling score; of equal scores the lower index comes first.
///
/// # Errors
/// When the lists have different lengths, a number in them is not finite, or the threshold is not in 0..=1.
pub fn nms(boxes: &[[f32; 4]], scores: &[f32], iou_threshold: f32) -> Result<Vec<usize>> {
    check(boxes, scores, iou_threshold)?;
    Ok(greedy(boxes, by_score(scores, (0..boxes.len()).collect()), iou_threshold))
}

/// [`nms`] among the boxes of each class, with the kept boxes of all classes in one list by falling score.
///
/// MMCV shifts the boxes of each class apart and runs once; this gives the same without its rounding.
///
/// # Errors
/// As [`nms`].
pub fn nms_by_class(
    boxes: &[[f32; 4]],
    scores: &[f32],
    classes: &[usize],
    iou_threshold: f32,
) -> Result<Vec<usize>> {
    check(boxes, scores, iou_threshold)?;
    check_len("classes", classes.len(), boxes.len())?;
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, &class) in classes.iter().enumerate() {
        members.entry(class).or_default().push(i);
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let kept = members.into_par_iter().map(|own| greedy(boxes, by_score(scores, own), iou_threshold));
    Ok(by_score(scores, kept.collect::<Vec<_>>().concat()))
}

/// The indices by falling score, then by index.
pub(crate) fn by_score(scores: &[f32], mut indices: Vec<usize>) -> Vec<usize> {
    indices.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    indices
}

fn check(boxes: &[[f32; 4]], scores: &[f32], iou_threshold: f32) -> Result<()> {
    check_fraction("iou_threshold", iou_threshold)?;
    check_len("scores", scores.len(), boxes.len())?;
    check_finite("score", scores, 1)?;
    check_boxes(boxes)
}

fn greedy(boxes: &[[f32; 4]], order: Vec<usize>, iou_threshold: f32) -> Vec<usize> {
    // Each kept box meets all later ones in one loop without branches, which becomes vector code.
    let sorted: Vec<[f32; 4]> = order.iter().map(|&i| boxes[i]).collect();
    let mut removed = vec![false; sorted.len()];
    let mut kept = Vec::new();
    for (i, &index) in order.iter().enumerate() {
        if removed[i] {
            continue;
        }
        kept.push(index);
        let best = sorted[i];
        for (other, removed) in sorted[i + 1..].iter().zip(&mut removed[i + 1..]) {
            *removed |= iou(&best, other) > iou_threshold;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::boxes_with;
    use proptest::prelude::*;

    /// NMS in its own words: a box stays if no better box that stays overlaps it.
    fn direct(boxes: &[[f32; 4]], scores: &[f32], classes: &[usize], threshold: f32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
        let mut kept: Vec<usize> = Vec::new();
        for i in order {
            let over = |&k: &usize| classes[k] == classes[i] && iou(&boxes[k], &boxes[i]) > threshold;
            if !kept.iter().any(over) {
                kept.push(i);
            }
        }
        kept
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_direct_rule_also_at_equal_scores(
            items in boxes_with((0..6_u8, 0..3_usize), 0..60), threshold in 0.0..1.0_f32,
        ) {
            let boxes: Vec<_> = items.iter().map(|item| item.0).collect();
            let scores: Vec<_> = items.iter().map(|item| f32::from(item.1.0) / 4.0).collect();
            let classes: Vec<_> = items.iter().map(|item| item.1.1).collect();
            let kept = nms_by_class(&boxes, &scores, &classes, threshold).unwrap();
            prop_assert_eq!(kept, direct(&boxes, &scores, &classes, threshold));
            let one_class = vec![0; boxes.len()];
            let expected = direct(&boxes, &scores, &one_class, threshold);
            prop_assert_eq!(nms(&boxes, &scores, threshold).unwrap(), expected);
        }
    }

    #[test]
    fn an_overlap_equal_to_the_threshold_keeps_both() {
        let boxes = [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 2.0, 4.0]];
        assert_eq!(nms(&boxes, &[0.5, 0.9], 0.5).unwrap(), [1, 0]);
        assert_eq!(nms(&boxes, &[0.5, 0.9], 0.49).unwrap(), [1]);
    }

    #[test]
    fn empty_boxes_overlap_nothing() {
        assert_eq!(nms(&[[1.0; 4]; 2], &[0.5, 0.5], 0.0).unwrap(), [0, 1]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_named() {
        let boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, f32::INFINITY, 1.0, 1.0]];
        let text = |scores: &[f32], boxes: &[[f32; 4]]| nms(boxes, scores, 0.5).unwrap_err().to_string();
        assert_eq!(text(&[0.0, f32::NAN], &boxes), "row 1: the score is NaN, and must be finite");
        assert_eq!(text(&[0.0, 0.0], &boxes), "row 1: the box's corner is inf, and must be finite");
        assert_eq!(text(&[0.0], &boxes), "there are 1 scores, expected 2");
        assert_eq!(
            nms(&boxes, &[0.0; 2], 1.5).unwrap_err().to_string(),
            "iou_threshold is 1.5, and must be in 0..=1"
        );
    }
}
