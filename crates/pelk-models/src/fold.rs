//! The inference form: BatchNorm and the small branch merged into the large kernel, on the same grid.
//!
//! A BatchNorm scales each channel, which keeps a kernel constant on its blocks; a dense kernel within the
//! unshared center is added to the center's cells. So the folded operator is peripheral again, with a bias.
//! Beside two crossed stripes, the dense kernel is added to one of them. BatchNorms after convolutions become
//! biases. One before a layer without padding becomes part of it: `W (s x + t) + b` is `(W s) x + (W t + b)`.

use crate::config::{MixerConfig, NetworkConfig, PeripheralConfig, Position, StripeConfig, ThetaScale};
use crate::error::{ModelError, Result};
use crate::families::{Merge, Side, layers_of};
use crate::heads;
use crate::layers::BATCH_NORM_EPS;
use crate::mixers::peripheral::position_name;
use ndarray::{Array1, ArrayD, ArrayViewD, Axis};
use pelk_autodiff::{Error, HostParameters, Shape};
use pelk_grid::reduce;

/// The folded configuration and weights of a network in evaluation mode.
///
/// # Errors
/// When a parameter is missing or does not have the configuration's shape.
pub fn fold(config: &NetworkConfig, weights: &HostParameters) -> Result<(NetworkConfig, HostParameters)> {
    let mut folded = weights.clone();
    if config.folded {
        return Ok((config.clone(), folded));
    }
    for (i, stage) in config.stages.iter().enumerate() {
        for j in 0..stage.depth {
            let block = layers_of!(config, mixer_scope([i, j]));
            match &stage.mixer {
                MixerConfig::Peripheral(peripheral) => {
                    fold_peripheral(&mut folded, peripheral, i, block.path())?;
                }
                MixerConfig::Stripe(stripe) => fold_stripes(&mut folded, stripe, block.path())?,
                MixerConfig::Inception(_) | MixerConfig::Depthwise { .. } => {}
            }
        }
        if matches!(&stage.mixer, MixerConfig::Peripheral(p) if p.position == Position::Literal) {
            folded.remove(&position_name(i));
        }
    }
    let family = layers_of!(config, merges(config));
    for Merge { norm, layer, side } in heads::merges(config).into_iter().chain(family) {
        match side {
            Side::Before => fold_before(&mut folded, &norm, &layer)?,
            Side::After => fold_after(&mut folded, &layer, &norm)?,
        }
    }
    Ok((NetworkConfig { folded: true, ..config.clone() }, folded))
}

/// The parameter called `name`, which must have this shape.
fn parameter<'w>(weights: &'w HostParameters, name: &str, shape: &[usize]) -> Result<&'w ArrayD<f32>> {
    match weights.get(name) {
        None => Err(Error::MissingParameter { name: name.to_owned(), shape: shape.into() }.into()),
        Some(array) if array.shape() == shape => Ok(array),
        Some(array) => {
            let (expected, actual) = (shape.into(), array.shape().into());
            Err(Error::ParameterShape { name: name.to_owned(), expected, actual }.into())
        }
    }
}

/// Takes a parameter out of the weights.
fn take(weights: &mut HostParameters, name: &str, shape: &[usize]) -> Result<ArrayD<f32>> {
    let array = parameter(weights, name, shape)?.clone();
    weights.remove(name);
    Ok(array)
}

/// A BatchNorm in evaluation mode as `y = scale x + shift`.
struct Affine {
    scale: Array1<f32>,
    shift: Array1<f32>,
}

fn affine(weights: &mut HostParameters, path: &str, channels: usize) -> Result<Affine> {
    let mut vector = |name: &str| -> Result<Array1<f32>> {
        Ok(take(weights, &format!("{path}.{name}"), &[channels])?.into_iter().collect())
    };
    let (gamma, beta, mean, variance) =
        (vector("weight")?, vector("bias")?, vector("running_mean")?, vector("running_var")?);
    let scale = gamma / (variance + BATCH_NORM_EPS).sqrt();
    let shift = beta - mean * &scale;
    Ok(Affine { scale, shift })
}

/// Multiplies each channel (the first axis) by its factor.
fn scale_first(kernel: &mut ArrayD<f32>, scale: &Array1<f32>) {
    for (mut channel, factor) in kernel.axis_iter_mut(Axis(0)).zip(scale) {
        channel *= *factor;
    }
}

fn fold_peripheral(
    weights: &mut HostParameters,
    config: &PeripheralConfig,
    stage: usize,
    block: &str,
) -> Result<()> {
    let (cells, side) = (config.grid.cells(), config.grid.kernel());
    let mut theta = take(weights, &format!("{block}.large.weight"), &[config.channels, cells, cells])?;
    if config.theta_scale == ThetaScale::Mean {
        theta.iter_mut().zip(config.taps_of_means()).for_each(|(parameter, factor)| *parameter *= factor);
    }
    let large = affine(weights, &format!("{block}.large_bn"), config.channels)?;
    let mut bias = large.shift;
    if config.position == Position::Literal {
        let position = parameter(weights, &position_name(stage), &[1, side, side])?;
        bias += &(literal_constant(config, &theta, position)? * &large.scale);
    }
    scale_first(&mut theta, &large.scale);
    if config.position == Position::InBounds {
        weights.insert(format!("{block}.large.position_weight"), theta.clone());
    }
    if config.small_kernel > 0 {
        let n = config.small_kernel;
        let name = format!("{block}.small.weight");
        let mut kernel = take(weights, &name, &[config.channels, 1, n, n])?;
        let small = affine(weights, &format!("{block}.small_bn"), config.channels)?;
        scale_first(&mut kernel, &small.scale);
        bias += &small.shift;
        if config.small_fits_center() {
            let first = (cells - n) / 2;
            let mut center = theta.view_mut();
            for axis in [Axis(1), Axis(2)] {
                center.slice_axis_inplace(axis, (first..first + n).into());
            }
            center += &kernel.index_axis(Axis(1), 0);
        } else {
            weights.insert(name, kernel);
        }
    }
    weights.insert(format!("{block}.large.weight"), theta);
    weights.insert(format!("{block}.large.bias"), bias.into_dyn());
    Ok(())
}

/// Takes the weight of a layer, `[outputs, inputs, ..]`, out of the weights.
fn take_weight(weights: &mut HostParameters, layer: &str) -> Result<ArrayD<f32>> {
    let name = format!("{layer}.weight");
    match weights.remove(&name) {
        Some(weight) if weight.ndim() > 1 => Ok(weight),
        Some(weight) => {
            let reason = format!("{name:?} has shape {:?}, wanted [outputs, inputs, ..]", weight.shape());
            Err(Error::Shape { operator: "fold", reason }.into())
        }
        None => Err(Error::MissingParameter { name, shape: Shape::from([]) }.into()),
    }
}

/// Merges the BatchNorm `norm` into the convolution `layer` before it, which gets a bias.
fn fold_after(weights: &mut HostParameters, layer: &str, norm: &str) -> Result<()> {
    let mut kernel = take_weight(weights, layer)?;
    let outputs = kernel.shape()[0];
    let Affine { scale, mut shift } = affine(weights, norm, outputs)?;
    let bias = format!("{layer}.bias");
    if weights.contains_key(&bias) {
        let bias: Array1<f32> = take(weights, &bias, &[outputs])?.into_iter().collect();
        shift += &(bias * &scale);
    }
    scale_first(&mut kernel, &scale);
    weights.insert(format!("{layer}.weight"), kernel);
    weights.insert(bias, shift.into_dyn());
    Ok(())
}

/// Merges the BatchNorm `norm` into `layer` after it, a linear layer or a convolution without padding, with a
/// bias.
fn fold_before(weights: &mut HostParameters, norm: &str, layer: &str) -> Result<()> {
    let mut kernel = take_weight(weights, layer)?;
    let (outputs, inputs) = (kernel.shape()[0], kernel.shape()[1]);
    let Affine { scale, shift } = affine(weights, norm, inputs)?;
    let name = format!("{layer}.bias");
    let mut bias = take(weights, &name, &[outputs])?;
    for (mut kernel, bias) in kernel.outer_iter_mut().zip(&mut bias) {
        let mut sum = 0.0;
        for ((mut taps, scale), shift) in kernel.outer_iter_mut().zip(&scale).zip(&shift) {
            sum += taps.iter().map(|&w| f64::from(w)).sum::<f64>() * f64::from(*shift);
            taps *= *scale;
        }
        *bias += sum as f32;
    }
    weights.insert(format!("{layer}.weight"), kernel);
    weights.insert(name, bias);
    Ok(())
}

fn fold_stripes(weights: &mut HostParameters, config: &StripeConfig, block: &str) -> Result<()> {
    let channels = config.channels;
    let mut bias = Array1::zeros(channels);
    let mut branch = |(name, [rows, columns]): (&str, [usize; 2])| -> Result<ArrayD<f32>> {
        let mut kernel = take(weights, &format!("{block}.{name}.weight"), &[channels, 1, rows, columns])?;
        let norm = affine(weights, &format!("{block}.{name}_bn"), channels)?;
        scale_first(&mut kernel, &norm.scale);
        bias += &norm.shift;
        Ok(kernel)
    };
    let [vertical, horizontal, small] = config.branches();
    let (mut tall, wide, dense) = (branch(vertical)?, branch(horizontal)?, branch(small)?);
    let first = (config.kernel - config.width) / 2;
    let mut middle = tall.view_mut();
    middle.slice_axis_inplace(Axis(2), (first..first + config.width).into());
    middle += &dense;
    weights.insert(format!("{block}.{}.weight", vertical.0), tall);
    weights.insert(format!("{block}.{}.bias", vertical.0), bias.into_dyn());
    weights.insert(format!("{block}.{}.weight", horizontal.0), wide);
    Ok(())
}

/// `sum_t w(t) h(t)` for each channel, summed in float64 as the operator does.
fn literal_constant(
    config: &PeripheralConfig,
    theta: &ArrayD<f32>,
    position: &ArrayD<f32>,
) -> Result<Array1<f32>> {
    let embedding: Vec<f64> = position.iter().map(|&h| f64::from(h)).collect();
    let by_region = reduce(&config.grid, &config.grid, &embedding)
        .map_err(|source| ModelError::Grid { field: "position", source })?;
    let constant = |theta: ArrayViewD<'_, f32>| {
        theta.iter().zip(&by_region).map(|(&w, &h)| f64::from(w) * h).sum::<f64>() as f32
    };
    Ok(theta.axis_iter(Axis(0)).map(constant).collect())
}
