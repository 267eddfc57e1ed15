//! RepLKNet's family (arXiv 2203.06717): every convolution has a BatchNorm, and a block has two residual
//! branches, one around the mixer and one around the pixel MLP, each with a BatchNorm before it.
//!
//! In the folded form no BatchNorm is left: convolutions absorb those after them, then the 1 x 1 convolutions
//! and the linear layer absorb those before them.
//!
//! Names are those of the published code, which counts the two halves of a block separately: `stem.K`,
//! `transitions.I.K`, `stages.I.blocks.2J` with `prelkb_bn`, `pw1`, `large_kernel` and `pw2`,
//! `stages.I.blocks.2J+1` with `preffn_bn`, `pw1` and `pw2`, `norm`, `head`; a convolution with its BatchNorm
//! is `conv` and `bn`. The mixer names its own parameters.

use super::common::residual;
use super::layers::Layers;
use super::map::Map;
use super::merge::{Merge, blocks};
use crate::config::{Head, NetworkConfig};
use crate::layers::{
    Convolution, batch_norm_unless, conv2d_bn, dense, dense_square, depthwise, depthwise_with_bias, linear,
};
use crate::mixers::mix;
use crate::scope::Scope;
use pelk_autodiff::operators::{Conv2d, DepthwiseConv, Gelu, Relu};
use pelk_autodiff::{Executor, Result, Section};

/// Side of the depthwise kernels in the stem and the transitions.
const KERNEL: usize = 3;

pub(crate) struct RepLKNet;

fn stem_scope() -> Scope {
    Scope::new("stem", Section::Stem)
}

fn transition_scope(i: usize) -> Scope {
    Scope::new(format!("transitions.{}", i - 1), Section::Downsampling(i))
}

/// The halves of block `j`.
fn half_scopes([i, j]: [usize; 2]) -> [Scope; 2] {
    [2 * j, 2 * j + 1].map(|half| Scope::new(format!("stages.{i}.blocks.{half}"), Section::Block(i, half)))
}

fn norm_scope() -> Scope {
    Scope::new("norm", Section::Norm)
}

fn head_scope() -> Scope {
    Scope::new("head", Section::Head)
}

/// Convolution, BatchNorm, ReLU, with a dense kernel of this side and stride.
fn dense_relu<E: Executor>(
    e: &mut E,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
    width: usize,
    [kernel, stride]: [usize; 2],
) -> Result<E::Value> {
    let init = dense(e.shape(x).channels() * kernel * kernel);
    let op = Conv2d { stride, padding: kernel / 2 };
    let x = conv2d_bn(e, folded, scope, x, Convolution { outputs: width, kernel, op, init })?;
    e.apply_one(Relu, &[&x])
}

/// 1 x 1 convolution, BatchNorm.
fn pointwise_bn<E: Executor>(
    e: &mut E,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
    width: usize,
) -> Result<E::Value> {
    let init = dense(e.shape(x).channels());
    conv2d_bn(e, folded, scope, x, Convolution::same(width, 1, init))
}

/// Depthwise 3 x 3 convolution, BatchNorm, ReLU.
fn depthwise_relu<E: Executor>(
    e: &mut E,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
    stride: usize,
) -> Result<E::Value> {
    let op = DepthwiseConv { stride, ..dense_square(KERNEL)? };
    let conv = scope.child("conv");
    let x = match folded {
        true => depthwise_with_bias(e, &conv, x, op)?,
        false => depthwise(e, &conv, x, op)?,
    };
    let x = batch_norm_unless(e, folded, &scope.child("bn"), &x)?;
    e.apply_one(Relu, &[&x])
}

impl Layers for RepLKNet {
    /// A dense 3 x 3, a depthwise 3 x 3, a 1 x 1 and another depthwise 3 x 3 convolution. The first and the
    /// last have stride 2; if the stem's stride is only 2, just the first, which costs the most.
    fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
        let (scope, folded, width) = (stem_scope(), config.folded, config.stages[0].width);
        let first = config.stem_stride.min(2);
        let x = dense_relu(e, folded, &scope.child(0), images, width, [KERNEL, first])?;
        let x = depthwise_relu(e, folded, &scope.child(1), &x, 1)?;
        let x = dense_relu(e, folded, &scope.child(2), &x, width, [1, 1])?;
        depthwise_relu(e, folded, &scope.child(3), &x, config.stem_stride / first)
    }

    /// A 1 x 1 convolution, a depthwise 3 x 3 convolution with stride 2.
    fn downsample<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        i: usize,
        x: &E::Value,
    ) -> Result<E::Value> {
        let scope = transition_scope(i);
        let x = dense_relu(e, config.folded, &scope.child(0), x, config.stages[i].width, [1, 1])?;
        depthwise_relu(e, config.folded, &scope.child(1), &x, 2)
    }

    /// The mixer between 1 x 1 convolutions, with ReLU and a residual; the pixel MLP with GELU and a
    /// residual.
    fn block<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        [i, j]: [usize; 2],
        rate: f32,
        x: &E::Value,
    ) -> Result<E::Value> {
        let (folded, stage, [first, second]) = (config.folded, &config.stages[i], half_scopes([i, j]));
        let y = batch_norm_unless(e, folded, &first.child("prelkb_bn"), x)?;
        let y = dense_relu(e, folded, &first.child("pw1"), &y, stage.width, [1, 1])?;
        let y = mix(e, &stage.mixer, folded, &RepLKNet::mixer_scope([i, j]), i, &y)?;
        let y = e.apply_one(Relu, &[&y])?;
        let y = pointwise_bn(e, folded, &first.child("pw2"), &y, stage.width)?;
        let x = residual(e, &first, y, x, config, rate)?;

        let y = batch_norm_unless(e, folded, &second.child("preffn_bn"), &x)?;
        let y = pointwise_bn(e, folded, &second.child("pw1"), &y, config.hidden(i))?;
        let y = e.apply_one(Gelu, &[&y])?;
        let y = pointwise_bn(e, folded, &second.child("pw2"), &y, stage.width)?;
        residual(e, &second, y, &x, config, rate)
    }

    /// BatchNorm, mean, linear layer.
    fn classify<E: Executor>(e: &mut E, config: &NetworkConfig, map: Map, x: &E::Value) -> Result<E::Value> {
        let x = batch_norm_unless(e, config.folded, &norm_scope(), x)?;
        let x = map.of(e, &x)?;
        linear(e, &head_scope(), &x, config.classes, |_| config.head_init())
    }

    fn mixer_scope(block: [usize; 2]) -> Scope {
        let [first, _] = half_scopes(block);
        first.child("large_kernel")
    }

    fn merges(config: &NetworkConfig) -> Vec<Merge> {
        let halves: Vec<_> = blocks(config).map(half_scopes).collect();
        let stem = (0..4).map(|k| stem_scope().child(k));
        let transitions = (1..config.stages.len()).flat_map(|i| [0, 1].map(|k| transition_scope(i).child(k)));
        let pointwise = halves.iter().flatten().flat_map(|half| ["pw1", "pw2"].map(|name| half.child(name)));
        let after = stem.chain(transitions).chain(pointwise).map(|scope| Merge::conv_bn(&scope));
        let before = halves.iter().flat_map(|[first, second]| {
            [(first, "prelkb_bn"), (second, "preffn_bn")]
                .map(|(half, norm)| Merge::before(&half.child(norm), &half.child("pw1").child("conv")))
        });
        // The mean between BatchNorm and linear layer does not matter, since both are linear. A decoder has
        // its own norms.
        let classifier = match config.head {
            Head::Pooled | Head::Dense => Some(Merge::before(&norm_scope(), &head_scope())),
            Head::UperNet(_) | Head::CascadeMaskRcnn(_) => None,
        };
        after.chain(before).chain(classifier).collect()
    }
}
