//! Changes of an image's height and width.

use super::storage::{Storage, T};
use crate::Result;
use pelk_ops::resample::Axis;

/// Changes of an image's height and width.
pub trait ResampleOps: Storage {
    /// Applies `rows` and `columns` to each channel of each image of x, `[N, rows.inputs(), columns.inputs(),
    /// C]`: `[N, rows.outputs(), columns.outputs(), C]`. An operator is a choice of axes, and its gradient
    /// the same along the transposed ones.
    fn resample(&self, x: &T<Self>, rows: &Axis, columns: &Axis) -> Result<T<Self>>;
}
