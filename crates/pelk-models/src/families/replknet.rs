//! RepLKNet's family (arXiv 2203.06717): every convolution has a BatchNorm, and a block has two residual branches, one around the
//! mixer and one around the pixel MLP, each with a BatchNorm before it.
//!
//! In the folded form no BatchNorm is left: convolutions take up those after them, then the 1 x 1 convolutions and the linear layer
//! those before them.
//!
//! Names are those of the published code, which counts the two halves of a block apart: `stem.K`, `transitions.I.K`,
//! `stages.I.blocks.2J` with `prelkb_bn`, `pw1`, `large_kernel` and `pw2`, `stages.I.blocks.2J+1` with `preffn_bn`, `pw1` and
//! `pw2`, `norm`, `head`; a convolution with its BatchNorm is `conv` and `bn`. What a mixer has is named by the mixer.

use super::map::Map;
use super::{Merge, blocks, residual};
use crate::config::{Head, NetworkConfig};
use crate::layers::{
    batch_norm_unless, conv2d_bn, dense, dense_square, depthwise, depthwise_with_bias, linear,
};
use crate::mixers::{BlockPath, mix};
use pelk_autodiff::operators::{Conv2d, DepthwiseConv, Gelu, Relu};
use pelk_autodiff::{Executor, Result};

/// Side of the depthwise kernels of stem and transitions.
const KERNEL: usize = 3;

/// Convolution, BatchNorm, ReLU, where `kernel` and `stride` are those of a dense kernel.
fn dense_relu<E: Executor>(
    e: &mut E,
    folded: bool,
    path: &str,
    x: &E::Value,
    width: usize,
    [kernel, stride]: [usize; 2],
) -> Result<E::Value> {
    let init = dense(e.shape(x).channels() * kernel * kernel);
    let x = conv2d_bn(e, folded, path, x, width, kernel, Conv2d { stride, padding: kernel / 2 }, init)?;
    e.apply_one(Relu, &[&x])
}

/// 1 x 1 convolution, BatchNorm.
fn pointwise_bn<E: Executor>(
    e: &mut E,
    folded: bool,
    path: &str,
    x: &E::Value,
    width: usize,
) -> Result<E::Value> {
    let init = dense(e.shape(x).channels());
    conv2d_bn(e, folded, path, x, width, 1, Conv2d { stride: 1, padding: 0 }, init)
}

/// Depthwise 3 x 3 convolution, BatchNorm, ReLU.
fn depthwise_relu<E: Executor>(
    e: &mut E,
    folded: bool,
    path: &str,
    x: &E::Value,
    stride: usize,
) -> Result<E::Value> {
    let op = DepthwiseConv { stride, ..dense_square(KERNEL)? };
    let conv = format!("{path}.conv");
    let x = match folded {
        true => depthwise_with_bias(e, &conv, x, op)?,
        false => depthwise(e, &conv, x, op)?,
    };
    let x = batch_norm_unless(e, folded, &format!("{path}.bn"), &x)?;
    e.apply_one(Relu, &[&x])
}

/// A dense 3 x 3, a depthwise 3 x 3, a 1 x 1 and again a depthwise 3 x 3 convolution. The first and the last one have stride 2; of
/// a step of 2 the first one takes all, as the dearest.
pub(super) fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value> {
    let (folded, width) = (config.folded, config.stages[0].width);
    let first = config.stem_stride.min(2);
    let x = dense_relu(e, folded, "stem.0", images, width, [KERNEL, first])?;
    let x = depthwise_relu(e, folded, "stem.1", &x, 1)?;
    let x = dense_relu(e, folded, "stem.2", &x, width, [1, 1])?;
    depthwise_relu(e, folded, "stem.3", &x, config.stem_stride / first)
}

/// A 1 x 1 convolution, a depthwise 3 x 3 convolution with stride 2.
pub(super) fn downsample<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    i: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let path = format!("transitions.{}", i - 1);
    let x = dense_relu(e, config.folded, &format!("{path}.0"), x, config.stages[i].width, [1, 1])?;
    depthwise_relu(e, config.folded, &format!("{path}.1"), &x, 2)
}

/// The halves of block `j`.
fn paths(i: usize, j: usize) -> [String; 2] {
    [2 * j, 2 * j + 1].map(|half| format!("stages.{i}.blocks.{half}"))
}

pub(super) fn mixer_path(i: usize, j: usize) -> String {
    format!("{}.large_kernel", paths(i, j)[0])
}

/// The mixer between 1 x 1 convolutions, with ReLU and a residual; the pixel MLP with GELU and a residual.
pub(super) fn block<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    [i, j]: [usize; 2],
    rate: f32,
    x: &E::Value,
) -> Result<E::Value> {
    let (folded, stage, [first, second]) = (config.folded, &config.stages[i], paths(i, j));
    let place = BlockPath { block: &mixer_path(i, j), stage: i };
    let y = batch_norm_unless(e, folded, &format!("{first}.prelkb_bn"), x)?;
    let y = dense_relu(e, folded, &format!("{first}.pw1"), &y, stage.width, [1, 1])?;
    let y = mix(e, &stage.mixer, folded, place, &y)?;
    let y = e.apply_one(Relu, &[&y])?;
    let y = pointwise_bn(e, folded, &format!("{first}.pw2"), &y, stage.width)?;
    let x = residual(e, &first, y, x, config, rate)?;

    let y = batch_norm_unless(e, folded, &format!("{second}.preffn_bn"), &x)?;
    let y = pointwise_bn(e, folded, &format!("{second}.pw1"), &y, config.hidden(i))?;
    let y = e.apply_one(Gelu, &[&y])?;
    let y = pointwise_bn(e, folded, &format!("{second}.pw2"), &y, stage.width)?;
    residual(e, &second, y, &x, config, rate)
}

/// BatchNorm, mean, linear layer.
pub(super) fn classify<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    x: &E::Value,
) -> Result<E::Value> {
    let x = batch_norm_unless(e, config.folded, "norm", x)?;
    let x = map.of(e, &x)?;
    linear(e, "head", &x, config.classes, |_| config.head_init())
}

pub(super) fn merges(config: &NetworkConfig) -> Vec<Merge> {
    let blocks = blocks(config).flat_map(|[i, j]| {
        let [first, second] = paths(i, j);
        [
            Merge::before(format!("{first}.prelkb_bn"), format!("{first}.pw1.conv")),
            Merge::before(format!("{second}.preffn_bn"), format!("{second}.pw1.conv")),
        ]
    });
    // Averaging between the two does not matter to a layer that is linear. A decoder has norms of its own.
    let classifier = match config.head {
        Head::Pooled | Head::Dense => Some(Merge::before("norm", "head")),
        Head::UperNet(_) => None,
    };
    blocks.chain(classifier).collect()
}
