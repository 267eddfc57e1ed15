//! Sums of many values.

use super::{ReferenceBackend, Tensor};
use crate::backend::ReduceOps;
use crate::{Error, Result, Shape};
use pelk_cpu::reference::elementwise;

impl ReduceOps for ReferenceBackend {
    fn sum_leading(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        if shape.elements() == 0 || !x.shape.ends_with(shape) {
            let reason = format!("a tensor of shape {} cannot be summed to {shape}", x.shape);
            return Err(Error::Shape { operator: "sum_leading", reason });
        }
        Ok(Tensor::new(shape, elementwise::column_sum(shape.elements(), &x.values)))
    }

    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64> {
        Ok(tensors.iter().flat_map(|tensor| tensor.values.iter()).map(|x| x * x).sum())
    }
}
