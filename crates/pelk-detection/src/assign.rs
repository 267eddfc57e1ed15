//! Which truth each box has to find.

use crate::error::{DetectionError, Result, check_boxes, check_fraction};
use pelk_ops::boxes::{intersection, iou_for_assignment};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From which overlap on a box has to find a truth (`MaxIoUAssigner` of MMDetection 2.11). The defaults are
/// those of the region proposal network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssignSettings {
    /// A box whose best IoU is at least this has to find that truth.
    pub positive: f32,
    /// A box whose best IoU is below this is background. Between this and `positive` it does not count.
    pub negative: f32,
    /// A truth whose best IoU is at least this gets the boxes with exactly that IoU, if `low_quality` is on.
    pub least: f32,
    /// Whether a truth gets its best boxes even if they overlap it less than `positive`.
    pub low_quality: bool,
}

impl Default for AssignSettings {
    fn default() -> Self {
        Self { positive: 0.7, negative: 0.3, least: 0.3, low_quality: true }
    }
}

/// What a box has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// It does not count.
    Ignored,
    /// Background.
    Negative,
    /// The truth with this index.
    Truth(u32),
}

/// What each box has to find, and its largest IoU with a truth (0 without truths).
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// What each box has to find.
    pub assigned: Vec<Assigned>,
    /// The largest IoU of each box with a truth.
    pub overlaps: Vec<f32>,
}

/// Boxes that are compared with the truths together; about as many as make the loops long.
const BLOCK: usize = 128;

/// What the boxes of a block have in common.
struct Block {
    /// For each box, its best IoU and the truth.
    best: Vec<(f32, u32)>,
    /// For each truth, its best IoU with a box of the block.
    of_truths: Vec<f32>,
}

/// Assigns boxes to truths, in this order:
///
/// 1. All boxes are ignored.
/// 2. A box whose best IoU is below `negative` is negative.
/// 3. A box whose best IoU is at least `positive` has to find that truth, of equals the first.
/// 4. With `low_quality`, for each truth in turn: if its best IoU with a box is at least `least`, all boxes
///    with exactly that IoU have to find it, whatever they had to find before.
///
/// Without truths all boxes are negative. Truths are the objects that are not crowds.
///
/// # Errors
/// When a box is not finite, a threshold is not in 0..=1, or `negative` is above `positive`.
pub fn assign(boxes: &[[f32; 4]], truths: &[[f32; 4]], settings: &AssignSettings) -> Result<Assignment> {
    settings.check()?;
    check_boxes(boxes)?;
    check_boxes(truths)?;
    if truths.is_empty() {
        return Ok(Assignment {
            assigned: vec![Assigned::Negative; boxes.len()],
            overlaps: vec![0.0; boxes.len()],
        });
    }
    let blocks: Vec<Block> = boxes.par_chunks(BLOCK).map(|boxes| compare(boxes, truths)).collect();
    let best: Vec<(f32, u32)> = blocks.iter().flat_map(|block| block.best.iter().copied()).collect();
    let mut assigned: Vec<Assigned> = best
        .iter()
        .map(|&(overlap, truth)| match overlap {
            _ if overlap >= settings.positive => Assigned::Truth(truth),
            _ if overlap < settings.negative => Assigned::Negative,
            _ => Assigned::Ignored,
        })
        .collect();
    if settings.low_quality {
        for (t, truth) in truths.iter().enumerate() {
            let of_blocks = || blocks.iter().map(|block| block.of_truths[t]);
            let most = of_blocks().fold(0.0, f32::max);
            if most < settings.least {
                continue;
            }
            for (block, _) in of_blocks().enumerate().filter(|(_, overlap)| *overlap == most) {
                for i in block * BLOCK..boxes.len().min((block + 1) * BLOCK) {
                    if iou_for_assignment(&boxes[i], truth) == most {
                        assigned[i] = Assigned::Truth(t as u32);
                    }
                }
            }
        }
    }
    Ok(Assignment { assigned, overlaps: best.into_iter().map(|(overlap, _)| overlap).collect() })
}

fn compare(boxes: &[[f32; 4]], truths: &[[f32; 4]]) -> Block {
    let hull =
        boxes.iter().fold(boxes[0], |h, b| [h[0].min(b[0]), h[1].min(b[1]), h[2].max(b[2]), h[3].max(b[3])]);
    let mut best = vec![(0.0, 0); boxes.len()];
    let mut of_truths = vec![0.0; truths.len()];
    let mut overlaps = [0.0_f32; BLOCK];
    for (t, truth) in truths.iter().enumerate() {
        // A truth beside the hull overlaps none of the boxes, and its IoUs are exactly 0.
        if intersection(&hull, truth) == 0.0 {
            continue;
        }
        for (overlap, b) in overlaps.iter_mut().zip(boxes) {
            *overlap = iou_for_assignment(b, truth);
        }
        for (best, &overlap) in best.iter_mut().zip(&overlaps) {
            if overlap > best.0 {
                *best = (overlap, t as u32);
            }
            of_truths[t] = f32::max(of_truths[t], overlap);
        }
    }
    Block { best, of_truths }
}

impl AssignSettings {
    /// The settings of a stage with one threshold, where each box is either positive or negative.
    pub fn at(threshold: f32) -> Self {
        Self { positive: threshold, negative: threshold, least: threshold, low_quality: false }
    }

    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        let Self { positive, negative, least, low_quality: _ } = *self;
        for (name, value) in [("positive", positive), ("negative", negative), ("least", least)] {
            check_fraction(name, value)?;
        }
        if negative > positive {
            let reason = format!("is {negative}, and must not be above positive, {positive}");
            return Err(DetectionError::Setting { name: "negative", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::boxes;
    use proptest::prelude::*;

    /// The rule with the whole table of overlaps.
    fn direct(boxes: &[[f32; 4]], truths: &[[f32; 4]], settings: &AssignSettings) -> Vec<Assigned> {
        let iou = |b: usize, t: usize| iou_for_assignment(&boxes[b], &truths[t]);
        let mut assigned = vec![Assigned::Ignored; boxes.len()];
        for b in 0..boxes.len() {
            let best = (0..truths.len()).fold(0, |best, t| if iou(b, t) > iou(b, best) { t } else { best });
            if iou(b, best) < settings.negative {
                assigned[b] = Assigned::Negative;
            }
            if iou(b, best) >= settings.positive {
                assigned[b] = Assigned::Truth(best as u32);
            }
        }
        if settings.low_quality {
            for t in 0..truths.len() {
                let most = (0..boxes.len()).map(|b| iou(b, t)).fold(0.0, f32::max);
                for b in 0..boxes.len() {
                    if most >= settings.least && iou(b, t) == most {
                        assigned[b] = Assigned::Truth(t as u32);
                    }
                }
            }
        }
        assigned
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_whole_table(
            all in boxes(0..400), truths in boxes(1..8), thresholds in prop::array::uniform3(0.0..1.0_f32),
            low_quality in any::<bool>(),
        ) {
            let [a, b, least] = thresholds;
            let settings = AssignSettings { positive: a.max(b), negative: a.min(b), least, low_quality };
            for settings in [settings, AssignSettings { least: 0.0, ..settings }] {
                let assignment = assign(&all, &truths, &settings).unwrap();
                prop_assert_eq!(assignment.assigned, direct(&all, &truths, &settings));
                for (overlap, b) in assignment.overlaps.iter().zip(&all) {
                    let most = truths.iter().map(|t| iou_for_assignment(b, t)).fold(0.0, f32::max);
                    prop_assert_eq!(*overlap, most);
                }
            }
        }
    }

    #[test]
    fn a_later_truth_takes_the_boxes_of_an_earlier_one() {
        let one = [[0.0, 0.0, 10.0, 10.0]];
        let truths = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0]];
        let settings = AssignSettings::default();
        assert_eq!(assign(&one, &truths, &settings).unwrap().assigned, [Assigned::Truth(1)]);
        let strict = AssignSettings { low_quality: false, ..settings };
        assert_eq!(assign(&one, &truths, &strict).unwrap().assigned, [Assigned::Truth(0)]);
    }

    #[test]
    fn without_truths_all_boxes_are_negative() {
        let assignment = assign(&[[0.0, 0.0, 1.0, 1.0]; 3], &[], &AssignSettings::at(0.5)).unwrap();
        assert_eq!(assignment, Assignment { assigned: vec![Assigned::Negative; 3], overlaps: vec![0.0; 3] });
        let no_boxes = assign(&[], &[[0.0, 0.0, 1.0, 1.0]], &AssignSettings::default()).unwrap();
        assert!(no_boxes.assigned.is_empty());
    }

    #[test]
    fn what_is_not_in_its_range_is_an_error() {
        let text = |settings| assign(&[], &[], &settings).unwrap_err().to_string();
        let settings = AssignSettings::default();
        let wrong = AssignSettings { negative: 0.8, ..settings };
        assert_eq!(text(wrong), "negative is 0.8, and must not be above positive, 0.7");
        assert_eq!(
            text(AssignSettings { least: f32::NAN, ..settings }),
            "least is NaN, and must be in 0..=1"
        );
        assert!(assign(&[[f32::NAN; 4]], &[], &settings).is_err());
    }
}
