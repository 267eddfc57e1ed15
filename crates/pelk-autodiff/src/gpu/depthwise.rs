//! Depthwise convolution on sharing grids.

use super::tensors::{gradients, like};
use super::{GpuBackend, GpuTensor};
use crate::backend::{DepthwiseOps, Gradients};
use crate::kernels;
use crate::operators::DepthwiseConv;
use crate::{Operator, Result};
use pelk_wgpu::depthwise::{Bias, BoxConv};

fn box_conv(op: &DepthwiseConv) -> BoxConv {
    BoxConv::new(op.rows.clone(), op.columns.clone())
}

impl DepthwiseOps for GpuBackend {
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &GpuTensor,
        theta: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = match bias {
            None => Bias::None,
            Some(bias) if bias.shape.len() == 1 => Bias::Channel(&bias.values),
            Some(bias) => Bias::Map(&bias.values),
        };
        Ok(like(x, box_conv(op).forward(&self.gpu, shape, &x.values, &theta.values, bias)?))
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
        let all = box_conv(op).backward(&self.gpu, shape, &x.values, &theta.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &theta.shape]))
    }
}
