//! Checks of shapes by the operators' own rules: the loops would panic on lengths that do not fit.

use super::ReferenceTensor as Tensor;
use crate::{Error, Op, Operator, Result, Shape};

/// The shape of the operator's first output, or an error if the inputs do not fit.
pub(super) fn output<'t>(op: impl Into<Op>, inputs: impl IntoIterator<Item = &'t Tensor>) -> Result<Shape> {
    let shapes: Vec<&Shape> = inputs.into_iter().map(|input| &input.shape).collect();
    Ok(op.into().output_shapes(&shapes)?.swap_remove(0))
}

pub(super) fn expect_shape(what: &'static str, actual: &Tensor, expected: &Shape) -> Result<()> {
    if actual.shape == *expected {
        return Ok(());
    }
    let reason = format!("a tensor has shape {}, wanted {expected}", actual.shape);
    Err(Error::Shape { operator: what, reason })
}

/// Checks the inputs of an operator and the gradient of its output.
pub(super) fn expect_gradient<'t>(
    op: impl Into<Op>,
    inputs: impl IntoIterator<Item = &'t Tensor>,
    gy: &Tensor,
) -> Result<()> {
    let op = op.into();
    let name = op.name();
    expect_shape(name, gy, &output(op, inputs)?)
}
