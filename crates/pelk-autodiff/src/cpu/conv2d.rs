//! Dense convolution.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::{Conv2dOps, Gradients};
use crate::kernels;
use pelk_cpu::{Affine, conv2d};
use pelk_ops::{Conv2d, ConvTranspose2d};

impl Conv2dOps for CpuBackend {
    fn conv2d(
        &self,
        op: Conv2d,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let output = kernels::image_shape(shape.output()?);
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(output, |y| conv2d::forward(self.level, &shape, &x.values, &weight.values, bias, y))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &CpuTensor,
        weight: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let (mut gx, mut gw) = (self.slot(needs[0], x), self.slot(needs[1], weight));
        let mut gb = self.vector_slot(needs[2], shape.out_channels);
        let (x, w, gy) = (&x.values, &weight.values, &gy.values);
        let gradients = Affine { weight: gw.slice(), bias: gb.slice() };
        conv2d::backward(self.level, &shape, x, w, gy, gx.slice(), gradients)?;
        Ok([gx.done(), gw.done(), gb.done()])
    }

    fn conv_transpose2d(
        &self,
        op: ConvTranspose2d,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::conv_transpose2d(op, &x.shape, &weight.shape)?;
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(kernels::image_shape(shape.image), |y| {
            conv2d::transposed(self.level, &shape, &x.values, &weight.values, bias, y)
        })
    }
}
