//! ConvNeXt's family (arXiv 2201.03545), which SLaK and PeLK share: LayerNorm throughout, one residual branch a block.
//!
//! Names: `downsample_layers.I.*` (stem and downsampling), `stages.I.J` (blocks), `norm.*`, `head.*`.

use super::map::Map;
use super::{halve, patches};
use crate::config::NetworkConfig;
use crate::layers::{layer_norm, linear, pixel_mlp};
use crate::mixers::{BlockPath, mix};
use pelk_autodiff::{Executor, Result};

/// Patches, LayerNorm.
pub(super) fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
    let x = patches(e, "downsample_layers.0.0", config, images)?;
    layer_norm(e, "downsample_layers.0.1", &x)
}

/// LayerNorm, 2 x 2 convolution.
pub(super) fn downsample<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    i: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let x = layer_norm(e, &format!("downsample_layers.{i}.0"), x)?;
    halve(e, &format!("downsample_layers.{i}.1"), config.stages[i].width, &x)
}

pub(super) fn block_path(i: usize, j: usize) -> String {
    format!("stages.{i}.{j}")
}

/// Mixer, LayerNorm, pixel MLP, layer scale, drop path, residual.
pub(super) fn block<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    [i, j]: [usize; 2],
    rate: f32,
    x: &E::Value,
) -> Result<E::Value> {
    let path = block_path(i, j);
    let place = BlockPath { block: &path, stage: i };
    let y = mix(e, &config.stages[i].mixer, config.folded, place, x)?;
    let factors = e.drop_factors(rate, e.shape(x)[0]);
    pixel_mlp(e, &path, &y, x, config.hidden(i), config.layer_scale, factors)
}

/// Mean, LayerNorm, linear layer.
pub(super) fn classify<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    x: &E::Value,
) -> Result<E::Value> {
    let x = map.of(e, x)?;
    let x = layer_norm(e, "norm", &x)?;
    linear(e, "head", &x, config.classes, |_| config.head_init())
}
