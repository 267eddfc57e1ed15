//! The targets of the region proposal network in training.

use crate::anchors::Anchors;
use crate::assign::{AssignSettings, Assigned, Assignment, assign};
use crate::error::Result;
use crate::sample::{SampleKey, SampleSettings, sample};
use pelk_ops::BoxCoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which anchors the region proposal network learns from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RpnTargetSettings {
    /// From which overlap on an anchor has to find an object.
    pub assign: AssignSettings,
    /// How many anchors of an image the losses are computed on.
    pub sample: SampleSettings,
}

impl RpnTargetSettings {
    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        self.assign.check()?;
        self.sample.check()
    }
}

/// What the anchors of one image have to find. Anchors are indices into all levels joined, see
/// [`Anchors::locate`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RpnTargets {
    /// The sampled anchors that have to find an object, rising.
    pub positives: Vec<usize>,
    /// The deltas of each of them from the anchor to the object.
    pub deltas: Vec<[f32; 4]>,
    /// The sampled anchors of the background, rising.
    pub negatives: Vec<usize>,
}

/// The anchors that an image `[height, width]` before padding trains, and their targets. Candidates are the
/// anchors inside the image; without any, nothing is sampled. `truths` are the objects that are not crowds.
///
/// # Errors
/// When a truth is not finite or a setting is out of its range.
pub fn rpn_targets(
    anchors: &Anchors,
    image: [usize; 2],
    truths: &[[f32; 4]],
    settings: &RpnTargetSettings,
    key: SampleKey,
) -> Result<RpnTargets> {
    let (candidates, boxes) = anchors.inside(image);
    let Assignment { assigned, .. } = assign(&boxes, truths, &settings.assign)?;
    let sampled = sample(&assigned, &settings.sample, key)?;
    let coder = BoxCoder::default();
    let deltas = sampled.positives.iter().filter_map(|&i| match assigned[i] {
        Assigned::Truth(truth) => Some(coder.encode(&boxes[i], &truths[truth as usize])),
        _ => None,
    });
    let deltas = deltas.collect();
    let all = |indices: Vec<usize>| indices.into_iter().map(|i| candidates[i]).collect();
    Ok(RpnTargets { positives: all(sampled.positives), deltas, negatives: all(sampled.negatives) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchors::AnchorSettings;

    const KEY: SampleKey = SampleKey { seed: 0, pass: 0, image: 0, stage: 0 };

    fn anchors() -> Anchors {
        let settings = AnchorSettings { strides: vec![8, 16], scales: vec![2.0], ratios: vec![1.0] };
        settings.anchors(&[[8, 8], [4, 4]]).unwrap()
    }

    #[test]
    fn positives_carry_the_deltas_to_their_object() {
        let anchors = anchors();
        let truth = [10.0, 9.0, 27.0, 24.0];
        let targets = rpn_targets(&anchors, [64, 60], &[truth], &RpnTargetSettings::default(), KEY).unwrap();
        // Cell (2, 2) of the first level: its anchor is from 8 to 24.
        assert_eq!(targets.positives, [18]);
        let decoded = BoxCoder::default().decode(&anchors.levels()[0][18], &targets.deltas[0], None);
        assert!(decoded.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-4), "{decoded:?}");
        assert!(targets.negatives.iter().all(|&i| i != 18 && i < anchors.len()));
        let (inside, _) = anchors.inside([64, 60]);
        assert!(targets.negatives.iter().all(|i| inside.contains(i)));
    }

    #[test]
    fn an_image_without_objects_or_candidates_is_no_error() {
        let settings = RpnTargetSettings::default();
        let none = rpn_targets(&anchors(), [64, 64], &[], &settings, KEY).unwrap();
        assert!(none.positives.is_empty() && !none.negatives.is_empty());
        let tiny = rpn_targets(&anchors(), [5, 5], &[[0.0, 0.0, 4.0, 4.0]], &settings, KEY).unwrap();
        assert_eq!(tiny, RpnTargets::default());
    }
}
