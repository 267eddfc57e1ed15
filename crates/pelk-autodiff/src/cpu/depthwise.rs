//! Depthwise convolution on sharing grids.

use super::{CpuBackend, CpuTensor};
use crate::backend::{DepthwiseOps, Gradients};
use crate::kernels;
use crate::operators::DepthwiseConv;
use crate::{Operator, Result};
use pelk_cpu::depthwise::{Bias, BoxConv};

fn box_conv(op: &DepthwiseConv) -> BoxConv {
    BoxConv::new(op.rows.clone(), op.columns.clone())
}

impl DepthwiseOps for CpuBackend {
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &CpuTensor,
        theta: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = match bias {
            None => Bias::None,
            Some(bias) if bias.shape.len() == 1 => Bias::Channel(&bias.values),
            Some(bias) => Bias::Map(&bias.values),
        };
        self.make(x.shape.clone(), |y| {
            box_conv(op).forward(self.level, shape, &x.values, &theta.values, bias, y)
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
        let (mut gx, mut gtheta) = (self.room(needs[0], x), self.room(needs[1], theta));
        let (x, theta, gy) = (&x.values, &theta.values, &gy.values);
        box_conv(op).backward(self.level, shape, x, theta, gy, gx.slice(), gtheta.slice())?;
        Ok([gx.done(), gtheta.done()])
    }
}
