//! Settings of Cascade Mask R-CNN.

use crate::error::{ModelError, Result};
use crate::heads::cascade::REFINEMENT;
use pelk_detection::{DetectionError, DetectionSettings, ProposalSettings, RpnTargetSettings, StageSettings};
use pelk_ops::{Roi, RoiAlign};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most channels of any layer of a network; with it, the shapes of all tensors fit in 64 bits.
pub(super) const MOST_CHANNELS: usize = 1 << 16;
/// The most rows of the features that a head reads of a box.
const LARGEST_REGION: usize = 256;
/// The most convolutions of a head.
const MOST_CONVS: usize = 100;

/// The settings of Cascade Mask R-CNN, see [`crate::heads::cascade`]; the defaults are those of the paper's
/// COCO models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CascadeConfig {
    /// Channels of the pyramid's maps, and of the convolutions of all heads.
    pub channels: usize,
    /// Sides of the square anchors, in pixels of their map.
    pub anchor_scales: Vec<f32>,
    /// Height over width of the anchors; each scale has all of them, with the area of its square.
    pub anchor_ratios: Vec<f32>,
    /// Which map a head reads of a box: the first one where the box's side, the root of its area, is below
    /// twice this number of image pixels, the second one below four times, and so on.
    pub finest_scale: f32,
    /// Height and width of the features that a box head reads of a box.
    pub box_size: usize,
    /// Number of 3 x 3 convolutions, each with BatchNorm, in a box head.
    pub box_convs: usize,
    /// Width of the layer after them.
    pub box_features: usize,
    /// Height and width of a box's mask, even.
    pub mask_size: usize,
    /// Number of 3 x 3 convolutions in a mask head.
    pub mask_convs: usize,
    /// Which anchors the losses of the proposals are computed on.
    pub rpn: RpnTargetSettings,
    /// Which anchors become proposals.
    pub proposals: ProposalConfig,
    /// The stages of the cascade.
    pub stages: Vec<StageSettings>,
    /// Factor on the loss of the stages' boxes.
    pub box_loss_weight: f32,
    /// What counts as found in evaluation.
    pub detections: DetectionSettings,
}

impl Default for CascadeConfig {
    fn default() -> CascadeConfig {
        CascadeConfig {
            channels: 256,
            anchor_scales: vec![8.0],
            anchor_ratios: vec![0.5, 1.0, 2.0],
            finest_scale: 56.0,
            box_size: 7,
            box_convs: 4,
            box_features: 1024,
            mask_size: 28,
            mask_convs: 4,
            rpn: RpnTargetSettings::default(),
            proposals: ProposalConfig::default(),
            stages: StageSettings::cascade().to_vec(),
            box_loss_weight: 10.0,
            detections: DetectionSettings::default(),
        }
    }
}

/// Which anchors become proposals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProposalConfig {
    /// Number of anchors of a map that are kept by their score, before NMS, in evaluation.
    pub before_nms: usize,
    /// Number of proposals of an image, after NMS, in evaluation.
    pub after_nms: usize,
    /// `before_nms` in training.
    pub training_before_nms: usize,
    /// `after_nms` in training.
    pub training_after_nms: usize,
    /// Of two proposals of a map with an IoU above this, the better one stays.
    pub iou_threshold: f32,
}

impl Default for ProposalConfig {
    fn default() -> ProposalConfig {
        ProposalConfig {
            before_nms: 1000,
            after_nms: 1000,
            training_before_nms: 2000,
            training_after_nms: 2000,
            iou_threshold: 0.7,
        }
    }
}

impl ProposalConfig {
    /// The settings of a training pass.
    pub fn in_training(&self) -> ProposalSettings {
        ProposalSettings {
            before_nms: self.training_before_nms,
            after_nms: self.training_after_nms,
            iou_threshold: self.iou_threshold,
        }
    }

    /// The settings of an evaluation.
    pub fn in_evaluation(&self) -> ProposalSettings {
        ProposalSettings {
            before_nms: self.before_nms,
            after_nms: self.after_nms,
            iou_threshold: self.iou_threshold,
        }
    }
}

impl CascadeConfig {
    /// How a head reads `rois` at `size` x `size` from this number of maps, the first of which has `stride`.
    pub(crate) fn roi_align(&self, rois: Arc<[Roi]>, size: usize, stride: usize, maps: usize) -> RoiAlign {
        RoiAlign {
            rois,
            size: [size, size],
            strides: (0..maps).map(|i| stride << i).collect(),
            sampling_ratio: 0,
        }
    }

    /// Number of anchors at each position of a map.
    pub fn anchors(&self) -> usize {
        self.anchor_scales.len() * self.anchor_ratios.len()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |key: &str, reason: String| Err(ModelError::config(format!("cascade.{key}"), reason));
        let counts = [
            ("channels", self.channels),
            ("box_size", self.box_size),
            ("box_features", self.box_features),
            ("mask_size", self.mask_size),
        ];
        if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return refuse(key, "is 0, must be at least 1".to_owned());
        }
        let most = [
            ("channels", self.channels, MOST_CHANNELS),
            ("box_features", self.box_features, MOST_CHANNELS),
            ("box_size", self.box_size, LARGEST_REGION),
            ("mask_size", self.mask_size, LARGEST_REGION),
            ("box_convs", self.box_convs, MOST_CONVS),
            ("mask_convs", self.mask_convs, MOST_CONVS),
        ];
        if let Some((key, count, most)) = most.into_iter().find(|(_, count, most)| count > most) {
            return refuse(key, format!("is {count}, must be at most {most}"));
        }
        if !self.mask_size.is_multiple_of(REFINEMENT) {
            return refuse("mask_size", format!("is {}, must be even", self.mask_size));
        }
        for (key, values) in [("anchor_scales", &self.anchor_scales), ("anchor_ratios", &self.anchor_ratios)]
        {
            if values.is_empty() {
                return refuse(key, "is empty, must hold at least one number".to_owned());
            }
            if let Some(value) = values.iter().find(|value| !positive(**value)) {
                return refuse(key, format!("holds {value}, must be above 0"));
            }
        }
        if !positive(self.finest_scale) {
            return refuse("finest_scale", format!("is {}, must be above 0", self.finest_scale));
        }
        if self.stages.is_empty() {
            return refuse("stages", "is empty, must have at least one stage".to_owned());
        }
        if !(self.box_loss_weight >= 0.0 && self.box_loss_weight.is_finite()) {
            return refuse("box_loss_weight", format!("is {}, must be 0 or more", self.box_loss_weight));
        }
        let checked = |key: String, check: std::result::Result<(), DetectionError>| {
            check.map_err(|error| ModelError::config(format!("cascade.{key}"), error.to_string()))
        };
        for (i, stage) in self.stages.iter().enumerate() {
            checked(format!("stages[{i}]"), stage.check())?;
        }
        checked("rpn".to_owned(), self.rpn.check())?;
        checked("proposals".to_owned(), self.proposals.in_training().check())?;
        checked("proposals".to_owned(), self.proposals.in_evaluation().check())?;
        checked("detections".to_owned(), self.detections.check())?;
        Ok(())
    }
}

fn positive(value: f32) -> bool {
    value > 0.0 && value.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_detector_are_named() {
        CascadeConfig::default().validate().unwrap();
        let paper = CascadeConfig::default;
        for (config, key) in [
            (CascadeConfig { channels: 0, ..paper() }, "cascade.channels"),
            (CascadeConfig { mask_size: 27, ..paper() }, "cascade.mask_size"),
            (CascadeConfig { anchor_scales: vec![], ..paper() }, "cascade.anchor_scales"),
            (CascadeConfig { anchor_ratios: vec![1.0, -2.0], ..paper() }, "cascade.anchor_ratios"),
            (CascadeConfig { finest_scale: f32::NAN, ..paper() }, "cascade.finest_scale"),
            (CascadeConfig { stages: vec![], ..paper() }, "cascade.stages"),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        let mut bad = paper();
        bad.stages[1].stds[2] = 0.0;
        let error = bad.validate().unwrap_err().to_string();
        assert!(error.contains("cascade.stages[1]") && error.contains("stds"), "{error}");
    }
}
