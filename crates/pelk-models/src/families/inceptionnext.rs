//! InceptionNeXt's family (arXiv 2303.16900): ConvNeXt's with BatchNorm instead of LayerNorm, pixel MLPs of
//! 1 x 1 convolutions, and a classifier with a hidden layer.
//!
//! In the folded form no BatchNorm is left: the stem's follows its convolution, and each of the others comes
//! before a layer without padding, which absorbs its scales and shifts.
//!
//! Names are those of the published code: `stem.0` and `.1`, `stages.I.downsample.0` and `.1`,
//! `stages.I.blocks.J` with `token_mixer`, `norm`, `mlp.fc1`, `mlp.fc2` and `gamma`, `head.fc1`, `head.norm`,
//! `head.fc2`.

use super::common::{halve, patches, residual};
use super::layers::Layers;
use super::map::Map;
use super::merge::{Merge, blocks};
use crate::config::NetworkConfig;
use crate::layers::{batch_norm_unless, dense, layer_norm, linear, pointwise};
use crate::mixers::mix;
use crate::scope::Scope;
use pelk_autodiff::operators::Gelu;
use pelk_autodiff::{Executor, Result, Section};

/// Width of the classifier's hidden layer relative to the last stage.
const HEAD_RATIO: usize = 3;

pub(crate) struct InceptionNeXt;

fn stem_scope() -> Scope {
    Scope::new("stem", Section::Stem)
}

fn downsample_scope(i: usize) -> Scope {
    Scope::new(format!("stages.{i}.downsample"), Section::Downsampling(i))
}

fn block_scope([i, j]: [usize; 2]) -> Scope {
    Scope::new(format!("stages.{i}.blocks.{j}"), Section::Block(i, j))
}

impl Layers for InceptionNeXt {
    /// Patches, BatchNorm.
    fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
        let x = patches(e, &stem_scope().child(0), config, images)?;
        batch_norm_unless(e, config.folded, &stem_scope().child(1), &x)
    }

    /// BatchNorm, 2 x 2 convolution.
    fn downsample<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        i: usize,
        x: &E::Value,
    ) -> Result<E::Value> {
        let scope = downsample_scope(i);
        let x = batch_norm_unless(e, config.folded, &scope.child(0), x)?;
        halve(e, &scope.child(1), config.stages[i].width, &x)
    }

    /// Mixer, BatchNorm, pixel MLP, layer scale, drop path, residual.
    fn block<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        [i, j]: [usize; 2],
        rate: f32,
        x: &E::Value,
    ) -> Result<E::Value> {
        let (scope, stage) = (block_scope([i, j]), &config.stages[i]);
        let mlp = scope.child("mlp");
        let y = mix(e, &stage.mixer, config.folded, &InceptionNeXt::mixer_scope([i, j]), i, x)?;
        let y = batch_norm_unless(e, config.folded, &scope.child("norm"), &y)?;
        let y = pointwise(e, &mlp.child("fc1"), &y, config.hidden(i))?;
        let y = e.apply_one(Gelu, &[&y])?;
        let y = pointwise(e, &mlp.child("fc2"), &y, stage.width)?;
        residual(e, &scope, y, x, config, rate)
    }

    /// Mean, linear layer, GELU, LayerNorm, linear layer.
    fn classify<E: Executor>(e: &mut E, config: &NetworkConfig, map: Map, x: &E::Value) -> Result<E::Value> {
        let scope = Scope::new("head", Section::Head);
        let x = map.of(e, x)?;
        let hidden = HEAD_RATIO * e.shape(&x).channels();
        let x = linear(e, &scope.child("fc1"), &x, hidden, dense)?;
        let x = e.apply_one(Gelu, &[&x])?;
        let x = layer_norm(e, &scope.child("norm"), &x)?;
        linear(e, &scope.child("fc2"), &x, config.classes, |_| config.head_init())
    }

    fn mixer_scope(block: [usize; 2]) -> Scope {
        block_scope(block).child("token_mixer")
    }

    fn merges(config: &NetworkConfig) -> Vec<Merge> {
        let stem = Merge::after(&stem_scope().child(0), &stem_scope().child(1));
        let downsampling = (1..config.stages.len()).map(|i| {
            let scope = downsample_scope(i);
            Merge::before(&scope.child(0), &scope.child(1))
        });
        let blocks = blocks(config).map(|block| {
            let scope = block_scope(block);
            Merge::before(&scope.child("norm"), &scope.child("mlp").child("fc1"))
        });
        [stem].into_iter().chain(downsampling).chain(blocks).collect()
    }
}
