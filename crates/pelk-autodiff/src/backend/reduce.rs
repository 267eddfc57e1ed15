//! Sums of many values.

use super::storage::{Storage, T};
use crate::{Result, Shape};

/// Sums of many values.
pub trait ReduceOps: Storage {
    /// Sums over the leading axes that `shape` does not have: `[N, H, W, C]` to `[C]` or `[H, W, C]`.
    fn sum_leading(&self, x: &T<Self>, shape: &Shape) -> Result<T<Self>>;

    /// The sum of the squares of all values of all tensors; not finite if a value is not finite. It takes
    /// many tensors at once, because returning a number waits for the device.
    fn sum_of_squares(&self, tensors: &[&T<Self>]) -> Result<f64>;
}
