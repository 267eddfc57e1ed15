//! Activations.

use super::checks::expect_shape;
use super::tensors::map;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::ActivationOps;
use pelk_cpu::reference::activation;

/// `gy` times the slope of an activation.
fn through(x: &Tensor, gy: &Tensor, slope: impl Fn(f64) -> f64) -> Result<Tensor> {
    expect_shape("an activation", gy, &x.shape)?;
    Ok(x.with(x.values.iter().zip(gy.values.iter()).map(|(x, gy)| gy * slope(*x)).collect()))
}

impl ActivationOps for ReferenceBackend {
    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(map(x, activation::gelu))
    }

    fn gelu_backward(&self, x: &Tensor, gy: &Tensor) -> Result<Tensor> {
        through(x, gy, activation::gelu_slope)
    }

    fn relu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(map(x, activation::relu))
    }

    fn relu_backward(&self, y: &Tensor, gy: &Tensor) -> Result<Tensor> {
        through(y, gy, activation::relu_slope)
    }
}
