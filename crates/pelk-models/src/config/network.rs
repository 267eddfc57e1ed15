//! The configuration of a whole network and of its stages.

use super::cascade::MOST_CHANNELS;
use super::head::Head;
use super::mixer::MixerConfig;
use crate::error::{ModelError, Result};
use crate::layers::INIT_STD;
use pelk_autodiff::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A hierarchical ConvNet: stem, stages of equal blocks with downsampling between them, head.
///
/// It is stored as JSON in every checkpoint, so that a checkpoint alone is enough to run the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Name of the zoo model that this configuration started from.
    pub name: String,
    /// Channels of the input image.
    pub in_channels: usize,
    /// Number of classes.
    pub classes: usize,
    /// Stride of the stem: 4 as in the paper (4 x 4 patches), 2 or 1 for small images (3 x 3 kernel).
    pub stem_stride: usize,
    /// The stages, from the highest resolution down.
    pub stages: Vec<StageConfig>,
    /// Width of the pixel MLP relative to the block.
    pub mlp_ratio: usize,
    /// Initial layer scale gamma; 0 leaves gamma out.
    pub layer_scale: f32,
    /// The layers around the mixers. Called `skeleton` in older files.
    #[serde(default, alias = "skeleton")]
    pub family: Family,
    /// Initial weights of dense layers.
    pub dense_init: DenseInit,
    /// Factor for the initial weights of the classifier's last layer; small in fine-tuning, so that a new
    /// classifier does not disturb a trained backbone.
    #[serde(default = "one")]
    pub head_init_scale: f32,
    /// Probability of dropping the last block's branch in training; grows linearly from 0 at the first block.
    pub drop_path: f32,
    /// The inference form: BatchNorm and the small branch are merged into the large kernel.
    pub folded: bool,
    /// What computes the logits.
    #[serde(default)]
    pub head: Head,
}

fn one() -> f32 {
    1.0
}

/// The layers around the mixers, see [`crate::families`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// ConvNeXt's, which SLaK and PeLK share: LayerNorm, one residual branch per block.
    #[default]
    ConvNeXt,
    /// InceptionNeXt's: like ConvNeXt's, but with BatchNorm and a classifier of two layers.
    InceptionNeXt,
    /// RepLKNet's: a stem of four convolutions, a BatchNorm after each convolution, two residual branches per
    /// block.
    RepLKNet,
}

/// Initial weights of linear layers and dense convolutions. Depthwise kernels and the head always start with
/// standard deviation 0.02.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DenseInit {
    /// Standard deviation 0.02, as in ConvNeXt and SLaK.
    #[default]
    Fixed,
    /// Standard deviation `1 / sqrt(fan_in)`: narrow networks learn faster in their first epochs (pelk_atto
    /// on Fashion-MNIST after one epoch: 88.8 % versus 87.5 %).
    FanIn,
}

/// Blocks of one resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Channels.
    pub width: usize,
    /// How the blocks mix neighboring pixels.
    pub mixer: MixerConfig,
    /// Width of the pixel MLP relative to the block, if it differs from the network's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlp_ratio: Option<usize>,
}

impl NetworkConfig {
    /// Each stage halves the image, so more would need impossibly large images.
    const MOST_STAGES: usize = 16;
    /// The most blocks in all: ten times as many as any published network of this kind has.
    const MOST_BLOCKS: usize = 1000;
    /// The largest width of a pixel MLP relative to its block.
    const LARGEST_RATIO: usize = 64;

    /// Checks that the configuration is valid.
    ///
    /// # Errors
    /// When a field has an invalid value; the message names the field and valid values.
    pub fn validate(&self) -> Result<()> {
        let within = |field, value, most| match value {
            0 => Err(ModelError::config(field, "must be at least 1")),
            _ if value > most => {
                Err(ModelError::config(field, format!("is {value}, must be at most {most}")))
            }
            _ => Ok(()),
        };
        let (channels, ratio) = (MOST_CHANNELS, NetworkConfig::LARGEST_RATIO);
        within("in_channels", self.in_channels, channels)?;
        within("classes", self.classes, usize::MAX)?;
        within("mlp_ratio", self.mlp_ratio, ratio)?;
        within("depths", self.stages.len(), usize::MAX)?;
        if self.stages.len() > NetworkConfig::MOST_STAGES {
            let reason = format!("has {} entries, at most {}", self.stages.len(), NetworkConfig::MOST_STAGES);
            return Err(ModelError::config("depths", reason));
        }
        if ![1, 2, 4].contains(&self.stem_stride) {
            return Err(ModelError::config(
                "stem_stride",
                format!("is {}, must be 1, 2 or 4", self.stem_stride),
            ));
        }
        if !(0.0..1.0).contains(&self.drop_path) {
            return Err(ModelError::config(
                "drop_path",
                format!("is {}, must be at least 0 and below 1", self.drop_path),
            ));
        }
        if !(self.layer_scale >= 0.0 && self.layer_scale.is_finite()) {
            return Err(ModelError::config(
                "layer_scale",
                format!("is {}, must be 0 or more", self.layer_scale),
            ));
        }
        if !(self.head_init_scale >= 0.0 && self.head_init_scale.is_finite()) {
            let reason = format!("is {}, must be 0 or more", self.head_init_scale);
            return Err(ModelError::config("head_init_scale", reason));
        }
        let blocks = self.stages.iter().fold(0_usize, |sum, stage| sum.saturating_add(stage.depth));
        if blocks > NetworkConfig::MOST_BLOCKS {
            let reason = format!("has {blocks} blocks in all, at most {}", NetworkConfig::MOST_BLOCKS);
            return Err(ModelError::config("depths", reason));
        }
        for stage in &self.stages {
            within("depths", stage.depth, usize::MAX)?;
            within("widths", stage.width, channels)?;
            within("mlp_ratio", stage.mlp_ratio.unwrap_or(self.mlp_ratio), ratio)?;
            stage.mixer.validate(stage.width)?;
        }
        self.head.validate(self.stages.len())
    }

    /// Hidden channels of the pixel MLPs of stage `i`.
    pub(crate) fn hidden(&self, i: usize) -> usize {
        self.stages[i].mlp_ratio.unwrap_or(self.mlp_ratio) * self.stages[i].width
    }

    /// Initial weights of the classifier's last layer.
    pub(crate) fn head_init(&self) -> Init {
        Init::TruncatedNormal(INIT_STD * self.head_init_scale)
    }

    /// The smallest height and width of an image that reaches every stage.
    pub fn smallest_input(&self) -> usize {
        self.stem_stride << (self.stages.len() - 1)
    }
}
