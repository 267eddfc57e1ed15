//! The position embedding as a bias.

use super::checks::{expect_gradient, output};
use super::tensors::wanted;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::{Gradients, PositionOps};
use crate::operators::PositionBias;
use pelk_cpu::reference::{depthwise, elementwise};

/// The size (H, W, C) of a position bias.
fn position_size(op: &PositionBias, theta: &Tensor) -> (usize, usize, usize) {
    (op.size[0], op.size[1], theta.shape[0])
}

impl PositionOps for ReferenceBackend {
    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &Tensor,
        h: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let shape = output(op.clone(), [theta, h].into_iter().chain(bias))?;
        let size = position_size(op, theta);
        let y = depthwise::position_forward(op.form, &op.grid, size, &theta.values, &h.values);
        Ok(Tensor::new(
            &shape,
            match bias {
                Some(bias) => elementwise::add_to_rows(&y, &bias.values),
                None => y,
            },
        ))
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &Tensor,
        h: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(op.clone(), [theta, h], gy)?;
        let size = position_size(op, theta);
        let (gtheta, gh) =
            depthwise::position_backward(op.form, &op.grid, size, &theta.values, &h.values, &gy.values);
        Ok(wanted(needs, [theta.with(gtheta), h.with(gh)]))
    }
}
