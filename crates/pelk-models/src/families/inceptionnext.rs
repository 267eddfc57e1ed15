//! InceptionNeXt's family (arXiv 2303.16900): ConvNeXt's with BatchNorm for LayerNorm, pixel MLPs of 1 x 1 convolutions, and
//! a classifier with a layer between.
//!
//! In the folded form no BatchNorm is left: that of the stem follows its convolution, all others stand before a layer without
//! padding, and what they do to each channel is that layer's to do.
//!
//! Names are those of the published code: `stem.0` and `.1`, `stages.I.downsample.0` and `.1`, `stages.I.blocks.J` with
//! `token_mixer`, `norm`, `mlp.fc1`, `mlp.fc2` and `gamma`, `head.fc1`, `head.norm`, `head.fc2`.

use super::map::Map;
use super::{Merge, blocks, halve, patches, residual};
use crate::config::NetworkConfig;
use crate::layers::{batch_norm_unless, dense, layer_norm, linear, pointwise};
use crate::mixers::{BlockPath, mix};
use pelk_autodiff::operators::Gelu;
use pelk_autodiff::{Executor, Result};

/// Width of the classifier's layer between over that of the last stage.
const HEAD_RATIO: usize = 3;

/// Patches, BatchNorm.
pub(super) fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
    let x = patches(e, "stem.0", config, images)?;
    batch_norm_unless(e, config.folded, "stem.1", &x)
}

/// BatchNorm, 2 x 2 convolution.
pub(super) fn downsample<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    i: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let x = batch_norm_unless(e, config.folded, &format!("stages.{i}.downsample.0"), x)?;
    halve(e, &format!("stages.{i}.downsample.1"), config.stages[i].width, &x)
}

fn block_path(i: usize, j: usize) -> String {
    format!("stages.{i}.blocks.{j}")
}

pub(super) fn mixer_path(i: usize, j: usize) -> String {
    format!("{}.token_mixer", block_path(i, j))
}

/// Mixer, BatchNorm, pixel MLP, layer scale, drop path, residual.
pub(super) fn block<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    [i, j]: [usize; 2],
    rate: f32,
    x: &E::Value,
) -> Result<E::Value> {
    let (path, mixer, stage) = (block_path(i, j), mixer_path(i, j), &config.stages[i]);
    let y = mix(e, &stage.mixer, config.folded, BlockPath { block: &mixer, stage: i }, x)?;
    let y = batch_norm_unless(e, config.folded, &format!("{path}.norm"), &y)?;
    let y = pointwise(e, &format!("{path}.mlp.fc1"), &y, config.hidden(i))?;
    let y = e.apply_one(Gelu, &[&y])?;
    let y = pointwise(e, &format!("{path}.mlp.fc2"), &y, stage.width)?;
    residual(e, &path, y, x, config, rate)
}

/// Mean, linear layer, GELU, LayerNorm, linear layer.
pub(super) fn classify<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    x: &E::Value,
) -> Result<E::Value> {
    let x = map.of(e, x)?;
    let hidden = HEAD_RATIO * e.shape(&x).channels();
    let x = linear(e, "head.fc1", &x, hidden, dense)?;
    let x = e.apply_one(Gelu, &[&x])?;
    let x = layer_norm(e, "head.norm", &x)?;
    linear(e, "head.fc2", &x, config.classes, |_| config.head_init())
}

pub(super) fn merges(config: &NetworkConfig) -> Vec<Merge> {
    let downsampling = (1..config.stages.len())
        .map(|i| Merge::before(format!("stages.{i}.downsample.0"), format!("stages.{i}.downsample.1")));
    let blocks = blocks(config).map(|[i, j]| {
        let path = block_path(i, j);
        Merge::before(format!("{path}.norm"), format!("{path}.mlp.fc1"))
    });
    [Merge::after("stem.0", "stem.1")].into_iter().chain(downsampling).chain(blocks).collect()
}
