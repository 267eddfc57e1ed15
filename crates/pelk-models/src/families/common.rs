//! Layers that several families share.

use crate::config::NetworkConfig;
use crate::layers::{conv2d, gamma};
use crate::scope::Scope;
use pelk_autodiff::operators::{Add, Conv2d, ScaleChannels, ScaleSamples};
use pelk_autodiff::{Executor, Result};

/// ConvNeXt's stem: patches of 4 x 4 pixels, or a 3 x 3 kernel for smaller strides.
pub(super) fn patches<E: Executor>(
    e: &mut E,
    scope: &Scope,
    config: &NetworkConfig,
    images: &E::Value,
) -> Result<E::Value> {
    let stride = config.stem_stride;
    let kernel = stride.max(3);
    let op = Conv2d { stride, padding: (kernel - stride).div_ceil(2) };
    conv2d(e, scope, images, config.stages[0].width, kernel, op)
}

/// ConvNeXt's downsampling: 2 x 2 pixels become one.
pub(super) fn halve<E: Executor>(e: &mut E, scope: &Scope, width: usize, x: &E::Value) -> Result<E::Value> {
    conv2d(e, scope, x, width, 2, Conv2d { stride: 2, padding: 0 })
}

/// Joins a branch to its shortcut: layer scale `gamma` (left out if it starts at 0), drop path, and sum.
pub(super) fn residual<E: Executor>(
    e: &mut E,
    scope: &Scope,
    mut branch: E::Value,
    shortcut: &E::Value,
    config: &NetworkConfig,
    rate: f32,
) -> Result<E::Value> {
    if config.layer_scale > 0.0 {
        let c = e.shape(&branch).channels();
        let gamma = gamma(e, scope, c, config.layer_scale)?;
        branch = e.apply_one(ScaleChannels, &[&branch, &gamma])?;
    }
    let samples = e.shape(&branch)[0];
    if let Some(factors) = e.drop_factors(rate, samples) {
        branch = e.apply_one(ScaleSamples { factors }, &[&branch])?;
    }
    e.apply_one(Add, &[&branch, shortcut])
}
