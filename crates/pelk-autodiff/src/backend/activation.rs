//! Activations.

use super::storage::{Storage, T};
use crate::Result;

/// Activations.
pub trait ActivationOps: Storage {
    /// See [`Gelu`](crate::operators::Gelu).
    fn gelu(&self, x: &T<Self>) -> Result<T<Self>>;

    /// Gradient of x.
    fn gelu_backward(&self, x: &T<Self>, gy: &T<Self>) -> Result<T<Self>>;

    /// See [`Relu`](crate::operators::Relu).
    fn relu(&self, x: &T<Self>) -> Result<T<Self>>;

    /// Gradient of x. It needs only the output `y`.
    fn relu_backward(&self, y: &T<Self>, gy: &T<Self>) -> Result<T<Self>>;
}
