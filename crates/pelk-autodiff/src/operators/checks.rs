//! Checks that operators share.

use super::operator::Context;
use crate::{Error, Result, Shape};

/// The shape error of `operator`.
pub(super) fn misfit(operator: &'static str, reason: impl Into<String>) -> Error {
    Error::Shape { operator, reason: reason.into() }
}

/// Checks any tensor: no axis is empty, and it would fit in memory, even as float64.
pub(super) fn expect_values(operator: &'static str, what: &str, shape: &Shape) -> Result<()> {
    const MOST: usize = isize::MAX as usize / size_of::<f64>();
    match shape.elements() {
        0 => {
            Err(misfit(operator, format!("{what} of shape {shape} is empty: every axis must be at least 1")))
        }
        1..=MOST => Ok(()),
        _ => Err(misfit(operator, format!("{what} of shape {shape} is larger than any memory"))),
    }
}

/// Exactly `N` inputs, or an error with the number that was given.
pub(super) fn exactly<'a, T, const N: usize>(operator: &'static str, inputs: &[&'a T]) -> Result<[&'a T; N]> {
    inputs.try_into().map_err(|_| misfit(operator, format!("takes {N} inputs, was given {}", inputs.len())))
}

/// `N` inputs and an optional last one, such as a bias.
pub(super) fn with_optional<'a, T, const N: usize>(
    operator: &'static str,
    inputs: &[&'a T],
) -> Result<([&'a T; N], Option<&'a T>)> {
    match inputs.len() {
        n if n == N => Ok((exactly(operator, inputs)?, None)),
        n if n == N + 1 => Ok((exactly(operator, &inputs[..N])?, Some(inputs[N]))),
        n => Err(misfit(operator, format!("takes {N} or {} inputs, was given {n}", N + 1))),
    }
}

/// The four axes of an image, `[N, H, W, C]`.
pub(super) fn image_axes(operator: &'static str, shape: &Shape) -> Result<[usize; 4]> {
    shape[..]
        .try_into()
        .map_err(|_| misfit(operator, format!("wants an image [N, H, W, C], was given {shape}")))
}

/// Checks the shape of an input.
pub(super) fn expect_shape(
    operator: &'static str,
    what: &str,
    shape: &Shape,
    expected: &[usize],
) -> Result<()> {
    if shape[..] == *expected {
        return Ok(());
    }
    Err(misfit(operator, format!("{what} has shape {shape}, wanted {expected:?}")))
}

/// The gradient of the operator's only differentiable output.
pub(super) fn output_gradient<'a, T>(operator: &'static str, gradients: &'a [Option<T>]) -> Result<&'a T> {
    gradients.first().and_then(Option::as_ref).ok_or_else(|| misfit(operator, "its output has no gradient"))
}

/// Which of the first `N` inputs need a gradient; an input that was not given does not.
pub(super) fn needs<T, const N: usize>(context: &Context<'_, T>) -> [bool; N] {
    std::array::from_fn(|i| context.needs.get(i).copied().unwrap_or(false))
}
