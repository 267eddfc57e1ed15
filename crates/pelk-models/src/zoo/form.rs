//! The forms of the kernels that mix pixels, each with its own options.

use super::options::Options;
use crate::config::{InceptionConfig, MixerConfig, PeripheralConfig, Position, StripeConfig, ThetaScale};
use crate::error::{ModelError, Result};
use pelk_grid::SharingGrid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The form of the kernels in a model's blocks, with its options. To add an option: a field with its doc
/// comment and default in the struct of its form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// Parameters shared away from the center: PeLK.
    Peripheral(PeripheralForm),
    /// A parameter for every tap: RepLKNet.
    Dense(DenseForm),
    /// Two crossed stripes, as wide as the small kernel: SLaK.
    Stripe(StripeForm),
    /// A square, a horizontal band and a vertical band, a third of the convolved channels each:
    /// InceptionNeXt.
    Inception(InceptionForm),
    /// Plain depthwise kernels over all channels: ConvNeXt.
    Depthwise(DepthwiseForm),
}

/// The options of peripheral kernels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PeripheralForm {
    /// Side of the unshared center.
    pub center: usize,
    /// Growth of the blocks outside the center.
    pub base: usize,
    /// Explicit half grids such as "9,8,4,2,1,1,1", one per stage, instead of kernels, center and base.
    pub grids: Option<Vec<String>>,
    /// Share of the channels that is convolved, rounded down to whole channels.
    pub ratio: f64,
    /// Side of the parallel dense kernel, 0 for none; width of the stripes; side of the square
    /// beside bands.
    pub small_kernel: usize,
    /// Position embedding; the PeLK models use in_bounds.
    pub position: Position,
    /// Whether parameters scale the sums of regions, as in the paper, or their means.
    pub theta_scale: ThetaScale,
}

/// The options of dense kernels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DenseForm {
    /// Share of the channels that is convolved, rounded down to whole channels.
    pub ratio: f64,
    /// Side of the parallel dense kernel; 0 for none.
    pub small_kernel: usize,
    /// Position embedding.
    pub position: Position,
}

/// The options of crossed stripes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StripeForm {
    /// Share of the channels that is convolved, rounded down to whole channels.
    pub ratio: f64,
    /// Width of the stripes.
    pub small_kernel: usize,
}

/// The options of a square and two bands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InceptionForm {
    /// Share of the channels that is convolved, rounded down to whole channels for each of the three kernels.
    pub ratio: f64,
    /// Side of the square kernel.
    pub small_kernel: usize,
}

/// Plain depthwise kernels have no options of their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DepthwiseForm {}

/// Side of the dense kernel beside a large one in PeLK, SLaK and RepLKNet.
const SMALL_KERNEL: usize = 5;

// All channels and no embedding, as in PeLK's rivals. The PeLK models set their own share and embedding.
impl Default for PeripheralForm {
    fn default() -> PeripheralForm {
        PeripheralForm {
            center: 5,
            base: 2,
            grids: None,
            ratio: 1.0,
            small_kernel: SMALL_KERNEL,
            position: Position::None,
            theta_scale: ThetaScale::Sum,
        }
    }
}

impl Default for DenseForm {
    fn default() -> DenseForm {
        DenseForm { ratio: 1.0, small_kernel: SMALL_KERNEL, position: Position::None }
    }
}

impl Default for StripeForm {
    fn default() -> StripeForm {
        StripeForm { ratio: 1.0, small_kernel: SMALL_KERNEL }
    }
}

impl Default for InceptionForm {
    fn default() -> InceptionForm {
        InceptionForm { ratio: 3.0 / 8.0, small_kernel: 3 }
    }
}

impl Form {
    /// Every form with its defaults.
    pub fn all() -> [Form; 5] {
        [
            Form::Peripheral(PeripheralForm::default()),
            Form::Dense(DenseForm::default()),
            Form::Stripe(StripeForm::default()),
            Form::Inception(InceptionForm::default()),
            Form::Depthwise(DepthwiseForm::default()),
        ]
    }

    /// The value of the key `form`.
    pub fn name(&self) -> &'static str {
        match self {
            Form::Peripheral(_) => "peripheral",
            Form::Dense(_) => "dense",
            Form::Stripe(_) => "stripe",
            Form::Inception(_) => "inception",
            Form::Depthwise(_) => "depthwise",
        }
    }

    /// The options of this form by key, without `form` itself.
    pub(super) fn options(&self) -> Options {
        let mut options = Options::of(self);
        options.remove("form");
        options
    }

    /// The mixer of stage `i` of `stages`, for blocks of this width and kernels of this side.
    ///
    /// # Errors
    /// When an option's value is not valid.
    pub(super) fn mixer(&self, i: usize, stages: usize, kernel: usize, width: usize) -> Result<MixerConfig> {
        let part = |ratio| share(width, ratio).map(|channels| (channels as usize).max(1));
        let dense = |grid, channels, small_kernel, position| PeripheralConfig {
            grid,
            channels,
            small_kernel,
            position,
            theta_scale: ThetaScale::Sum,
        };
        Ok(match self {
            Form::Peripheral(form) => MixerConfig::Peripheral(PeripheralConfig {
                theta_scale: form.theta_scale,
                ..dense(form.grid(i, stages, kernel)?, part(form.ratio)?, form.small_kernel, form.position)
            }),
            Form::Dense(form) => MixerConfig::Peripheral(dense(
                dense_grid(kernel)?,
                part(form.ratio)?,
                form.small_kernel,
                form.position,
            )),
            Form::Stripe(form) if kernel > form.small_kernel => MixerConfig::Stripe(StripeConfig {
                kernel,
                width: form.small_kernel,
                channels: part(form.ratio)?,
            }),
            // Stripes that are no longer than wide are one dense kernel, as in SLaK.
            Form::Stripe(form) => {
                MixerConfig::Peripheral(dense(dense_grid(kernel)?, part(form.ratio)?, 0, Position::None))
            }
            Form::Inception(form) => MixerConfig::Inception(InceptionConfig {
                square: form.small_kernel,
                band: kernel,
                channels: (share(width, form.ratio)? / InceptionConfig::BRANCHES as f64) as usize,
            }),
            Form::Depthwise(DepthwiseForm {}) => MixerConfig::Depthwise { kernel },
        })
    }
}

/// This share of a width, not rounded.
fn share(width: usize, ratio: f64) -> Result<f64> {
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(ModelError::config("ratio", format!("is {ratio}, must be above 0 and at most 1")));
    }
    Ok(width as f64 * ratio)
}

impl PeripheralForm {
    fn grid(&self, i: usize, stages: usize, kernel: usize) -> Result<SharingGrid> {
        match &self.grids {
            // If the center covers the kernel, the kernel is dense: there is nothing left to share.
            None if kernel <= self.center => dense_grid(kernel),
            None => SharingGrid::exponential(kernel, self.center, self.base)
                .map_err(|source| ModelError::Grid { field: "kernels", source }),
            Some(grids) if grids.len() == stages => SharingGrid::from_half_text(&grids[i])
                .map_err(|source| ModelError::Grid { field: "grids", source }),
            Some(grids) => {
                let reason =
                    format!("has {} entries, but depths has {stages}: give one for each stage", grids.len());
                Err(ModelError::config("grids", reason))
            }
        }
    }
}

fn dense_grid(kernel: usize) -> Result<SharingGrid> {
    SharingGrid::dense(kernel).map_err(|source| ModelError::Grid { field: "kernels", source })
}
