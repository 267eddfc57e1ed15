//! The configurations of the spatial part of a block.

use crate::error::{ModelError, Result};
use pelk_autodiff::operators::PositionForm;
use pelk_grid::SharingGrid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The spatial part of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MixerConfig {
    /// PeLK: partial peripheral convolution, see [`crate::mixers::peripheral`].
    Peripheral(PeripheralConfig),
    /// SLaK: partial convolution with two crossed stripes, see [`crate::mixers::stripe`].
    Stripe(StripeConfig),
    /// InceptionNeXt: a square and two bands, each over its own part of the channels, see [`crate::mixers`].
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
    /// The sharing grid, as a half grid from the edge to the center.
    #[serde(with = "grid_text")]
    pub grid: SharingGrid,
    /// Number of channels to convolve, the first ones; the others pass unchanged (Eq. 4-6).
    pub channels: usize,
    /// Side of the dense branch beside the large kernel; 0 for none.
    pub small_kernel: usize,
    /// Position embedding.
    pub position: Position,
    /// Whether the parameters scale sums or means of regions. Called `boxes` in older files.
    #[serde(default, alias = "boxes")]
    pub theta_scale: ThetaScale,
}

/// What the parameter of a region multiplies. Both choices represent the same functions, but learn
/// differently: a step of Adam moves every parameter by about the learning rate, so each tap of a large
/// region moves as far as one of the center, and the sum over that region's taps moves farther, by a factor
/// of the region's area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThetaScale {
    /// The sum of the input over the region: the paper's shared taps (Eq. 1).
    #[default]
    Sum,
    /// The mean of the input over the region: each tap is the parameter divided by the region's area, so that
    /// regions of all sizes start and learn at the same scale. On scenes without shelves this gains 0.6 to
    /// 1.5 points of mIoU throughout training (one seed, docs/results.md).
    Mean,
}

/// A partial convolution with two stripes, `kernel` x `width` and `width` x `kernel`, and a dense branch of
/// `width` x `width` beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeConfig {
    /// Length of the stripes; odd, above `width`.
    pub kernel: usize,
    /// Width of the stripes; odd.
    pub width: usize,
    /// Number of channels to convolve, the first ones; the others pass unchanged.
    pub channels: usize,
}

/// Three depthwise kernels side by side: `square` x `square`, 1 x `band` and `band` x 1, each over `channels`
/// channels of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InceptionConfig {
    /// Side of the square kernel; odd.
    pub square: usize,
    /// Length of the bands; odd.
    pub band: usize,
    /// Channels of each kernel. The kernels take the last channels; the first ones, at least one, pass
    /// unchanged.
    pub channels: usize,
}

impl InceptionConfig {
    /// Kernels side by side.
    pub const BRANCHES: usize = 3;

    /// The branches in the order of their channels: name, rows and columns of the kernel.
    pub fn branches(&self) -> [(&'static str, [usize; 2]); InceptionConfig::BRANCHES] {
        let InceptionConfig { square, band, .. } = *self;
        [("dwconv_hw", [square, square]), ("dwconv_w", [1, band]), ("dwconv_h", [band, 1])]
    }
}

impl StripeConfig {
    /// The branches: name, rows and columns of the kernel.
    pub fn branches(&self) -> [(&'static str, [usize; 2]); 3] {
        let StripeConfig { kernel, width, .. } = *self;
        [("vertical", [kernel, width]), ("horizontal", [width, kernel]), ("small", [width, width])]
    }
}

impl PeripheralConfig {
    /// Whether the small kernel lies within the unshared center, so that folding merges it into theta.
    pub fn small_fits_center(&self) -> bool {
        self.small_kernel <= self.grid.center()
    }

    /// The taps of each region when its parameter, which scales a mean, is 1: 1 over the region's area. For
    /// theta `[C, k', k']`, repeated endlessly for the channels.
    pub(crate) fn taps_of_means(&self) -> impl Iterator<Item = f32> {
        let sides = self.grid.intervals();
        sides.iter().flat_map(|height| sides.iter().map(move |width| 1.0 / (height * width) as f32)).cycle()
    }
}

/// The kernel-wise position embedding (Eq. 3), shared by the blocks of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// No embedding.
    None,
    /// Added wherever the kernel's tap lies inside the image.
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

impl MixerConfig {
    /// Checks that a block of this width can have this mixer.
    pub(super) fn validate(&self, width: usize) -> Result<()> {
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
                        "convolves 3 x {channels} of {width} channels, must be at least 3 and leave one over"
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

/// A grid as text, its half from the edge to the center, for configuration files.
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
