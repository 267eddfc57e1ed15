//! Affine maps.

use super::storage::{Gradients, Storage, T};
use crate::Result;

/// Affine maps.
pub trait LinearOps: Storage {
    /// See [`Linear`](crate::operators::Linear).
    fn linear(&self, x: &T<Self>, weight: &T<Self>, bias: Option<&T<Self>>) -> Result<T<Self>>;

    /// Tells that many calls will use this weight, `[outputs, inputs]`, unchanged: a backend may then keep
    /// whatever speeds them up. Results have the same bits with it and without.
    fn prepare_weight(&self, weight: &T<Self>) -> Result<()> {
        let _ = weight;
        Ok(())
    }

    /// Gradients of x, weight, bias.
    fn linear_backward(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 3],
    ) -> Result<Gradients<T<Self>, 3>>;
}
