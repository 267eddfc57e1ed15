//! Names and shapes of the tensors in a checkpoint.

use crate::error::{Result, TrainError};
use ndarray::ArrayD;
use pelk_autodiff::{HostParameters, Shape};
use std::path::Path;

/// Prefix of the names of averaged weights.
pub(crate) const EMA: &str = "ema.";
/// Prefix of the names of the optimizer's tensors.
pub(crate) const OPTIMIZER: &str = "optimizer.";

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
