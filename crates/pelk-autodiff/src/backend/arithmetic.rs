//! Arithmetic in place.

use super::storage::{Storage, T};
use crate::Result;

/// Arithmetic in place.
pub trait ArithmeticOps: Storage {
    /// `a += b`.
    fn add_assign(&self, a: &mut T<Self>, b: &T<Self>) -> Result<()>;

    /// `x *= factor`.
    fn scale_assign(&self, x: &mut T<Self>, factor: f32) -> Result<()>;

    /// `average += weight (x - average)`: the step of an exponential moving average.
    fn lerp_assign(&self, average: &mut T<Self>, x: &T<Self>, weight: f32) -> Result<()>;

    /// The same for sparse values, whose zeros are absent values: where x is 0 the average becomes 0, and
    /// where the average is 0 it becomes x at once.
    fn sparse_lerp_assign(&self, average: &mut T<Self>, x: &T<Self>, weight: f32) -> Result<()>;

    /// `x *= factors`, value by value.
    fn mul_assign(&self, x: &mut T<Self>, factors: &T<Self>) -> Result<()>;
}
