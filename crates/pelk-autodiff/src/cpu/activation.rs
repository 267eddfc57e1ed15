//! Activations.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::ActivationOps;
use pelk_cpu::activation;

impl ActivationOps for CpuBackend {
    fn gelu(&self, x: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |y| activation::gelu(self.level, &x.values, y))
    }

    fn gelu_backward(&self, x: &CpuTensor, gy: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |gx| activation::gelu_backward(self.level, &x.values, &gy.values, gx))
    }

    fn relu(&self, x: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |y| activation::relu(self.level, &x.values, y))
    }

    fn relu_backward(&self, y: &CpuTensor, gy: &CpuTensor) -> Result<CpuTensor> {
        self.make(y.shape.clone(), |gx| activation::relu_backward(self.level, &y.values, &gy.values, gx))
    }
}
