//! The position embedding as a bias.

use super::storage::{Gradients, Storage, T};
use crate::Result;
use pelk_ops::PositionBias;

/// The position embedding as a bias.
pub trait PositionOps: Storage {
    /// See [`PositionBias`].
    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &T<Self>,
        position: &T<Self>,
        bias: Option<&T<Self>>,
    ) -> Result<T<Self>>;

    /// Gradients of theta and the embedding; the gradient of the bias is
    /// [`ReduceOps::sum_leading`](super::ReduceOps::sum_leading) of `gy`.
    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &T<Self>,
        position: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 2],
    ) -> Result<Gradients<T<Self>, 2>>;
}
