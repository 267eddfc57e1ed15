//! Names and shapes of the tensors in a checkpoint.

use crate::error::{Result, TrainError};
use ndarray::ArrayD;
use pelk_autodiff::{HostParameters, Shape};
use std::path::Path;

/// Prefix of the names of averaged weights.
pub(crate) const EMA: &str = "ema.";
/// Prefix of the names of the optimizer's tensors.
pub(crate) const OPTIMIZER: &str = "optimizer.";

/// The problem with the values of a tensor, if one is not finite, or is negative where it stands for a mean of
/// squares: the variance of a BatchNorm and AdamW's second moment.
pub(crate) fn bad_value(name: &str, values: &ArrayD<f32>) -> Option<String> {
    let squares = name.ends_with("running_var") || name.starts_with(&format!("{OPTIMIZER}second."));
    let bad = |value: &f32| !value.is_finite() || (squares && *value < 0.0);
    let (index, value) = values.iter().enumerate().find(|(_, value)| bad(value))?;
    let (position, count) = (index + 1, values.len());
    let reason = if value.is_finite() { ", which cannot be negative" } else { "" };
    Some(format!("value {position} of {count} of {name:?} is {value}{reason}"))
}

/// Removes the tensor called `name` from the tensors of the checkpoint at `path` and returns it.
///
/// # Errors
/// When it is missing or does not have this shape.
pub(crate) fn take(
    tensors: &mut HostParameters,
    name: &str,
    shape: &Shape,
    path: &Path,
) -> Result<ArrayD<f32>> {
    let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
    let array = tensors
        .remove(name)
        .ok_or_else(|| refuse(format!("it has no {name:?}, so training cannot resume from it")))?;
    if array.shape() == &shape[..] {
        return Ok(array);
    }
    Err(refuse(format!("{name:?} has shape {:?}, expected {shape}", array.shape())))
}
