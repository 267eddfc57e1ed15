//! ConvNeXt's family (arXiv 2201.03545), which SLaK and PeLK belong to: LayerNorm throughout, one residual
//! branch per block.
//!
//! Names: `downsample_layers.I.*` (stem and downsampling), `stages.I.J` (blocks), `norm.*`, `head.*`.

use super::common::{halve, patches};
use super::layers::Layers;
use super::map::Map;
use super::merge::Merge;
use crate::config::NetworkConfig;
use crate::layers::{layer_norm, linear, pixel_mlp};
use crate::mixers::mix;
use crate::scope::Scope;
use pelk_autodiff::{Executor, Result, Section};

pub(crate) struct ConvNeXt;

impl Layers for ConvNeXt {
    /// Patches, LayerNorm.
    fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
        let scope = Scope::new("downsample_layers.0", Section::Stem);
        let x = patches(e, &scope.child(0), config, images)?;
        layer_norm(e, &scope.child(1), &x)
    }

    /// LayerNorm, 2 x 2 convolution.
    fn downsample<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        i: usize,
        x: &E::Value,
    ) -> Result<E::Value> {
        let scope = Scope::new(format!("downsample_layers.{i}"), Section::Downsampling(i));
        let x = layer_norm(e, &scope.child(0), x)?;
        halve(e, &scope.child(1), config.stages[i].width, &x)
    }

    /// Mixer, LayerNorm, pixel MLP, layer scale, drop path, residual.
    fn block<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        [i, j]: [usize; 2],
        rate: f32,
        x: &E::Value,
    ) -> Result<E::Value> {
        let scope = ConvNeXt::mixer_scope([i, j]);
        let y = mix(e, &config.stages[i].mixer, config.folded, &scope, i, x)?;
        let factors = e.drop_factors(rate, e.shape(x)[0]);
        pixel_mlp(e, &scope, &y, x, config.hidden(i), config.layer_scale, factors)
    }

    /// Mean, LayerNorm, linear layer.
    fn classify<E: Executor>(e: &mut E, config: &NetworkConfig, map: Map, x: &E::Value) -> Result<E::Value> {
        let x = map.of(e, x)?;
        let x = layer_norm(e, &Scope::new("norm", Section::Norm), &x)?;
        linear(e, &Scope::new("head", Section::Head), &x, config.classes, |_| config.head_init())
    }

    /// A mixer's parameters are named like the others of its block.
    fn mixer_scope([i, j]: [usize; 2]) -> Scope {
        Scope::new(format!("stages.{i}.{j}"), Section::Block(i, j))
    }

    fn merges(_: &NetworkConfig) -> Vec<Merge> {
        Vec::new()
    }
}
