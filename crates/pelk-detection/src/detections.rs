//! What a detector found in an image.

use crate::error::{Result, check_finite, check_fraction, check_len, check_positive};
use crate::nms::nms_by_class;
use crate::refine::HeadOutput;
use pelk_ops::BoxCoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which boxes of the last stage are detections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectionSettings {
    /// A class counts for a box if its probability is above this.
    pub score_threshold: f32,
    /// Of two boxes of a class with an IoU above this, the better one stays.
    pub iou_threshold: f32,
    /// Number of detections in an image.
    pub max_per_image: usize,
}

impl DetectionSettings {
    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        check_fraction("score_threshold", self.score_threshold)?;
        check_fraction("iou_threshold", self.iou_threshold)?;
        check_positive("max_per_image", self.max_per_image)
    }
}

impl Default for DetectionSettings {
    fn default() -> Self {
        Self { score_threshold: 0.05, iou_threshold: 0.5, max_per_image: 100 }
    }
}

/// The size of an image, `[height, width]`, before and after it was resized for the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resized {
    /// The image as it is stored.
    pub original: [usize; 2],
    /// The image that the network reads, before padding.
    pub resized: [usize; 2],
}

impl Resized {
    /// A box of the resized image in the original one.
    pub fn to_original(&self, corners: &[f32; 4]) -> [f32; 4] {
        let scale = self.scale();
        std::array::from_fn(|i| corners[i] / scale[i])
    }

    /// A box of the original image in the resized one.
    pub fn to_resized(&self, corners: &[f32; 4]) -> [f32; 4] {
        let scale = self.scale();
        std::array::from_fn(|i| corners[i] * scale[i])
    }

    fn scale(&self) -> [f32; 4] {
        let axis = |i: usize| self.resized[i] as f32 / self.original[i] as f32;
        [axis(1), axis(0), axis(1), axis(0)]
    }
}

/// An object that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its box in the original image.
    pub corners: [f32; 4],
    /// Its class, `0..K`.
    pub class: usize,
    /// Its probability of being of this class.
    pub score: f32,
    /// The box of the last stage that it comes from.
    pub row: usize,
}

/// What the stages computed for one image.
#[derive(Debug, Clone, Copy)]
pub struct CascadeOutput<'a> {
    /// The boxes that the last stage read, in the resized image.
    pub boxes: &'a [[f32; 4]],
    /// The logits of each stage for its own version of these boxes, `[R, K + 1]`; the last stage's too.
    pub logits: &'a [&'a [f32]],
    /// The deltas of the last stage, `[R, 4 K]`.
    pub deltas: &'a [f32],
    /// The number of things, `K`.
    pub classes: usize,
    /// How the last stage writes boxes as deltas.
    pub coder: BoxCoder,
}

impl CascadeOutput<'_> {
    /// The probability of each class for each box, `[R, K + 1]`: the softmax of the mean of the stages'
    /// logits.
    ///
    /// # Errors
    /// When there is no stage, its logits do not belong to the boxes, or one is not finite.
    pub fn probabilities(&self) -> Result<Vec<f32>> {
        check_positive("stages", self.logits.len())?;
        let columns = self.classes + 1;
        let mut probabilities = vec![0.0; self.boxes.len() * columns];
        for logits in self.logits {
            check_len("logits", logits.len(), probabilities.len())?;
            check_finite("logit", logits, columns)?;
            for (sum, logit) in probabilities.iter_mut().zip(*logits) {
                *sum += logit / self.logits.len() as f32;
            }
        }
        for row in probabilities.chunks_exact_mut(columns) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|value| *value = (*value - most).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        }
        Ok(probabilities)
    }
}

/// The objects in an image, by falling score (`multiclass_nms` of MMDetection 2.11): every box and class
/// whose probability is above the threshold, the box decoded with the deltas of the class, clamped and scaled
/// to the original image; NMS within each class; the best of all classes. Of equal scores, the lower row and
/// class comes first.
///
/// # Errors
/// When the lists do not belong together, a number is not finite, a side of the image is 0, or a setting is
/// out of its range.
pub fn detections(
    output: &CascadeOutput<'_>,
    image: &Resized,
    settings: &DetectionSettings,
) -> Result<Vec<Detection>> {
    settings.check()?;
    for side in image.original.into_iter().chain(image.resized) {
        check_positive("a side of the image", side)?;
    }
    let probabilities = output.probabilities()?;
    let logits = output.logits.last().copied().unwrap_or_default();
    let head = HeadOutput { logits, deltas: output.deltas, classes: output.classes };
    head.check(output.boxes)?;
    let mut candidates = Vec::new();
    for (row, (from, scores)) in
        output.boxes.iter().zip(probabilities.chunks_exact(output.classes + 1)).enumerate()
    {
        let things = scores[..output.classes].iter().enumerate();
        for (class, &score) in things.filter(|(_, score)| **score > settings.score_threshold) {
            let corners = head.decode(from, row, class, &output.coder, image.resized);
            candidates.push(Detection { corners: image.to_original(&corners), class, score, row });
        }
    }
    let boxes: Vec<_> = candidates.iter().map(|c| c.corners).collect();
    let scores: Vec<_> = candidates.iter().map(|c| c.score).collect();
    let classes: Vec<_> = candidates.iter().map(|c| c.class).collect();
    let kept = nms_by_class(&boxes, &scores, &classes, settings.iou_threshold)?;
    Ok(kept.into_iter().take(settings.max_per_image).map(|i| candidates[i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Resized = Resized { original: [20, 40], resized: [40, 60] };

    fn output<'a>(logits: &'a [&'a [f32]], boxes: &'a [[f32; 4]], deltas: &'a [f32]) -> CascadeOutput<'a> {
        CascadeOutput { boxes, logits, deltas, classes: 2, coder: BoxCoder::default() }
    }

    #[test]
    fn probabilities_are_of_the_mean_logits_and_not_the_mean_of_probabilities() {
        let (a, b): (&[f32], &[f32]) = (&[4.0, 0.0, 0.0], &[0.0, 1.0, -3.0]);
        let got = output(&[a, b], &[[0.0; 4]], &[0.0; 8]).probabilities().unwrap();
        let terms = [2.0, 0.5, -1.5_f32].map(f32::exp);
        let sum: f32 = terms.iter().sum();
        assert!(got.iter().zip(terms).all(|(got, term)| (got - term / sum).abs() < 1e-6), "{got:?}");
        let large: &[f32] = &[300.0, -300.0, 299.0];
        assert!(
            output(&[large], &[[0.0; 4]], &[0.0; 8]).probabilities().unwrap().iter().all(|p| p.is_finite())
        );
    }

    #[test]
    fn every_class_above_the_threshold_is_a_detection_in_the_original_image() {
        let boxes = [[0.0, 0.0, 30.0, 20.0], [0.0, 0.0, 30.0, 19.0], [30.0, 20.0, 90.0, 40.0]];
        // Row 0 is either class, row 1 is the first and overlaps row 0, row 2 is background, mostly.
        let logits: &[f32] = &[2.0, 1.0, 0.0, 3.0, -9.0, 0.0, -1.0, -9.0, 1.5];
        let settings = DetectionSettings::default();
        let found = detections(&output(&[logits], &boxes, &[0.0; 24]), &IMAGE, &settings).unwrap();
        let what: Vec<_> = found.iter().map(|d| (d.row, d.class, d.corners)).collect();
        assert_eq!(
            what,
            [(1, 0, [0.0, 0.0, 20.0, 9.5]), (0, 1, [0.0, 0.0, 20.0, 10.0]), (2, 0, [20.0, 10.0, 40.0, 20.0]),]
        );
        assert!(found.iter().all(|d| d.score > 0.05) && found.is_sorted_by(|a, b| a.score >= b.score));
        let one = DetectionSettings { max_per_image: 1, ..settings };
        assert_eq!(detections(&output(&[logits], &boxes, &[0.0; 24]), &IMAGE, &one).unwrap(), found[..1]);
        let back = IMAGE.to_resized(&found[2].corners);
        assert!(back.iter().zip([30.0, 20.0, 60.0, 40.0]).all(|(a, b)| (a - b).abs() < 1e-4), "{back:?}");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let text = |logits: &[&[f32]], deltas: &[f32], image| {
            let output = output(logits, &[[0.0, 0.0, 1.0, 1.0]], deltas);
            detections(&output, &image, &DetectionSettings::default()).unwrap_err().to_string()
        };
        let good: &[f32] = &[0.0; 3];
        assert_eq!(text(&[], &[0.0; 8], IMAGE), "stages is 0, and must be at least 1");
        assert_eq!(text(&[good, &good[1..]], &[0.0; 8], IMAGE), "there are 2 logits, expected 3");
        assert_eq!(
            text(&[good, &[f32::NAN; 3]], &[0.0; 8], IMAGE),
            "row 0: the logit is NaN, and must be finite"
        );
        assert!(text(&[good], &[f32::INFINITY; 8], IMAGE).contains("the delta is inf"));
        assert!(
            text(&[good], &[0.0; 8], Resized { original: [0, 4], ..IMAGE }).contains("a side of the image")
        );
    }
}
