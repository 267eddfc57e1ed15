//! PeLK's mixer: partial peripheral convolution (Eq. 1-6).
//!
//! The first channels go through a large peripheral kernel and a small dense kernel in parallel, each
//! followed by its own BatchNorm; the other channels pass unchanged. In the folded form, both kernels and
//! BatchNorms are one peripheral kernel with a bias. Its parameters are taps, even if those in training scale
//! means.
//!
//! Names under the block: `large.weight` (theta), `large_bn.*`, `small.weight`, `small_bn.*`; the stage's
//! embedding is `positions.I`. Folded: `large.weight`, `large.bias`, with an in-bounds embedding
//! `large.position_weight` (theta without the small kernel, which the embedding does not pass through), and
//! `small.weight` if the grid's unshared center is too small to hold it.

use super::partial::partial;
use crate::config::{PeripheralConfig, ThetaScale};
use crate::layers::{INIT, batch_norm, dense_square, depthwise, vector, weight};
use crate::scope::Scope;
use pelk_autodiff::operators::{Add, DepthwiseConv, PositionBias, PositionForm, ScaleSamples};
use pelk_autodiff::{Executor, Layer, ParameterSpec, Place, Result, Role, Section, Shape};

/// The name of a stage's position embedding.
pub fn position_name(stage: usize) -> String {
    format!("positions.{stage}")
}

pub(super) fn mix<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    folded: bool,
    scope: &Scope,
    stage: usize,
    x: &E::Value,
) -> Result<E::Value> {
    partial(e, config.channels, x, |e, x| convolve(e, config, folded, scope, stage, x))
}

fn convolve<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    folded: bool,
    scope: &Scope,
    stage: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let (large, has_small) = if folded {
        (folded_large(e, config, scope, stage, x)?, !config.small_fits_center())
    } else {
        let large = large(e, config, scope, stage, x)?;
        (batch_norm(e, &scope.child("large_bn").of(Layer::LargeKernel), &large)?, true)
    };
    if config.small_kernel == 0 || !has_small {
        return Ok(large);
    }
    let of_small = |name| scope.child(name).of(Layer::SmallKernel);
    let mut small = depthwise(e, &of_small("small"), x, dense_square(config.small_kernel)?)?;
    if !folded {
        small = batch_norm(e, &of_small("small_bn"), &small)?;
    }
    e.apply_one(Add, &[&large, &small])
}

fn large<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    scope: &Scope,
    stage: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let mut theta = theta(e, config, scope, "weight")?;
    if config.theta_scale == ThetaScale::Mean {
        let factors = config.taps_of_means().take(e.shape(&theta).elements()).collect();
        theta = e.apply_one(ScaleSamples { factors }, &[&theta])?;
    }
    let op = DepthwiseConv::square(config.grid.clone());
    match config.position.form() {
        None => e.apply_one(op, &[x, &theta]),
        Some(form) => {
            let position = position(e, config, stage)?;
            let bias = e.apply_one(position_bias(e, config, form, x), &[&theta, &position])?;
            e.apply_one(op, &[x, &theta, &bias])
        }
    }
}

fn folded_large<E: Executor>(
    e: &mut E,
    config: &PeripheralConfig,
    scope: &Scope,
    stage: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let weight = theta(e, config, scope, "weight")?;
    let mut bias = vector(e, &large_scope(scope), "bias", config.channels, 0.0)?;
    // A literal embedding is a constant, which folding has added to the bias.
    if let Some(form @ PositionForm::InBounds) = config.position.form() {
        let theta = theta(e, config, scope, "position_weight")?;
        let position = position(e, config, stage)?;
        bias = e.apply_one(position_bias(e, config, form, x), &[&theta, &position, &bias])?;
    }
    e.apply_one(DepthwiseConv::square(config.grid.clone()), &[x, &weight, &bias])
}

fn large_scope(scope: &Scope) -> Scope {
    scope.child("large").of(Layer::LargeKernel)
}

fn theta<E: Executor>(e: &mut E, config: &PeripheralConfig, scope: &Scope, leaf: &str) -> Result<E::Value> {
    let cells = config.grid.cells();
    weight(e, &large_scope(scope), leaf, [config.channels, cells, cells], INIT)
}

fn position<E: Executor>(e: &mut E, config: &PeripheralConfig, stage: usize) -> Result<E::Value> {
    let k = config.grid.kernel();
    e.parameter(ParameterSpec {
        name: position_name(stage),
        shape: Shape::from([1, k, k]),
        init: INIT,
        role: Role::NoDecay,
        place: Place { section: Section::Position(stage), layer: Layer::LargeKernel },
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
