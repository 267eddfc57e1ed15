//! Sums of many values.

use super::{CpuBackend, CpuTensor};
use crate::backend::ReduceOps;
use crate::{Result, Shape};
use pelk_cpu::{Rows, elementwise};

impl ReduceOps for CpuBackend {
    fn sum_leading(&self, x: &CpuTensor, shape: &Shape) -> Result<CpuTensor> {
        let columns = shape.elements().max(1);
        self.make(shape.clone(), |sums| {
            elementwise::column_sum(self.level, Rows::new(&x.values, columns)?, sums)
        })
    }

    fn sum_of_squares(&self, tensors: &[&CpuTensor]) -> Result<f64> {
        Ok(tensors.iter().map(|tensor| elementwise::sum_of_squares(self.level, &tensor.values)).sum())
    }
}
