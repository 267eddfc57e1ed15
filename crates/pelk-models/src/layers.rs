//! Layers: an operator together with its named parameters.
//!
//! A layer is a function over an [`Executor`]; its [`Scope`] gives the names (`PATH.weight`, `PATH.bias`, as
//! in PyTorch) and the places of its parameters.

use crate::scope::Scope;
use pelk_autodiff::operators::{BatchNorm, Conv2d, DepthwiseConv, LayerNorm, Linear, PixelMlp};
use pelk_autodiff::{Error, Executor, Init, ParameterSpec, Place, Result, Role, Shape};
use pelk_grid::SharingGrid;
use std::sync::Arc;

/// Standard deviation of the initial weights in ConvNeXt and SLaK, for convolutions and linear layers.
pub const INIT_STD: f32 = 0.02;
/// The truncated normal distribution with this deviation.
pub const INIT: Init = Init::TruncatedNormal(INIT_STD);
/// Added to the variance in LayerNorm (ConvNeXt, SLaK).
pub const LAYER_NORM_EPS: f32 = 1e-6;
/// PyTorch's defaults, which RepLKNet and SLaK use.
const BATCH_NORM: BatchNorm = BatchNorm { eps: 1e-5, momentum: 0.1, training: false };

/// Added to the variance in BatchNorm.
pub const BATCH_NORM_EPS: f32 = BATCH_NORM.eps;

/// The trained tensor `leaf` of a layer, with weight decay.
pub fn weight<E: Executor>(
    e: &mut E,
    scope: &Scope,
    leaf: &str,
    shape: impl Into<Shape>,
    init: Init,
) -> Result<E::Value> {
    let (name, place) = (scope.name(leaf), scope.place());
    e.parameter(ParameterSpec { name, shape: shape.into(), init, role: Role::Weight, place })
}

/// The trained vector `leaf` of a layer, without weight decay; all values start as `value`.
pub fn vector<E: Executor>(e: &mut E, scope: &Scope, leaf: &str, len: usize, value: f32) -> Result<E::Value> {
    constant(e, scope.name(leaf), scope.place(), len, value, Role::NoDecay)
}

/// The layer scale `gamma` of a residual branch.
pub(crate) fn gamma<E: Executor>(e: &mut E, scope: &Scope, len: usize, value: f32) -> Result<E::Value> {
    constant(e, scope.name("gamma"), scope.normalization(), len, value, Role::NoDecay)
}

fn constant<E: Executor>(
    e: &mut E,
    name: String,
    place: Place,
    len: usize,
    value: f32,
    role: Role,
) -> Result<E::Value> {
    e.parameter(ParameterSpec { name, shape: Shape::from([len]), init: Init::Constant(value), role, place })
}

/// The initial weights of a dense layer that sums `fan_in` inputs: the network's configuration decides.
pub fn dense(fan_in: usize) -> Init {
    Init::Dense { fan_in }
}

fn channels<E: Executor>(e: &E, x: &E::Value) -> usize {
    e.shape(x).channels()
}

/// Linear layer with `outputs` features over the last axis; see [`dense`] for `init`.
pub fn linear<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    outputs: usize,
    init: impl FnOnce(usize) -> Init,
) -> Result<E::Value> {
    let inputs = channels(e, x);
    let [w, b] = linear_parameters(e, scope, inputs, outputs, init(inputs))?;
    e.apply_one(Linear, &[x, &w, &b])
}

fn linear_parameters<E: Executor>(
    e: &mut E,
    scope: &Scope,
    inputs: usize,
    outputs: usize,
    init: Init,
) -> Result<[E::Value; 2]> {
    let w = weight(e, scope, "weight", [outputs, inputs], init)?;
    Ok([w, vector(e, scope, "bias", outputs, 0.0)?])
}

/// A dense convolution of square kernels, without its input.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// Channels of the output.
    pub outputs: usize,
    /// Side of the kernels.
    pub kernel: usize,
    /// Stride and padding.
    pub op: Conv2d,
    /// Initial weights.
    pub init: Init,
}

impl Convolution {
    /// A convolution that keeps height and width; `kernel` is odd.
    pub fn same(outputs: usize, kernel: usize, init: Init) -> Convolution {
        Convolution { outputs, kernel, op: Conv2d { stride: 1, padding: kernel / 2 }, init }
    }
}

/// Convolution with bias, `kernel` x `kernel`, initialized like other dense layers.
pub fn conv2d<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    outputs: usize,
    kernel: usize,
    op: Conv2d,
) -> Result<E::Value> {
    let init = dense(channels(e, x) * kernel * kernel);
    conv2d_with(e, scope, x, Convolution { outputs, kernel, op, init }, true)
}

/// Convolution with or without bias.
pub fn conv2d_with<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    convolution: Convolution,
    bias: bool,
) -> Result<E::Value> {
    let Convolution { outputs, kernel, op, init } = convolution;
    let shape = [outputs, channels(e, x), kernel, kernel];
    let w = weight(e, scope, "weight", shape, init)?;
    if !bias {
        return e.apply_one(op, &[x, &w]);
    }
    let b = vector(e, scope, "bias", outputs, 0.0)?;
    e.apply_one(op, &[x, &w, &b])
}

/// Convolution `PATH.conv` with BatchNorm `PATH.bn`; in the inference form, a bias replaces the BatchNorm.
pub fn conv2d_bn<E: Executor>(
    e: &mut E,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
    convolution: Convolution,
) -> Result<E::Value> {
    let x = conv2d_with(e, &scope.child("conv"), x, convolution, folded)?;
    batch_norm_unless(e, folded, &scope.child("bn"), &x)
}

/// 1 x 1 convolution with bias: a linear layer over the channels of each pixel, whose weight has a
/// convolution's shape.
pub fn pointwise<E: Executor>(e: &mut E, scope: &Scope, x: &E::Value, outputs: usize) -> Result<E::Value> {
    conv2d(e, scope, x, outputs, 1, Conv2d { stride: 1, padding: 0 })
}

/// Depthwise convolution on dense grids, without bias.
pub fn depthwise<E: Executor>(e: &mut E, scope: &Scope, x: &E::Value, op: DepthwiseConv) -> Result<E::Value> {
    let w = depthwise_weight(e, scope, x, &op)?;
    e.apply_one(op, &[x, &w])
}

/// Depthwise convolution on dense grids, with bias.
pub fn depthwise_with_bias<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    op: DepthwiseConv,
) -> Result<E::Value> {
    let w = depthwise_weight(e, scope, x, &op)?;
    let c = channels(e, x);
    let b = vector(e, scope, "bias", c, 0.0)?;
    e.apply_one(op, &[x, &w, &b])
}

fn depthwise_weight<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    op: &DepthwiseConv,
) -> Result<E::Value> {
    let shape = [channels(e, x), 1, op.rows.cells(), op.columns.cells()];
    weight(e, scope, "weight", shape, INIT)
}

/// Weight, which starts at 1, and bias of a normalization.
fn affine<E: Executor>(e: &mut E, scope: &Scope, c: usize) -> Result<[E::Value; 2]> {
    let place = scope.normalization();
    let w = constant(e, scope.name("weight"), place, c, 1.0, Role::NoDecay)?;
    Ok([w, constant(e, scope.name("bias"), place, c, 0.0, Role::NoDecay)?])
}

/// LayerNorm over the channels of each pixel.
pub fn layer_norm<E: Executor>(e: &mut E, scope: &Scope, x: &E::Value) -> Result<E::Value> {
    let c = channels(e, x);
    let [w, b] = affine(e, scope, c)?;
    e.apply_one(LayerNorm { eps: LAYER_NORM_EPS }, &[x, &w, &b])
}

/// What follows the mixer in a block: LayerNorm, two linear layers with GELU between them, layer scale (left
/// out if it starts at 0), drop path, and the sum with `shortcut`. `x` is `[N, H, W, C]`; there are `hidden`
/// channels between the linear layers.
pub fn pixel_mlp<E: Executor>(
    e: &mut E,
    scope: &Scope,
    x: &E::Value,
    shortcut: &E::Value,
    hidden: usize,
    layer_scale: f32,
    factors: Option<Arc<[f32]>>,
) -> Result<E::Value> {
    let c = channels(e, x);
    let norm = affine(e, &scope.child("norm"), c)?;
    let expand = linear_parameters(e, &scope.child("pwconv1"), c, hidden, dense(c))?;
    let project = linear_parameters(e, &scope.child("pwconv2"), hidden, c, dense(hidden))?;
    let mut inputs = vec![x, shortcut];
    inputs.extend(norm.iter().chain(&expand).chain(&project));
    let gamma = match layer_scale > 0.0 {
        true => Some(gamma(e, scope, c, layer_scale)?),
        false => None,
    };
    inputs.extend(&gamma);
    e.apply_one(PixelMlp { keep: e.keeps_activations(), eps: LAYER_NORM_EPS, factors }, &inputs)
}

/// BatchNorm over all pixels of each channel; updates its running statistics in training.
pub fn batch_norm<E: Executor>(e: &mut E, scope: &Scope, x: &E::Value) -> Result<E::Value> {
    let c = channels(e, x);
    let [w, b] = affine(e, scope, c)?;
    let [mean_name, variance_name] = ["running_mean", "running_var"].map(|leaf| scope.name(leaf));
    let place = scope.normalization();
    let mean = constant(e, mean_name.clone(), place, c, 0.0, Role::Buffer)?;
    let variance = constant(e, variance_name.clone(), place, c, 1.0, Role::Buffer)?;
    let inputs = [x, &w, &b, &mean, &variance];
    if !e.training() {
        return e.apply_one(BATCH_NORM, &inputs);
    }
    let [y, mean, variance] = e.apply_n(BatchNorm { training: true, ..BATCH_NORM }, &inputs)?;
    e.set_buffer(&mean_name, mean);
    e.set_buffer(&variance_name, variance);
    Ok(y)
}

/// BatchNorm, or nothing in the inference form, in which an adjacent layer has absorbed it.
pub fn batch_norm_unless<E: Executor>(
    e: &mut E,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
) -> Result<E::Value> {
    if folded { Ok(x.clone()) } else { batch_norm(e, scope, x) }
}

/// The operator of a dense depthwise kernel of these rows and columns.
///
/// # Errors
/// When a side is even or zero.
pub fn dense_kernel(sides: [usize; 2]) -> Result<DepthwiseConv> {
    let grid = |side| {
        SharingGrid::dense(side)
            .map_err(|error| Error::Shape { operator: "depthwise_conv", reason: error.to_string() })
    };
    let [rows, columns] = sides;
    Ok(DepthwiseConv::new(grid(rows)?, grid(columns)?))
}

/// The operator of a dense depthwise kernel, `kernel` x `kernel`.
///
/// # Errors
/// When the kernel is even or zero.
pub fn dense_square(kernel: usize) -> Result<DepthwiseConv> {
    dense_kernel([kernel, kernel])
}
