//! Layers: an operator together with its named parameters.
//!
//! A layer is a function over an [`Executor`]; `path` is the dotted name under which its parameters live, as in
//! PyTorch (`{path}.weight`, `{path}.bias`).

use pelk_autodiff::operators::{BatchNorm, Conv2d, DepthwiseConv, LayerNorm, Linear, PixelMlp};
use pelk_autodiff::{Error, Executor, Init, ParameterSpec, Result, Role, Shape};
use pelk_grid::SharingGrid;
use std::sync::Arc;

/// Deviation with which ConvNeXt and SLaK start every convolution and linear layer.
pub const INIT_STD: f32 = 0.02;
/// Their truncated normal.
pub const INIT: Init = Init::TruncatedNormal(INIT_STD);
/// Added to the variance in LayerNorm (ConvNeXt, SLaK).
pub const LAYER_NORM_EPS: f32 = 1e-6;
/// PyTorch's defaults, which RepLKNet and SLaK use.
const BATCH_NORM: BatchNorm = BatchNorm { eps: 1e-5, momentum: 0.1, training: false };

/// BatchNorm's constant added to the variance.
pub const BATCH_NORM_EPS: f32 = BATCH_NORM.eps;

/// A trained tensor with weight decay.
pub fn weight<E: Executor>(e: &mut E, name: String, shape: impl Into<Shape>, init: Init) -> Result<E::Value> {
    e.parameter(ParameterSpec { name, shape: shape.into(), init, role: Role::Weight })
}

/// A trained vector without weight decay.
pub fn vector<E: Executor>(e: &mut E, name: String, len: usize, value: f32) -> Result<E::Value> {
    e.parameter(ParameterSpec {
        name,
        shape: Shape::from([len]),
        init: Init::Constant(value),
        role: Role::NoDecay,
    })
}

fn buffer<E: Executor>(e: &mut E, name: String, len: usize, value: f32) -> Result<E::Value> {
    e.parameter(ParameterSpec {
        name,
        shape: Shape::from([len]),
        init: Init::Constant(value),
        role: Role::Buffer,
    })
}

/// The start of a dense layer that sums `fan_in` inputs: the network's configuration decides.
pub fn dense(fan_in: usize) -> Init {
    Init::Dense { fan_in }
}

fn channels<E: Executor>(e: &E, x: &E::Value) -> usize {
    e.shape(x).channels()
}

/// Linear layer of `outputs` features over the last axis; see [`dense`] for `init`.
pub fn linear<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    outputs: usize,
    init: impl FnOnce(usize) -> Init,
) -> Result<E::Value> {
    let inputs = channels(e, x);
    let [w, b] = linear_parameters(e, path, inputs, outputs, init(inputs))?;
    e.apply_one(Linear, &[x, &w, &b])
}

fn linear_parameters<E: Executor>(
    e: &mut E,
    path: &str,
    inputs: usize,
    outputs: usize,
    init: Init,
) -> Result<[E::Value; 2]> {
    let w = weight(e, format!("{path}.weight"), [outputs, inputs], init)?;
    Ok([w, vector(e, format!("{path}.bias"), outputs, 0.0)?])
}

/// Convolution with bias, `kernel` x `kernel`, that starts as other dense layers.
pub fn conv2d<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    outputs: usize,
    kernel: usize,
    op: Conv2d,
) -> Result<E::Value> {
    let init = dense(channels(e, x) * kernel * kernel);
    conv2d_with(e, path, x, outputs, kernel, op, init, true)
}

/// Convolution, `kernel` x `kernel`, with the weight's start and whether it has a bias.
pub fn conv2d_with<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    outputs: usize,
    kernel: usize,
    op: Conv2d,
    init: Init,
    bias: bool,
) -> Result<E::Value> {
    let shape = [outputs, channels(e, x), kernel, kernel];
    let w = weight(e, format!("{path}.weight"), shape, init)?;
    if !bias {
        return e.apply_one(op, &[x, &w]);
    }
    let b = vector(e, format!("{path}.bias"), outputs, 0.0)?;
    e.apply_one(op, &[x, &w, &b])
}

/// Convolution `{path}.conv` with BatchNorm `{path}.bn`, `kernel` x `kernel`; in the inference form a bias takes the place of the
/// latter.
pub fn conv2d_bn<E: Executor>(
    e: &mut E,
    folded: bool,
    path: &str,
    x: &E::Value,
    outputs: usize,
    kernel: usize,
    op: Conv2d,
    init: Init,
) -> Result<E::Value> {
    let x = conv2d_with(e, &format!("{path}.conv"), x, outputs, kernel, op, init, folded)?;
    batch_norm_unless(e, folded, &format!("{path}.bn"), &x)
}

/// 1 x 1 convolution with bias: a linear layer over the channels of each pixel, whose weight has a convolution's shape.
pub fn pointwise<E: Executor>(e: &mut E, path: &str, x: &E::Value, outputs: usize) -> Result<E::Value> {
    conv2d(e, path, x, outputs, 1, Conv2d { stride: 1, padding: 0 })
}

/// Depthwise convolution on dense grids, without bias.
pub fn depthwise<E: Executor>(e: &mut E, path: &str, x: &E::Value, op: DepthwiseConv) -> Result<E::Value> {
    let w = depthwise_weight(e, path, x, &op)?;
    e.apply_one(op, &[x, &w])
}

/// Depthwise convolution on dense grids, with bias.
pub fn depthwise_with_bias<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    op: DepthwiseConv,
) -> Result<E::Value> {
    let w = depthwise_weight(e, path, x, &op)?;
    let c = channels(e, x);
    let b = vector(e, format!("{path}.bias"), c, 0.0)?;
    e.apply_one(op, &[x, &w, &b])
}

fn depthwise_weight<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    op: &DepthwiseConv,
) -> Result<E::Value> {
    let shape = [channels(e, x), 1, op.rows.cells(), op.columns.cells()];
    weight(e, format!("{path}.weight"), shape, INIT)
}

/// LayerNorm over the channels of each pixel.
pub fn layer_norm<E: Executor>(e: &mut E, path: &str, x: &E::Value) -> Result<E::Value> {
    let c = channels(e, x);
    let w = vector(e, format!("{path}.weight"), c, 1.0)?;
    let b = vector(e, format!("{path}.bias"), c, 0.0)?;
    e.apply_one(LayerNorm { eps: LAYER_NORM_EPS }, &[x, &w, &b])
}

/// LayerNorm, two linear layers with GELU between them, layer scale (none where its start is 0), drop path, and the sum
/// with `shortcut`: what follows the mixer in a block. `x` is `[N, H, W, C]`, the middle has `hidden` channels.
pub fn pixel_mlp<E: Executor>(
    e: &mut E,
    path: &str,
    x: &E::Value,
    shortcut: &E::Value,
    hidden: usize,
    layer_scale: f32,
    factors: Option<Arc<[f32]>>,
) -> Result<E::Value> {
    let c = channels(e, x);
    let norm =
        [vector(e, format!("{path}.norm.weight"), c, 1.0)?, vector(e, format!("{path}.norm.bias"), c, 0.0)?];
    let expand = linear_parameters(e, &format!("{path}.pwconv1"), c, hidden, dense(c))?;
    let project = linear_parameters(e, &format!("{path}.pwconv2"), hidden, c, dense(hidden))?;
    let mut inputs = vec![x, shortcut];
    inputs.extend(norm.iter().chain(&expand).chain(&project));
    let gamma = match layer_scale > 0.0 {
        true => Some(vector(e, format!("{path}.gamma"), c, layer_scale)?),
        false => None,
    };
    inputs.extend(&gamma);
    e.apply_one(PixelMlp { keep: e.keeps_activations(), eps: LAYER_NORM_EPS, factors }, &inputs)
}

/// BatchNorm over all pixels of each channel; in training it renews its running statistics.
pub fn batch_norm<E: Executor>(e: &mut E, path: &str, x: &E::Value) -> Result<E::Value> {
    let c = channels(e, x);
    let w = vector(e, format!("{path}.weight"), c, 1.0)?;
    let b = vector(e, format!("{path}.bias"), c, 0.0)?;
    let [mean_name, variance_name] = ["running_mean", "running_var"].map(|name| format!("{path}.{name}"));
    let mean = buffer(e, mean_name.clone(), c, 0.0)?;
    let variance = buffer(e, variance_name.clone(), c, 1.0)?;
    let inputs = [x, &w, &b, &mean, &variance];
    if !e.training() {
        return e.apply_one(BATCH_NORM, &inputs);
    }
    let [y, mean, variance] = e.apply_n(BatchNorm { training: true, ..BATCH_NORM }, &inputs)?;
    e.set_buffer(&mean_name, mean);
    e.set_buffer(&variance_name, variance);
    Ok(y)
}

/// BatchNorm, but in the inference form, in which a layer beside it has taken it up.
pub fn batch_norm_unless<E: Executor>(e: &mut E, folded: bool, path: &str, x: &E::Value) -> Result<E::Value> {
    if folded { Ok(x.clone()) } else { batch_norm(e, path, x) }
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
