//! How a block mixes neighboring pixels. To add a mixer: a file here, its configuration in [`MixerConfig`],
//! and its line in [`mix`].

mod depthwise;
mod inception;
mod partial;
pub mod peripheral;
pub mod stripe;

use crate::config::MixerConfig;
use crate::scope::Scope;
use pelk_autodiff::{Executor, Result};

/// The spatial part of a block of stage `stage`, `[N, H, W, C]` to the same shape. The block's own parameters
/// are in `scope`; parameters shared by a stage's blocks are named after the stage.
///
/// # Errors
/// When a parameter is missing, or the executor's backend refuses.
pub fn mix<E: Executor>(
    e: &mut E,
    config: &MixerConfig,
    folded: bool,
    scope: &Scope,
    stage: usize,
    x: &E::Value,
) -> Result<E::Value> {
    match config {
        MixerConfig::Peripheral(config) => peripheral::mix(e, config, folded, scope, stage, x),
        MixerConfig::Stripe(config) => stripe::mix(e, config, folded, scope, x),
        MixerConfig::Inception(config) => inception::mix(e, config, scope, x),
        MixerConfig::Depthwise { kernel } => depthwise::mix(e, *kernel, scope, x),
    }
}
