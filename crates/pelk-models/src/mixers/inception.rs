//! InceptionNeXt's mixer (arXiv 2303.16900): the first channels pass unchanged, the others go through one of
//! three depthwise kernels with bias, a small square, a horizontal band and a vertical band.
//!
//! Names under the block: `dwconv_hw`, `dwconv_w` and `dwconv_h`, each with `.weight` and `.bias`. There is
//! nothing to fold.

use crate::config::InceptionConfig;
use crate::layers::{dense_kernel, depthwise_with_bias};
use crate::scope::Scope;
use pelk_autodiff::operators::{ConcatChannels, SplitChannels};
use pelk_autodiff::{Executor, Layer, Result};

pub(super) fn mix<E: Executor>(
    e: &mut E,
    config: &InceptionConfig,
    scope: &Scope,
    x: &E::Value,
) -> Result<E::Value> {
    let passed = e.shape(x).channels() - InceptionConfig::BRANCHES * config.channels;
    let [first, mut rest] = e.apply_n(SplitChannels { first: passed }, &[x])?;
    let mut parts = vec![first];
    for (k, (name, sides)) in config.branches().into_iter().enumerate() {
        let mut part = rest.clone();
        if k + 1 < InceptionConfig::BRANCHES {
            [part, rest] = e.apply_n(SplitChannels { first: config.channels }, &[&rest])?;
        }
        let scope = scope.child(name).of(Layer::LargeKernel);
        parts.push(depthwise_with_bias(e, &scope, &part, dense_kernel(sides)?)?);
    }
    e.apply_one(ConcatChannels, &parts.iter().collect::<Vec<_>>())
}
