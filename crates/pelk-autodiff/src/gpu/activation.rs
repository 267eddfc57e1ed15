//! Activations.

use super::tensors::like;
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::ActivationOps;

impl ActivationOps for GpuBackend {
    fn gelu(&self, x: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.gelu(&x.values)?))
    }

    fn gelu_backward(&self, x: &GpuTensor, gy: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.gelu_backward(&x.values, &gy.values)?))
    }

    fn relu(&self, x: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.relu(&x.values)?))
    }

    fn relu_backward(&self, y: &GpuTensor, gy: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(y, self.gpu.relu_backward(&y.values, &gy.values)?))
    }
}
