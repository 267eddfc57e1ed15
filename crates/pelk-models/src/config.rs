//! The configuration of a network: everything that its definition needs, and nothing that training adds.

use crate::error::{ModelError, Result};
use crate::heads::{self, upernet::UperNetConfig};
use crate::layers::INIT_STD;
use pelk_autodiff::Init;
use pelk_autodiff::operators::PositionForm;
use pelk_grid::SharingGrid;
use serde::{Deserialize, Serialize};

/// A hierarchical ConvNet: stem, stages of equal blocks with downsampling between them, head.
///
/// It is stored as JSON in every checkpoint, so that a checkpoint alone is enough to run the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Name in the zoo that this configuration started from.
    pub name: String,
    /// Channels of the input image.
    pub in_channels: usize,
    /// Number of classes.
    pub classes: usize,
    /// Step of the stem: 4 as in the paper (4 x 4 patches), 2 or 1 for small images (3 x 3 kernel).
    pub stem_stride: usize,
    /// The stages, from the highest resolution down.
    pub stages: Vec<StageConfig>,
    /// Width of the pixel MLP over the width of the block.
    pub mlp_ratio: usize,
    /// Start of the layer scale gamma; 0 leaves gamma out.
    pub layer_scale: f32,
    /// Which layers stand around the mixers.
    #[serde(default)]
    pub skeleton: Skeleton,
    /// How the weights of dense layers start.
    pub dense_init: DenseInit,
    /// Factor on the start of the classifier's last weights; small in fine-tuning, so that a fresh classifier does not disturb
    /// a trained backbone.
    #[serde(default = "one")]
    pub head_init_scale: f32,
    /// Probability that the last block's branch is dropped in training; grows linearly from 0 at the first.
    pub drop_path: f32,
    /// The inference form: BatchNorm and the small branch are merged into the large kernel.
    pub folded: bool,
    /// What gives the logits.
    #[serde(default)]
    pub head: Head,
}

fn one() -> f32 {
    1.0
}

/// The layers around the mixers, see [`crate::skeletons`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skeleton {
    /// ConvNeXt's, which SLaK and PeLK share: LayerNorm, one residual branch a block.
    #[default]
    ConvNeXt,
    /// InceptionNeXt's: as ConvNeXt's with BatchNorm, and a classifier of two layers.
    InceptionNeXt,
    /// RepLKNet's: a stem of four convolutions, a BatchNorm after each convolution, two residual branches a block.
    RepLKNet,
}

/// What gives a network's logits, and of what.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// The whole image: the last stage's map is averaged.
    #[default]
    Pooled,
    /// Each place of the last stage's map.
    Dense,
    /// Each pixel, from the maps of all stages, see [`crate::heads::upernet`].
    UperNet(UperNetConfig),
}

/// How the weights of linear layers and dense convolutions start. Depthwise kernels and the head start with deviation
/// 0.02 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenseInit {
    /// Deviation 0.02, as in ConvNeXt and SLaK.
    #[default]
    Fixed,
    /// Deviation `1 / sqrt(fan_in)`: narrow networks learn faster in their first epochs (pelk_atto on Fashion-MNIST
    /// after one epoch: 88.8 % against 87.5 %).
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
    /// Width of the pixel MLP over the width of the block, where it is not that of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlp_ratio: Option<usize>,
}

/// The spatial part of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MixerConfig {
    /// PeLK: partial peripheral convolution, see [`crate::mixers::peripheral`].
    Peripheral(PeripheralConfig),
    /// SLaK: partial convolution with two crossed stripes, see [`crate::mixers::stripe`].
    Stripe(StripeConfig),
    /// InceptionNeXt: a square and two bands over a share of the channels each, see [`crate::mixers`].
    Inception(InceptionConfig),
    /// ConvNeXt: depthwise convolution of all channels, with bias.
    Depthwise {
        /// Side of the kernel; odd.
        kernel: usize,
    },
}

/// A partial peripheral convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeripheralConfig {
    /// The sharing grid, as half grid from the edge to the center.
    #[serde(with = "grid_text")]
    pub grid: SharingGrid,
    /// The first so many channels are convolved, the others pass (Eq. 4-6).
    pub channels: usize,
    /// Side of the dense branch beside the large kernel; 0 for none.
    pub small_kernel: usize,
    /// Position embedding.
    pub position: Position,
    /// What the parameters are factors of.
    #[serde(default)]
    pub boxes: Boxes,
}

/// What a parameter of a region is a factor of. Both give the same functions, but are learned differently: a step of Adam
/// moves every parameter by about the learning rate, hence a tap of a large region as far as one of the center, and the sum over
/// that region's taps as many times as far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boxes {
    /// The sum of the input over the region: the paper's shared taps (Eq. 1).
    #[default]
    Sum,
    /// The mean of the input over the region: the taps are the parameter over the region's area, so that regions of all sizes
    /// start alike and learn alike. On scenes without shelves worth 0.6 to 1.5 points of mIoU all along
    /// the run (one seed, docs/results.md).
    Mean,
}

/// A partial convolution with two stripes, `kernel` x `width` and `width` x `kernel`, and a dense branch of `width` x
/// `width` beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeConfig {
    /// Length of the stripes; odd, above `width`.
    pub kernel: usize,
    /// Width of the stripes; odd.
    pub width: usize,
    /// The first so many channels are convolved, the others pass.
    pub channels: usize,
}

/// Three depthwise kernels side by side: `square` x `square`, 1 x `band` and `band` x 1, each over `channels` channels of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InceptionConfig {
    /// Side of the square kernel; odd.
    pub square: usize,
    /// Length of the bands; odd.
    pub band: usize,
    /// Channels of each kernel, the last ones; those before them pass, at least one.
    pub channels: usize,
}

impl InceptionConfig {
    /// Kernels side by side.
    pub const BRANCHES: usize = 3;
}

/// The kernel-wise position embedding (Eq. 3), shared by the blocks of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// No embedding.
    None,
    /// Added where the kernel's tap lies inside the image.
    #[default]
    InBounds,
    /// Added at every tap: a constant, which the BatchNorm after it removes.
    Literal,
}

impl Position {
    /// The operator's form of this embedding.
    pub fn form(self) -> Option<PositionForm> {
        match self {
            Position::None => None,
            Position::InBounds => Some(PositionForm::InBounds),
            Position::Literal => Some(PositionForm::Literal),
        }
    }
}

impl NetworkConfig {
    /// Each stage halves the image, so more would need images that do not exist.
    const MOST_STAGES: usize = 16;

    /// Checks that the configuration makes a network.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn validate(&self) -> Result<()> {
        let positive = |field, value| match value {
            0 => Err(ModelError::config(field, "must be at least 1")),
            _ => Ok(()),
        };
        positive("in_channels", self.in_channels)?;
        positive("classes", self.classes)?;
        positive("mlp_ratio", self.mlp_ratio)?;
        positive("depths", self.stages.len())?;
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
        for stage in &self.stages {
            positive("depths", stage.depth)?;
            positive("widths", stage.width)?;
            positive("mlp_ratio", stage.mlp_ratio.unwrap_or(self.mlp_ratio))?;
            stage.mixer.validate(stage.width)?;
        }
        heads::validate(&self.head, self.stages.len())
    }

    /// Channels in the middle of the pixel MLPs of stage `i`.
    pub(crate) fn hidden(&self, i: usize) -> usize {
        self.stages[i].mlp_ratio.unwrap_or(self.mlp_ratio) * self.stages[i].width
    }

    /// How the weights of the classifier's last layer start.
    pub(crate) fn head_init(&self) -> Init {
        Init::TruncatedNormal(INIT_STD * self.head_init_scale)
    }

    /// The smallest height and width that every stage can take.
    pub fn smallest_input(&self) -> usize {
        self.stem_stride << (self.stages.len() - 1)
    }
}

impl MixerConfig {
    fn validate(&self, width: usize) -> Result<()> {
        match self {
            MixerConfig::Depthwise { kernel } => odd("kernels", *kernel),
            MixerConfig::Peripheral(peripheral) => {
                part_of(width, peripheral.channels)?;
                match peripheral.small_kernel {
                    0 => Ok(()),
                    small_kernel => odd("small_kernel", small_kernel),
                }
            }
            MixerConfig::Stripe(stripe) => {
                part_of(width, stripe.channels)?;
                odd("kernels", stripe.kernel)?;
                odd("small_kernel", stripe.width)?;
                if stripe.kernel <= stripe.width {
                    let reason =
                        format!("has a stripe of length {} and width {}", stripe.kernel, stripe.width);
                    return Err(ModelError::config("kernels", reason));
                }
                Ok(())
            }
            MixerConfig::Inception(InceptionConfig { square, band, channels }) => {
                let convolved = channels.saturating_mul(InceptionConfig::BRANCHES);
                if *channels == 0 || convolved >= width {
                    let reason = format!(
                        "convolves 3 x {channels} of {width} channels, must be at least 3 and leave one to pass"
                    );
                    return Err(ModelError::config("ratio", reason));
                }
                odd("small_kernel", *square)?;
                odd("kernels", *band)
            }
        }
    }
}

fn part_of(width: usize, channels: usize) -> Result<()> {
    if (1..=width).contains(&channels) {
        return Ok(());
    }
    let reason = format!("convolves {channels} of {width} channels, must be 1 to {width}");
    Err(ModelError::config("ratio", reason))
}

fn odd(field: &'static str, kernel: usize) -> Result<()> {
    match SharingGrid::dense(kernel) {
        Ok(_) => Ok(()),
        Err(source) => Err(ModelError::Grid { field, source }),
    }
}

/// A grid as the text of its half, for configuration files.
mod grid_text {
    use pelk_grid::SharingGrid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(grid: &SharingGrid, serializer: S) -> Result<S::Ok, S::Error> {
        let half: Vec<_> = grid.half().iter().map(ToString::to_string).collect();
        serializer.serialize_str(&half.join(","))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SharingGrid, D::Error> {
        SharingGrid::from_half_text(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    #[test]
    fn a_configuration_from_before_there_were_skeletons_is_read() {
        let config = zoo::model("convnext_atto").unwrap().configure(1, 10).unwrap();
        let mut json = serde_json::to_value(&config).unwrap();
        assert!(json["stages"][0].get("mlp_ratio").is_none(), "{json}");
        json.as_object_mut().unwrap().remove("skeleton").unwrap();
        assert_eq!(serde_json::from_value::<NetworkConfig>(json).unwrap(), config);
    }

    #[test]
    fn every_configuration_survives_being_stored() {
        for model in zoo::models() {
            let config = model.configure(3, 10).unwrap();
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config, "{json}");
        }
    }

    #[test]
    fn bands_that_leave_no_channel_to_pass_are_refused() {
        let mut config = zoo::model("inceptionnext_atto").unwrap().configure(1, 10).unwrap();
        for (channels, square, field) in
            [(11, 3, "ratio"), (0, 3, "ratio"), (usize::MAX, 3, "ratio"), (4, 2, "small")]
        {
            config.stages[0].mixer = MixerConfig::Inception(InceptionConfig { square, band: 11, channels });
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(field), "{channels}, {square}: {message}");
        }
        config.stages[0].mixer =
            MixerConfig::Inception(InceptionConfig { square: 3, band: 11, channels: 10 });
        config.validate().unwrap();
        config.stages[0].mlp_ratio = Some(0);
        assert!(config.validate().unwrap_err().to_string().contains("mlp_ratio"));
    }
}
