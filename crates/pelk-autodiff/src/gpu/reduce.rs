//! Sums of many values.

use super::{GpuBackend, GpuTensor};
use crate::backend::ReduceOps;
use crate::{Result, Shape};
use pelk_wgpu::Buffer;

impl ReduceOps for GpuBackend {
    fn sum_leading(&self, x: &GpuTensor, shape: &Shape) -> Result<GpuTensor> {
        Ok(GpuTensor::new(shape, self.gpu.column_sum(&x.values, shape.elements())?))
    }

    fn sum_of_squares(&self, tensors: &[&GpuTensor]) -> Result<f64> {
        let buffers: Vec<&Buffer> = tensors.iter().map(|tensor| &*tensor.values).collect();
        Ok(self.gpu.sum_of_squares(&buffers)?)
    }
}
