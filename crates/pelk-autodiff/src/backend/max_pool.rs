//! Max pooling.

use super::storage::{Storage, T};
use crate::Result;
use pelk_ops::MaxPool;

/// Max pooling.
pub trait MaxPoolOps: Storage {
    /// See [`MaxPool`]: its output, and for each value its [`MaxPool::place`] in its window.
    fn max_pool(&self, op: MaxPool, x: &T<Self>) -> Result<[T<Self>; 2]>;

    /// Gradient of x, whose height and width are `input`, from the places.
    fn max_pool_backward(
        &self,
        op: MaxPool,
        places: &T<Self>,
        gy: &T<Self>,
        input: [usize; 2],
    ) -> Result<T<Self>>;
}
