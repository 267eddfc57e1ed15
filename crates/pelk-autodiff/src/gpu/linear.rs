//! Affine maps.

use super::tensors::{gradients, vector};
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::{Gradients, LinearOps};

/// Rows, inputs and outputs of a linear layer.
fn linear(x: &GpuTensor, weight: &GpuTensor) -> [usize; 3] {
    [x.shape.rows(), weight.shape.channels(), weight.shape.rows()]
}

impl LinearOps for GpuBackend {
    fn linear(&self, x: &GpuTensor, weight: &GpuTensor, bias: Option<&GpuTensor>) -> Result<GpuTensor> {
        let sizes = linear(x, weight);
        let bias = bias.map(|bias| &*bias.values);
        let y = self.gpu.linear(sizes, &x.values, &weight.values, bias)?;
        Ok(GpuTensor::new(&x.shape.with_channels(sizes[2]), y))
    }

    fn linear_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let sizes = linear(x, weight);
        let all = self.gpu.linear_backward(sizes, &x.values, &weight.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &vector(sizes[2])]))
    }
}
