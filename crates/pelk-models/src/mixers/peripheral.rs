//! PeLK's mixer: partial peripheral convolution (Eq. 1-6).
//!
//! The first channels go through a large peripheral kernel and a small dense kernel in parallel, each followed
//! by its own BatchNorm; the other channels pass unchanged. In the folded form both kernels and BatchNorms are
//! one peripheral kernel with a bias, whose parameters are taps, also where those of training are factors of means.
//!
//! Names under the block: `large.weight` (theta), `large_bn.*`, `small.weight`, `small_bn.*`; the stage's embedding is
//! `positions.I`. Folded: `large.weight`, `large.bias`, with an in-bounds embedding `large.position_weight` (theta
//! without the small kernel, which the embedding does not pass), and `small.weight` where the grid's fine center
//! is too small to hold it.

use super::{BlockPath, partial};
use crate::config::{PeripheralConfig, ThetaScale};
use crate::layers::{INIT, batch_norm, dense_square, depthwise, vector, weight};
use pelk_autodiff::operators::{Add, DepthwiseConv, PositionBias, PositionForm, ScaleSamples};
use pelk_autodiff::{Executor, ParameterSpec, Result, Role, Shape};

/// The parameter's name of a stage's position embedding.
pub fn position_name(stage: usize) -> String {
    format!("positions.{stage}")
}

pub(super) fn mix<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    folded: bool,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    partial(e, config.channels, x, |e, x| convolve(e, config, folded, path, x))
}

fn convolve<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    folded: bool,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    let block = path.block;
    let (large, small) = if folded {
        let keep_small = config.small_kernel > 0 && !config.small_fits_center();
        (folded_large(e, config, path, x)?, keep_small.then(|| format!("{block}.small")))
    } else {
        let large = large(e, config, path, x)?;
        let large = batch_norm(e, &format!("{block}.large_bn"), &large)?;
        (large, (config.small_kernel > 0).then(|| format!("{block}.small")))
    };
    let Some(small_path) = small else { return Ok(large) };
    let mut small = depthwise(e, &small_path, x, dense_square(config.small_kernel)?)?;
    if !folded {
        small = batch_norm(e, &format!("{block}.small_bn"), &small)?;
    }
    e.apply_one(Add, &[&large, &small])
}

fn large<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    let mut theta = theta(e, config, format!("{}.large.weight", path.block))?;
    if config.theta_scale == ThetaScale::Mean {
        let factors = config.taps_of_means().take(e.shape(&theta).elements()).collect();
        theta = e.apply_one(ScaleSamples { factors }, &[&theta])?;
    }
    let op = DepthwiseConv::square(config.grid.clone());
    match config.position.form() {
        None => e.apply_one(op, &[x, &theta]),
        Some(form) => {
            let position = position(e, config, path.stage)?;
            let bias = e.apply_one(position_bias(e, config, form, x), &[&theta, &position])?;
            e.apply_one(op, &[x, &theta, &bias])
        }
    }
}

fn folded_large<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    let weight = theta(e, config, format!("{}.large.weight", path.block))?;
    let mut bias = vector(e, format!("{}.large.bias", path.block), config.channels, 0.0)?;
    // A literal embedding is a constant, which folding has added to the bias.
    if let Some(form @ PositionForm::InBounds) = config.position.form() {
        let theta = theta(e, config, format!("{}.large.position_weight", path.block))?;
        let position = position(e, config, path.stage)?;
        bias = e.apply_one(position_bias(e, config, form, x), &[&theta, &position, &bias])?;
    }
    e.apply_one(DepthwiseConv::square(config.grid.clone()), &[x, &weight, &bias])
}

fn theta<E: Executor>(e: &mut E, config: &PeripheralConfig, name: String) -> Result<E::Value> {
    let cells = config.grid.cells();
    weight(e, name, [config.channels, cells, cells], INIT)
}

fn position<E: Executor>(e: &mut E, config: &PeripheralConfig, stage: usize) -> Result<E::Value> {
    let k = config.grid.kernel();
    e.parameter(ParameterSpec {
        name: position_name(stage),
        shape: Shape::from([1, k, k]),
        init: INIT,
        role: Role::NoDecay,
    })
}

fn position_bias<E: Executor>(
    e: &E,
    config: &PeripheralConfig,
    form: PositionForm,
    x: &E::Value,
) -> PositionBias {
    let shape = e.shape(x);
    PositionBias { grid: config.grid.clone(), form, size: [shape[1], shape[2]] }
}
