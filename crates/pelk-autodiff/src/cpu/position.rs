//! The position embedding as a bias.

use super::{CpuBackend, CpuTensor};
use crate::backend::{Gradients, PositionOps};
use crate::{Result, Shape};
use pelk_cpu::{elementwise, position};
use pelk_ops::{PositionBias, PositionForm};

impl PositionOps for CpuBackend {
    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &CpuTensor,
        position: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let (grid, [h, w], c) = (&op.grid, op.size, theta.shape[0]);
        let (theta, position) = (&theta.values, &position.values);
        let mut y = match op.form {
            PositionForm::InBounds => self.make(Shape::from([h, w, c]), |y| {
                position::in_bounds_forward(grid, [h, w, c], theta, position, y)
            }),
            PositionForm::Literal => {
                self.make(Shape::from([c]), |y| position::literal_forward(grid, c, theta, position, y))
            }
        }?;
        if let Some(bias) = bias {
            for row in y.values_mut().chunks_exact_mut(c) {
                elementwise::add_assign(self.level, row, &bias.values)?;
            }
        }
        Ok(y)
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &CpuTensor,
        position: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let (grid, [h, w], c) = (&op.grid, op.size, theta.shape[0]);
        // Both gradients come out of one walk over the same tables.
        let mut gtheta = self.pool.take(theta.values.len());
        let mut gposition = self.pool.take(position.values.len());
        let (t, p, g) = (&theta.values, &position.values, &gy.values);
        match op.form {
            PositionForm::InBounds => {
                position::in_bounds_backward(grid, [h, w, c], t, p, g, &mut gtheta, &mut gposition)?;
            }
            PositionForm::Literal => {
                position::literal_backward(grid, c, t, p, g, &mut gtheta, &mut gposition)?;
            }
        }
        let tensor =
            |needed: bool, like: &CpuTensor, values| needed.then(|| CpuTensor::new(&like.shape, values));
        Ok([tensor(needs[0], theta, gtheta), tensor(needs[1], position, gposition)])
    }
}
