//! Checks of the lengths of what the operator is given.

use super::{Gradients, Parameters};
use crate::shape::{ShapeError, checked_len, expect_len};
use pelk_ops::PixelMlpShape;

pub(super) fn check(
    shape: &PixelMlpShape,
    operator: &'static str,
    parameters: &Parameters<'_>,
    tensors: &[(&'static str, usize)],
) -> Result<(), ShapeError> {
    let (c, h) = (("channels", shape.channels), ("hidden channels", shape.hidden));
    let values = checked_len(operator, &[("rows", shape.rows), c])?;
    checked_len(operator, &[("rows", shape.rows), h])?;
    let weights = checked_len(operator, &[c, h])?;
    for (name, len) in tensors {
        expect_len(operator, name, *len, values)?;
    }
    let lens = [weights, shape.hidden, weights, shape.channels];
    let [weight, bias] = parameters.norm;
    expect_len(operator, "the norm's weight", weight.len(), shape.channels)?;
    expect_len(operator, "the norm's bias", bias.len(), shape.channels)?;
    let [expand, project] = [parameters.expand, parameters.project];
    expect_len(operator, "the first layer's weight", expand[0].len(), lens[0])?;
    expect_len(operator, "the first layer's bias", expand[1].len(), lens[1])?;
    expect_len(operator, "the second layer's weight", project[0].len(), lens[2])?;
    expect_len(operator, "the second layer's bias", project[1].len(), lens[3])?;
    expect_len(operator, "gamma", parameters.gamma.map(<[f32]>::len), shape.channels)?;
    match parameters.factors.map(<[f32]>::len) {
        Some(samples) if samples == 0 || !shape.rows.is_multiple_of(samples) => {
            let reason = format!("{} rows cannot be divided among {samples} samples", shape.rows);
            Err(ShapeError::Invalid { operator, reason })
        }
        _ => Ok(()),
    }
}

pub(super) fn check_hidden(
    shape: &PixelMlpShape,
    operator: &'static str,
    lens: Option<[usize; 2]>,
) -> Result<(), ShapeError> {
    for len in lens.into_iter().flatten() {
        expect_len(operator, "the hidden layer", len, shape.rows * shape.hidden)?;
    }
    Ok(())
}

pub(super) fn check_gradients(
    operator: &'static str,
    parameters: &Parameters<'_>,
    gradients: &Gradients<'_>,
) -> Result<(), ShapeError> {
    let pairs = [
        ("the norm's gradients", parameters.norm, &gradients.norm),
        ("the first layer's gradients", parameters.expand, &gradients.expand),
        ("the second layer's gradients", parameters.project, &gradients.project),
    ];
    for (name, parameters, gradients) in pairs {
        for (parameter, gradient) in parameters.iter().zip(gradients) {
            expect_len(operator, name, gradient.len(), parameter.len())?;
        }
    }
    match (parameters.gamma, gradients.gamma.as_deref()) {
        (Some(gamma), Some(gradient)) => {
            expect_len(operator, "gamma's gradient", gradient.len(), gamma.len())
        }
        (None, None) => Ok(()),
        _ => {
            let reason = "gamma and its gradient must be given together".to_owned();
            Err(ShapeError::Invalid { operator, reason })
        }
    }
}
