//! How a block mixes neighbouring pixels. To add one: a file here, its configuration in
//! [`MixerConfig`], its line in [`mix`].

mod depthwise;
pub mod peripheral;

use crate::config::MixerConfig;
use pelk_autodiff::{Executor, Result};

/// Where a block stands: its own path, and the stage's, under which its shared parameters live.
#[derive(Debug, Clone, Copy)]
pub struct BlockPath<'a> {
    /// `stages.I.J`
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
        MixerConfig::Depthwise { kernel } => depthwise::mix(e, *kernel, path, x),
    }
}
