//! Proposals: the boxes of an image in which the region proposal network sees objects.

use crate::anchors::Anchors;
use crate::error::{DetectionError, Result, check_fraction, check_len, check_positive, first_not_finite};
use crate::nms::{by_score, nms};
use pelk_ops::BoxCoder;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How anchors become proposals. The defaults are those of training; tests keep 1000 and 1000.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProposalSettings {
    /// Number of anchors of a level that are kept by their score, before NMS.
    pub before_nms: usize,
    /// Number of proposals of an image, after NMS.
    pub after_nms: usize,
    /// Of two proposals of a level with an IoU above this, the better one stays.
    pub iou_threshold: f32,
}

impl ProposalSettings {
    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        check_positive("before_nms", self.before_nms)?;
        check_positive("after_nms", self.after_nms)?;
        check_fraction("iou_threshold", self.iou_threshold)
    }
}

impl Default for ProposalSettings {
    fn default() -> Self {
        Self { before_nms: 2000, after_nms: 2000, iou_threshold: 0.7 }
    }
}

/// What the region proposal network computed for one level of one image.
#[derive(Debug, Clone, Copy)]
pub struct LevelOutput<'a> {
    /// Logits of objectness, `[H, W, A]`.
    pub logits: &'a [f32],
    /// Deltas, `[H, W, 4 A]`.
    pub deltas: &'a [f32],
}

/// A box that may hold an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// The box, within the image.
    pub corners: [f32; 4],
    /// Its probability of holding an object.
    pub score: f32,
}

/// The proposals of an image `[height, width]` before padding, by falling score (`get_bboxes` of
/// MMDetection's `RPNHead`): the best anchors of each level, decoded and clamped to the image; those that the
/// clamp made empty are dropped; NMS within each level; the best of all levels. Of equal scores, the lower
/// level and index comes first.
///
/// # Errors
/// When the outputs do not belong to these anchors, a number in them is not finite, or a setting is out of
/// its range.
pub fn proposals(
    anchors: &Anchors,
    outputs: &[LevelOutput<'_>],
    image: [usize; 2],
    settings: &ProposalSettings,
) -> Result<Vec<Proposal>> {
    settings.check()?;
    check_len("levels of outputs", outputs.len(), anchors.levels().len())?;
    let levels = anchors.levels().par_iter().zip(outputs).enumerate();
    let levels = levels.map(|(level, (anchors, output))| of_level(level, anchors, output, image, settings));
    // One error of several must not depend on the threads.
    let levels = levels.collect::<Vec<Result<_>>>().into_iter().collect::<Result<Vec<_>>>()?;
    let (logits, corners): (Vec<f32>, Vec<[f32; 4]>) = levels.into_iter().flatten().unzip();
    let best = by_score(&logits, (0..logits.len()).collect()).into_iter().take(settings.after_nms);
    Ok(best.map(|i| Proposal { corners: corners[i], score: sigmoid(logits[i]) }).collect())
}

/// The logits and boxes of a level that NMS keeps.
fn of_level(
    level: usize,
    anchors: &[[f32; 4]],
    output: &LevelOutput<'_>,
    image: [usize; 2],
    settings: &ProposalSettings,
) -> Result<Vec<(f32, [f32; 4])>> {
    let LevelOutput { logits, deltas } = *output;
    check_len("logits of a level", logits.len(), anchors.len())?;
    check_len("deltas of a level", deltas.len(), 4 * anchors.len())?;
    for (what, values, columns) in [("logit", logits, 1), ("delta", deltas, 4)] {
        if let Some(i) = first_not_finite(values) {
            return Err(DetectionError::Anchor { level, anchor: i / columns, what, value: values[i] });
        }
    }
    let coder = BoxCoder::default();
    // By the logit rather than its sigmoid, which is 1 for all logits above 17.
    let (logits, boxes): (Vec<f32>, Vec<[f32; 4]>) = best(logits, settings.before_nms)
        .into_iter()
        .map(|i| (logits[i], coder.decode(&anchors[i], &deltas.as_chunks().0[i], Some(image))))
        .filter(|(_, [x1, y1, x2, y2])| x2 > x1 && y2 > y1)
        .unzip();
    let kept = nms(&boxes, &logits, settings.iou_threshold)?;
    Ok(kept.into_iter().take(settings.after_nms).map(|i| (logits[i], boxes[i])).collect())
}

/// The indices of the `count` largest scores, by falling score, then by index.
fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    if count < indices.len() {
        indices.select_nth_unstable_by(count, |&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        indices.truncate(count);
    }
    by_score(scores, indices)
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchors::AnchorSettings;
    use proptest::prelude::*;

    fn two_levels() -> Anchors {
        let settings = AnchorSettings { strides: vec![4, 8], scales: vec![2.0], ratios: vec![1.0] };
        settings.anchors(&[[4, 4], [2, 2]]).unwrap()
    }

    fn outputs<'a>(logits: [&'a [f32]; 2], deltas: &'a [f32]) -> [LevelOutput<'a>; 2] {
        [
            LevelOutput { logits: logits[0], deltas: &deltas[..64] },
            LevelOutput { logits: logits[1], deltas: &deltas[64..80] },
        ]
    }

    #[test]
    fn the_best_anchors_of_all_levels_are_proposals_by_falling_score() {
        let mut fine = [-1.0; 16];
        fine[5] = 3.0; // from 0 to 8
        fine[6] = 2.0; // from (4, 0) to (12, 8): its IoU with the first is 1/3
        let coarse = [-2.0, -2.0, -2.0, 2.0]; // from 0 to 16
        let deltas = [0.0; 80];
        let settings = ProposalSettings { before_nms: 2, after_nms: 3, iou_threshold: 0.7 };
        let found =
            proposals(&two_levels(), &outputs([&fine, &coarse], &deltas), [16, 14], &settings).unwrap();
        assert_eq!(
            found.iter().map(|p| p.corners).collect::<Vec<_>>(),
            [[0.0, 0.0, 8.0, 8.0], [4.0, 0.0, 12.0, 8.0], [0.0, 0.0, 14.0, 16.0]]
        );
        assert_eq!(found[0].score, 1.0 / (1.0 + (-3.0_f32).exp()));
        let strict = ProposalSettings { iou_threshold: 0.3, ..settings };
        let found = proposals(&two_levels(), &outputs([&fine, &coarse], &deltas), [16, 14], &strict).unwrap();
        // The levels do not meet in NMS: the box of the coarse level stays.
        assert_eq!(found[1].corners, [0.0, 0.0, 14.0, 16.0]);
    }

    #[test]
    fn boxes_that_the_clamp_makes_empty_are_dropped_before_nms() {
        let mut deltas = [0.0; 80];
        deltas[5 * 4] = -9.0; // far to the left of the image
        let settings = ProposalSettings { before_nms: 1, ..ProposalSettings::default() };
        let mut fine = [0.0; 16];
        fine[5] = 1.0;
        let found =
            proposals(&two_levels(), &outputs([&fine, &[0.0; 4]], &deltas), [16, 16], &settings).unwrap();
        assert_eq!(found.iter().map(|p| p.corners).collect::<Vec<_>>(), [[0.0, 0.0, 8.0, 8.0]]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_named_by_level_and_anchor() {
        let text = |coarse: &[f32], deltas: &[f32]| {
            let outputs = outputs([&[0.0; 16], coarse], deltas);
            proposals(&two_levels(), &outputs, [16, 16], &ProposalSettings::default())
                .unwrap_err()
                .to_string()
        };
        let mut deltas = [0.0; 80];
        assert_eq!(
            text(&[0.0, 0.0, f32::NAN, 0.0], &deltas),
            "level 1, anchor 2: the logit is NaN, and must be finite"
        );
        assert_eq!(text(&[0.0; 3], &deltas), "there are 3 logits of a level, expected 4");
        deltas[13] = f32::NEG_INFINITY;
        assert_eq!(text(&[0.0; 4], &deltas), "level 0, anchor 3: the delta is -inf, and must be finite");
    }

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(
            scores in prop::collection::vec(0..9_u8, 0..80), count in 0..90_usize,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut expected: Vec<usize> = (0..scores.len()).collect();
            expected.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
            expected.truncate(count);
            prop_assert_eq!(best(&scores, count), expected);
        }
    }
}
