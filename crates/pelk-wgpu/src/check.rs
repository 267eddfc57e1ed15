//! Checks of arguments.

use crate::{Buffer, GpuError, Result};
use pelk_ops::ShapeError;

pub(crate) fn shape_error(operator: &'static str, reason: String) -> GpuError {
    ShapeError::Invalid { operator, reason }.into()
}

/// Checks that a tensor has the `expected` number of values, and that it is not 0.
pub(crate) fn expect_len(
    operator: &'static str,
    argument: &'static str,
    actual: usize,
    expected: usize,
) -> Result<()> {
    if expected == 0 {
        return Err(ShapeError::Empty { operator, dimension: argument }.into());
    }
    if actual != expected {
        return Err(ShapeError::Length { operator, argument, expected, actual }.into());
    }
    Ok(())
}

/// The number of rows of `row` values in a tensor of `len` values.
///
/// # Errors
/// Unless there is at least one row, and the last one is complete.
pub(crate) fn rows_of(operator: &'static str, len: usize, row: usize) -> Result<usize> {
    if row == 0 || len == 0 || !len.is_multiple_of(row) {
        return Err(shape_error(operator, format!("{len} values do not make whole rows of {row}")));
    }
    Ok(len / row)
}

/// Computes a gradient if it is wanted.
pub(crate) fn wanted(wanted: bool, make: impl FnOnce() -> Result<Buffer>) -> Result<Option<Buffer>> {
    wanted.then(make).transpose()
}
