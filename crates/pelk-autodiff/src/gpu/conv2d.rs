//! Dense convolution.

use super::tensors::{gradients, vector};
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::{Conv2dOps, Gradients};
use crate::kernels;
use pelk_ops::{Conv2d, ConvTranspose2d};

impl Conv2dOps for GpuBackend {
    fn conv2d(
        &self,
        op: Conv2d,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let output = shape.output()?;
        let y = self.gpu.conv2d(&shape, &x.values, &weight.values, bias.map(|bias| &*bias.values))?;
        Ok(GpuTensor::new(&kernels::image_shape(output), y))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &GpuTensor,
        weight: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let all = self.gpu.conv2d_backward(&shape, &x.values, &weight.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &vector(shape.out_channels)]))
    }

    fn conv_transpose2d(
        &self,
        op: ConvTranspose2d,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::conv_transpose2d(op, &x.shape, &weight.shape)?;
        let bias = bias.map(|bias| &*bias.values);
        let y = self.gpu.conv2d_transposed(&shape, &x.values, &weight.values, bias)?;
        Ok(GpuTensor::new(&kernels::image_shape(shape.image), y))
    }
}
