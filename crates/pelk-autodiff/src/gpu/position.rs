//! The position embedding as a bias.

use super::tensors::{gradients, vector};
use super::{GpuBackend, GpuTensor};
use crate::backend::{Gradients, PositionOps};
use crate::{Result, Shape};
use pelk_ops::{PositionBias, PositionForm};

impl PositionOps for GpuBackend {
    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &GpuTensor,
        position: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let bias = bias.map(|bias| &*bias.values);
        let y = self.gpu.position_bias(&op.grid, op.form, op.size, &theta.values, &position.values, bias)?;
        let c = theta.shape[0];
        Ok(match op.form {
            PositionForm::InBounds => GpuTensor::new(&Shape::from([op.size[0], op.size[1], c]), y),
            PositionForm::Literal => GpuTensor::new(&vector(c), y),
        })
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &GpuTensor,
        position: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let (t, p, g) = (&theta.values, &position.values, &gy.values);
        let all = self.gpu.position_bias_backward(&op.grid, op.form, op.size, t, p, g, needs)?;
        Ok(gradients(all, [&theta.shape, &position.shape]))
    }
}
