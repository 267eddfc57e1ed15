//! Steps of the optimizers.

use super::storage::{Storage, T};
use crate::Result;
use pelk_ops::{AdamW, Sgd};

/// Steps of the optimizers.
pub trait OptimizerOps: Storage {
    /// One AdamW step in place, as PyTorch computes it.
    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut T<Self>,
        gradient: &T<Self>,
        moments: [&mut T<Self>; 2],
    ) -> Result<()>;

    /// One step of SGD with momentum in place, as PyTorch computes it.
    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut T<Self>,
        gradient: &T<Self>,
        velocity: &mut T<Self>,
    ) -> Result<()>;
}
