//! Depthwise convolution on sharing grids.

use super::tensors::{gradients, like};
use super::{GpuBackend, GpuTensor};
use crate::backend::{DepthwiseOps, Gradients};
use crate::kernels;
use crate::{Operator, Result};
use pelk_ops::{Bias, DepthwiseConv};

impl DepthwiseOps for GpuBackend {
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &GpuTensor,
        theta: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = Bias::of_rank(bias.map(|bias| (bias.shape.len(), &*bias.values)));
        Ok(like(x, self.gpu.depthwise_conv(op, shape, &x.values, &theta.values, bias)?))
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &GpuTensor,
        theta: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let all = self.gpu.depthwise_conv_backward(op, shape, &x.values, &theta.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &theta.shape]))
    }
}
