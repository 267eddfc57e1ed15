//! The classifier of a skeleton, of the whole image or of each place of the last map.

use crate::config::NetworkConfig;
use crate::skeletons;
use pelk_autodiff::operators::AdaptiveAvgPool;
use pelk_autodiff::{Error, Executor, Result};

/// What is classified of the last stage's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// Its mean: logits `[N, 1, 1, classes]`.
    Mean,
    /// Each place: logits `[N, h, w, classes]`.
    Places,
}

impl Map {
    /// What a classifier's last layers see of `x`, `[N, h, w, C]`.
    pub fn of<E: Executor>(self, e: &mut E, x: &E::Value) -> Result<E::Value> {
        match self {
            Map::Mean => e.apply_one(AdaptiveAvgPool { size: [1, 1] }, &[x]),
            Map::Places => Ok(x.clone()),
        }
    }
}

/// Logits of the outputs of the stages.
pub(super) fn logits<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    features: &[E::Value],
) -> Result<E::Value> {
    let no_stage = || Error::Shape { operator: "classifier", reason: "there is no stage".to_owned() };
    skeletons::classify(e, config, map, features.last().ok_or_else(no_stage)?)
}
