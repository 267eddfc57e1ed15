//! Depthwise convolution on sharing grids.

use super::{CpuBackend, CpuTensor};
use crate::backend::{DepthwiseOps, Gradients};
use crate::kernels;
use crate::{Operator, Result};
use pelk_cpu::depthwise;
use pelk_ops::{Bias, DepthwiseConv};

impl DepthwiseOps for CpuBackend {
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &CpuTensor,
        theta: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = Bias::of_rank(bias.map(|bias| (bias.shape.len(), &bias.values[..])));
        self.make(x.shape.clone(), |y| {
            depthwise::forward(self.level, op, shape, &x.values, &theta.values, bias, y)
        })
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &CpuTensor,
        theta: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let (mut gx, mut gtheta) = (self.slot(needs[0], x), self.slot(needs[1], theta));
        let (x, theta, gy) = (&x.values, &theta.values, &gy.values);
        let gradients = depthwise::Gradients { x: gx.slice(), theta: gtheta.slice() };
        depthwise::backward(self.level, op, shape, x, theta, gy, gradients)?;
        Ok([gx.done(), gtheta.done()])
    }
}
