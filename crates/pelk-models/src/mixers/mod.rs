//! How a block mixes neighboring pixels. To add one: a file here, its configuration in
//! [`MixerConfig`], its line in [`mix`].

mod depthwise;
mod inception;
pub mod peripheral;
pub mod stripe;

use crate::config::MixerConfig;
use pelk_autodiff::operators::{ConcatChannels, SplitChannels};
use pelk_autodiff::{Executor, Result};

/// Where a block stands: its own path, and the stage's, under which its shared parameters live.
#[derive(Debug, Clone, Copy)]
pub struct BlockPath<'a> {
    /// Where the mixer has its parameters, for instance `stages.I.J`.
    pub block: &'a str,
    /// I
    pub stage: usize,
}

/// The spatial part of the block at `path`, `[N, H, W, C]` to the same shape.
pub fn mix<E: Executor>(
    e: &mut E,
    config: &MixerConfig,
    folded: bool,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    match config {
        MixerConfig::Peripheral(config) => peripheral::mix(e, config, folded, path, x),
        MixerConfig::Stripe(config) => stripe::mix(e, config, folded, path, x),
        MixerConfig::Inception(config) => inception::mix(e, config, path, x),
        MixerConfig::Depthwise { kernel } => depthwise::mix(e, *kernel, path, x),
    }
}

/// Applies a convolution to the first `channels` of `x`; the others pass (Eq. 4-6).
fn partial<E: Executor>(
    e: &mut E,
    channels: usize,
    x: &E::Value,
    convolve: impl FnOnce(&mut E, &E::Value) -> Result<E::Value>,
) -> Result<E::Value> {
    if channels == e.shape(x).channels() {
        return convolve(e, x);
    }
    let [convolved, passed] = e.apply_n(SplitChannels { first: channels }, &[x])?;
    let convolved = convolve(e, &convolved)?;
    e.apply_one(ConcatChannels, &[&convolved, &passed])
}
