//! Affine maps.

use super::checks::{expect_gradient, output};
use super::tensors::layer;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::{Gradients, LinearOps};
use crate::operators::Linear;
use pelk_cpu::reference::linear;

impl LinearOps for ReferenceBackend {
    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let shape = output(Linear, [x, weight].into_iter().chain(bias))?;
        let (rows, inputs, outputs) = (x.shape.rows(), x.shape.channels(), shape.channels());
        let bias = bias.map(|bias| &bias.values[..]);
        Ok(Tensor::new(&shape, linear::forward(rows, inputs, outputs, &x.values, &weight.values, bias)))
    }

    fn linear_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        expect_gradient(Linear, [x, weight], gy)?;
        let (rows, inputs, outputs) = (x.shape.rows(), x.shape.channels(), gy.shape.channels());
        let g = linear::backward(rows, inputs, outputs, &x.values, &weight.values, &gy.values);
        Ok(layer(g, x, weight, needs))
    }
}
