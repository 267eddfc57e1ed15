//! Depthwise convolution on sharing grids.

use super::checks::{expect_gradient, output};
use super::tensors::wanted;
use super::{ReferenceBackend, Tensor};
use crate::backend::{DepthwiseOps, Gradients};
use crate::kernels;
use crate::operators::DepthwiseConv;
use crate::{Operator, Result};
use pelk_cpu::reference::{depthwise, elementwise};

impl DepthwiseOps for ReferenceBackend {
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &Tensor,
        theta: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        output(op.clone(), [x, theta].into_iter().chain(bias))?;
        let shape = kernels::image(op.name(), &x.shape)?;
        let y = depthwise::peripheral_forward(shape, &op.rows, &op.columns, &x.values, &theta.values);
        Ok(x.with(match bias {
            Some(bias) => elementwise::add_to_rows(&y, &bias.values),
            None => y,
        }))
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &Tensor,
        theta: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(op.clone(), [x, theta], gy)?;
        let shape = kernels::image(op.name(), &x.shape)?;
        let (gx, gtheta) = depthwise::peripheral_backward(
            shape,
            &op.rows,
            &op.columns,
            &x.values,
            &theta.values,
            &gy.values,
        );
        Ok(wanted(needs, [x.with(gx), theta.with(gtheta)]))
    }
}
