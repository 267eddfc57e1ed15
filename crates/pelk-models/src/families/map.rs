//! Which positions of the last stage's map are classified.

use pelk_autodiff::operators::AdaptiveAvgPool;
use pelk_autodiff::{Executor, Result};

/// Which part of the last stage's map a classifier gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// Its mean: logits `[N, 1, 1, classes]`.
    Mean,
    /// Each position: logits `[N, h, w, classes]`.
    Places,
}

impl Map {
    /// The map `x`, `[N, h, w, C]`, as the input of a classifier's last layers.
    pub fn of<E: Executor>(self, e: &mut E, x: &E::Value) -> Result<E::Value> {
        match self {
            Map::Mean => e.apply_one(AdaptiveAvgPool { size: [1, 1] }, &[x]),
            Map::Places => Ok(x.clone()),
        }
    }
}
