//! Dense convolution.

use super::checks::{expect_gradient, output};
use super::tensors::layer;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::{Conv2dOps, Gradients};
use crate::kernels;
use crate::operators::{Conv2d, ConvTranspose2d};
use pelk_cpu::reference::conv2d;

impl Conv2dOps for ReferenceBackend {
    fn conv2d(&self, op: Conv2d, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let output = output(op, [x, weight].into_iter().chain(bias))?;
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let bias = bias.map(|bias| &bias.values[..]);
        Ok(Tensor::new(&output, conv2d::forward(&shape, &x.values, &weight.values, bias)))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &Tensor,
        weight: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        expect_gradient(op, [x, weight], gy)?;
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        Ok(layer(conv2d::backward(&shape, &x.values, &weight.values, &gy.values), x, weight, needs))
    }

    fn conv_transpose2d(
        &self,
        op: ConvTranspose2d,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let output = output(op, [x, weight].into_iter().chain(bias))?;
        let shape = kernels::conv_transpose2d(op, &x.shape, &weight.shape)?;
        let bias = bias.map(|bias| &bias.values[..]);
        Ok(Tensor::new(&output, conv2d::transposed(&shape, &x.values, &weight.values, bias)))
    }
}
