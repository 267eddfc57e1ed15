//! The feature pyramid: each map gets what the deeper ones know.

use crate::layers::{Convolution, conv2d_with};
use crate::scope::Scope;
use pelk_autodiff::operators::{Add, MaxPool, NearestResize};
use pelk_autodiff::{Executor, Init, Result, Section};

fn scope(part: &str, i: usize) -> Scope {
    Scope::new("neck", Section::Pyramid).child(part).child(i).child("conv")
}

/// The maps of `channels` channels of these features, and one more at half the last one's resolution.
///
/// # Errors
/// When a parameter is missing, or the executor's backend returns an error.
pub fn pyramid<E: Executor>(e: &mut E, channels: usize, features: &[E::Value]) -> Result<Vec<E::Value>> {
    let mut maps = Vec::new();
    for (i, x) in features.iter().enumerate() {
        maps.push(convolution(e, &scope("lateral_convs", i), channels, 1, x)?);
    }
    for i in (1..maps.len()).rev() {
        let shape = e.shape(&maps[i - 1]);
        let size = [shape[1], shape[2]];
        let above = e.apply_one(NearestResize { size }, &[&maps[i]])?;
        maps[i - 1] = e.apply_one(Add, &[&maps[i - 1], &above])?;
    }
    for (i, map) in maps.iter_mut().enumerate() {
        *map = convolution(e, &scope("fpn_convs", i), channels, 3, map)?;
    }
    if let Some(last) = maps.last() {
        let every_other = MaxPool { kernel: 1, stride: 2, padding: 0 };
        maps.push(e.apply_one(every_other, &[last])?);
    }
    Ok(maps)
}

/// A convolution with Xavier's start.
fn convolution<E: Executor>(
    e: &mut E,
    scope: &Scope,
    channels: usize,
    kernel: usize,
    x: &E::Value,
) -> Result<E::Value> {
    let fans = (e.shape(x).channels() + channels) * kernel * kernel;
    let init = Init::Uniform((6.0 / fans as f32).sqrt());
    conv2d_with(e, scope, x, Convolution::same(channels, kernel, init), true)
}
