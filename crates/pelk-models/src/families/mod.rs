//! The layers around the mixers: stem, downsampling, block, classifier. To add a family: a file here, its name in
//! [`Family`], its lines below.
//!
//! Every mixer stands in every family: which layers surround the spatial part of a block is one choice, what the spatial part is
//! another.

mod convnext;
mod inceptionnext;
mod map;
mod place;
mod replknet;

pub(crate) use map::Map;
pub use place::Place;

use crate::config::{Family, NetworkConfig};
use crate::layers::{conv2d, vector};
use pelk_autodiff::operators::{Add, Conv2d, ScaleChannels, ScaleSamples};
use pelk_autodiff::{Executor, Result};

/// Images `[N, H, W, C]` to the first stage's width and resolution.
pub(crate) fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
    match config.family {
        Family::ConvNeXt => convnext::stem(e, config, images),
        Family::InceptionNeXt => inceptionnext::stem(e, config, images),
        Family::RepLKNet => replknet::stem(e, config, images),
    }
}

/// From the output of stage `i - 1` to the width of stage `i`, at half the resolution.
pub(crate) fn downsample<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    i: usize,
    x: &E::Value,
) -> Result<E::Value> {
    match config.family {
        Family::ConvNeXt => convnext::downsample(e, config, i, x),
        Family::InceptionNeXt => inceptionnext::downsample(e, config, i, x),
        Family::RepLKNet => replknet::downsample(e, config, i, x),
    }
}

/// Block `j` of stage `i`, whose residual branches are dropped with probability `rate` in training.
pub(crate) fn block<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    [i, j]: [usize; 2],
    rate: f32,
    x: &E::Value,
) -> Result<E::Value> {
    match config.family {
        Family::ConvNeXt => convnext::block(e, config, [i, j], rate, x),
        Family::InceptionNeXt => inceptionnext::block(e, config, [i, j], rate, x),
        Family::RepLKNet => replknet::block(e, config, [i, j], rate, x),
    }
}

/// Logits of the last stage's output: of the whole image, or of each place.
pub(crate) fn classify<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    x: &E::Value,
) -> Result<E::Value> {
    match config.family {
        Family::ConvNeXt => convnext::classify(e, config, map, x),
        Family::InceptionNeXt => inceptionnext::classify(e, config, map, x),
        Family::RepLKNet => replknet::classify(e, config, map, x),
    }
}

/// The path under which the mixer of block `j` of stage `i` has its parameters.
pub(crate) fn mixer_path(family: Family, [i, j]: [usize; 2]) -> String {
    match family {
        Family::ConvNeXt => convnext::block_path(i, j),
        Family::InceptionNeXt => inceptionnext::mixer_path(i, j),
        Family::RepLKNet => replknet::mixer_path(i, j),
    }
}

/// A BatchNorm of the family that a layer with a bias takes up in the inference form. A layer that it stands before has no padding:
/// the zeros around an image are not normalized, and no bias could make up for that.
pub(crate) struct Merge {
    /// The BatchNorm's path.
    pub norm: String,
    /// The path of the layer beside it.
    pub layer: String,
    pub side: Side,
}

/// On which side of its layer a BatchNorm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

impl Merge {
    fn before(norm: impl Into<String>, layer: impl Into<String>) -> Merge {
        Merge { norm: norm.into(), layer: layer.into(), side: Side::Before }
    }

    fn after(layer: impl Into<String>, norm: impl Into<String>) -> Merge {
        Merge { norm: norm.into(), layer: layer.into(), side: Side::After }
    }
}

/// The BatchNorms outside the mixers, but for those that a convolution `PATH.conv` has as `PATH.bn`.
pub(crate) fn merges(config: &NetworkConfig) -> Vec<Merge> {
    match config.family {
        Family::ConvNeXt => Vec::new(),
        Family::InceptionNeXt => inceptionnext::merges(config),
        Family::RepLKNet => replknet::merges(config),
    }
}

/// Stage and number of every block.
fn blocks(config: &NetworkConfig) -> impl Iterator<Item = [usize; 2]> {
    config.stages.iter().enumerate().flat_map(|(i, stage)| (0..stage.depth).map(move |j| [i, j]))
}

/// ConvNeXt's stem: patches of 4 x 4 pixels, or for small steps a 3 x 3 kernel.
fn patches<E: Executor>(
    e: &mut E,
    path: &str,
    config: &NetworkConfig,
    images: &E::Value,
) -> Result<E::Value> {
    let stride = config.stem_stride;
    let kernel = stride.max(3);
    let op = Conv2d { stride, padding: (kernel - stride).div_ceil(2) };
    conv2d(e, path, images, config.stages[0].width, kernel, op)
}

/// ConvNeXt's downsampling: 2 x 2 pixels become one.
fn halve<E: Executor>(e: &mut E, path: &str, width: usize, x: &E::Value) -> Result<E::Value> {
    conv2d(e, path, x, width, 2, Conv2d { stride: 2, padding: 0 })
}

/// What joins a branch to its trunk: layer scale `{path}.gamma` (none where its start is 0), drop path, and the sum.
fn residual<E: Executor>(
    e: &mut E,
    path: &str,
    mut branch: E::Value,
    shortcut: &E::Value,
    config: &NetworkConfig,
    rate: f32,
) -> Result<E::Value> {
    if config.layer_scale > 0.0 {
        let c = e.shape(&branch).channels();
        let gamma = vector(e, format!("{path}.gamma"), c, config.layer_scale)?;
        branch = e.apply_one(ScaleChannels, &[&branch, &gamma])?;
    }
    let samples = e.shape(&branch)[0];
    if let Some(factors) = e.drop_factors(rate, samples) {
        branch = e.apply_one(ScaleSamples { factors }, &[&branch])?;
    }
    e.apply_one(Add, &[&branch, shortcut])
}
