//! The samples of a stage of the cascade in training.

use crate::assign::{AssignSettings, Assigned, assign};
use crate::error::{DetectionError, Result, check_fraction, check_len};
use crate::refine::{HeadOutput, refine};
use crate::sample::{SampleKey, SampleSettings, sample};
use pelk_ops::BoxCoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a stage of the cascade learns from. The defaults are those of the first of three stages, see
/// [`StageSettings::cascade`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StageSettings {
    /// A proposal with at least this IoU with an object has to find it. All others are background.
    pub iou_threshold: f32,
    /// Standard deviations of the deltas of center and size: those that the stage predicts are divided by
    /// them.
    pub stds: [f32; 4],
    /// How many proposals of an image the losses are computed on, positive and negative.
    pub samples: usize,
    /// The largest share of positives among them. Negatives fill the rest.
    pub positive_share: f32,
    /// Factor on the losses of the stage.
    pub loss_weight: f32,
}

impl Default for StageSettings {
    fn default() -> Self {
        Self::cascade()[0]
    }
}

impl StageSettings {
    /// The three stages of Cascade Mask R-CNN (Cai and Vasconcelos, CVPR 2018; MMDetection's base
    /// configuration).
    pub fn cascade() -> [Self; 3] {
        let stage = |iou_threshold, center, size, loss_weight| Self {
            iou_threshold,
            stds: [center, center, size, size],
            samples: 512,
            positive_share: 0.25,
            loss_weight,
        };
        [stage(0.5, 0.1, 0.2, 1.0), stage(0.6, 0.05, 0.1, 0.5), stage(0.7, 0.033, 0.067, 0.25)]
    }

    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        check_fraction("iou_threshold", self.iou_threshold)?;
        if let Some(std) = self.stds.iter().find(|std| !(**std > 0.0 && std.is_finite())) {
            let reason = format!("holds {std}, and must hold positive numbers");
            return Err(DetectionError::Setting { name: "stds", reason });
        }
        if !(self.loss_weight >= 0.0 && self.loss_weight.is_finite()) {
            let reason = format!("is {}, and must be 0 or more", self.loss_weight);
            return Err(DetectionError::Setting { name: "loss_weight", reason });
        }
        self.sampling().check()
    }

    fn sampling(&self) -> SampleSettings {
        SampleSettings { count: self.samples, positive_share: self.positive_share }
    }

    /// How the stage writes boxes as deltas.
    pub fn coder(&self) -> BoxCoder {
        BoxCoder::with_stds(self.stds)
    }
}

/// The objects of an image that are not crowds.
#[derive(Debug, Clone, Copy)]
pub struct Truths<'a> {
    /// Their boxes, in the resized image.
    pub boxes: &'a [[f32; 4]],
    /// Their classes, `0..K`.
    pub classes: &'a [usize],
}

/// The boxes of one image that a stage is trained on: positives, then negatives, each in the order of truths
/// and proposals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageSamples {
    /// The boxes.
    pub boxes: Vec<[f32; 4]>,
    /// The class of each box, `0..K`; `K` for the background.
    pub labels: Vec<usize>,
    /// For each positive, the truth that it has to find. Positives are the first rows.
    pub truths: Vec<usize>,
    /// The number of positives that are truths themselves. They are the first rows.
    pub added: usize,
}

impl StageSamples {
    /// The samples of a stage with `classes` things: the proposals are assigned at one threshold, the image's
    /// truths stand in front of them, each assigned to itself (`add_gt_as_proposals`), and a random part of
    /// all is taken.
    ///
    /// # Errors
    /// When a box is not finite, a class is not in `0..classes`, the truths have not one class each, or a
    /// setting is out of its range.
    pub fn draw(
        proposals: &[[f32; 4]],
        truths: Truths<'_>,
        classes: usize,
        settings: &StageSettings,
        key: SampleKey,
    ) -> Result<Self> {
        check_len("classes of truths", truths.classes.len(), truths.boxes.len())?;
        if let Some(row) = truths.classes.iter().position(|&class| class >= classes) {
            return Err(DetectionError::Class { row, class: truths.classes[row], classes });
        }
        let rule = AssignSettings::at(settings.iou_threshold);
        let own = (0..truths.boxes.len() as u32).map(Assigned::Truth);
        let assigned: Vec<Assigned> = own.chain(assign(proposals, truths.boxes, &rule)?.assigned).collect();
        let sampled = sample(&assigned, &settings.sampling(), key)?;
        let mut samples = Self::default();
        for &i in sampled.positives.iter().chain(&sampled.negatives) {
            samples.boxes.push(match i.checked_sub(truths.boxes.len()) {
                Some(proposal) => proposals[proposal],
                None => {
                    samples.added += 1;
                    truths.boxes[i]
                }
            });
            samples.labels.push(match assigned[i] {
                Assigned::Truth(truth) => {
                    samples.truths.push(truth as usize);
                    truths.classes[truth as usize]
                }
                _ => classes,
            });
        }
        Ok(samples)
    }

    /// The proposals of the next stage, without those that are truths: a positive is refined by the deltas of
    /// its label, a negative by those of the class with the largest logit.
    ///
    /// # Errors
    /// As [`refine`].
    pub fn refine(
        &self,
        output: &HeadOutput<'_>,
        coder: &BoxCoder,
        image: [usize; 2],
    ) -> Result<Vec<[f32; 4]>> {
        check_len("labels", self.labels.len(), self.boxes.len())?;
        let mut refined = refine(&self.boxes, &self.labels[..self.truths.len()], output, coder, image)?;
        refined.drain(..self.added);
        Ok(refined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SampleKey = SampleKey { seed: 0, pass: 0, image: 0, stage: 1 };
    const TRUTHS: Truths<'_> =
        Truths { boxes: &[[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 30.0]], classes: &[2, 0] };
    const PROPOSALS: [[f32; 4]; 4] = [
        [50.0, 50.0, 60.0, 60.0],
        [20.0, 20.0, 40.0, 29.0],
        [0.0, 0.0, 10.0, 4.0], // IoU 0.4
        [0.0, 0.0, 10.0, 5.0], // IoU 0.5
    ];

    #[test]
    fn truths_stand_in_front_and_positives_before_negatives() {
        let samples = StageSamples::draw(&PROPOSALS, TRUTHS, 3, &StageSettings::default(), KEY).unwrap();
        let [a, b] = [TRUTHS.boxes[0], TRUTHS.boxes[1]];
        let [p, q, r, s] = PROPOSALS;
        assert_eq!(samples.boxes, [a, b, q, s, p, r]);
        assert_eq!(samples.labels, [2, 0, 0, 2, 3, 3]);
        assert_eq!((samples.truths, samples.added), (vec![0, 1, 1, 0], 2));
    }

    #[test]
    fn of_an_image_without_truths_all_samples_are_background() {
        let none = Truths { boxes: &[], classes: &[] };
        let samples = StageSamples::draw(&PROPOSALS, none, 3, &StageSettings::default(), KEY).unwrap();
        assert_eq!((&samples.labels[..], samples.added), (&[3; 4][..], 0));
        assert_eq!(samples.boxes, PROPOSALS);
    }

    #[test]
    fn refining_drops_exactly_the_truths_that_were_sampled() {
        let settings = StageSettings { samples: 4, positive_share: 0.75, ..StageSettings::default() };
        for seed in 0..20 {
            let key = SampleKey { seed, ..KEY };
            let samples = StageSamples::draw(&PROPOSALS, TRUTHS, 3, &settings, key).unwrap();
            assert_eq!((samples.boxes.len(), samples.truths.len()), (4, 3));
            assert!(samples.boxes[..samples.added].iter().all(|b| TRUTHS.boxes.contains(b)));
            assert!(samples.boxes[samples.added..].iter().all(|b| PROPOSALS.contains(b)));
            let output = HeadOutput { logits: &[0.0; 16], deltas: &[0.0; 48], classes: 3 };
            let refined = samples.refine(&output, &settings.coder(), [100, 100]).unwrap();
            assert_eq!(refined, samples.boxes[samples.added..]);
        }
    }

    #[test]
    fn classes_that_do_not_exist_are_errors() {
        let draw = |truths, classes| {
            StageSamples::draw(&PROPOSALS, truths, classes, &StageSettings::default(), KEY)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(draw(TRUTHS, 2), "row 0 has class 2, and classes are 0..2");
        let short = Truths { classes: &[1], ..TRUTHS };
        assert_eq!(draw(short, 3), "there are 1 classes of truths, expected 2");
    }
}
