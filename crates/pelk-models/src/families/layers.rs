//! What a network family defines.

use super::map::Map;
use super::merge::Merge;
use crate::config::NetworkConfig;
use crate::scope::Scope;
use pelk_autodiff::{Executor, Result};

/// The layers of a family around the mixers.
pub(crate) trait Layers {
    /// Images `[N, H, W, C]` to the first stage's width and resolution.
    fn stem<E: Executor>(e: &mut E, config: &NetworkConfig, images: &E::Value) -> Result<E::Value>;

    /// From the output of stage `i - 1` to the width of stage `i`, at half the resolution.
    fn downsample<E: Executor>(e: &mut E, config: &NetworkConfig, i: usize, x: &E::Value)
    -> Result<E::Value>;

    /// Block `j` of stage `i`, whose residual branches are dropped with probability `rate` in training.
    fn block<E: Executor>(
        e: &mut E,
        config: &NetworkConfig,
        block: [usize; 2],
        rate: f32,
        x: &E::Value,
    ) -> Result<E::Value>;

    /// Logits from the last stage's output: for the whole image, or for each position.
    fn classify<E: Executor>(e: &mut E, config: &NetworkConfig, map: Map, x: &E::Value) -> Result<E::Value>;

    /// The scope of the mixer of block `j` of stage `i`.
    fn mixer_scope(block: [usize; 2]) -> Scope;

    /// The BatchNorms outside the mixers and the decoder that folding merges, in this order.
    fn merges(config: &NetworkConfig) -> Vec<Merge>;
}
