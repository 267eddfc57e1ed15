//! Affine maps.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::{Gradients, LinearOps};
use pelk_cpu::linear;

impl LinearOps for CpuBackend {
    fn linear(&self, x: &CpuTensor, weight: &CpuTensor, bias: Option<&CpuTensor>) -> Result<CpuTensor> {
        let (outputs, inputs) = (weight.shape.rows(), weight.shape.channels());
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(x.shape.with_channels(outputs), |y| {
            linear::forward(self.level, x.shape.rows(), inputs, outputs, &x.values, &weight.values, bias, y)
        })
    }

    fn linear_backward(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let (outputs, inputs) = (weight.shape.rows(), weight.shape.channels());
        let (mut gx, mut gw) = (self.slot(needs[0], x), self.slot(needs[1], weight));
        let mut gb = self.vector_slot(needs[2], outputs);
        linear::backward(
            self.level,
            x.shape.rows(),
            inputs,
            outputs,
            &x.values,
            &weight.values,
            &gy.values,
            gx.slice(),
            gw.slice(),
            gb.slice(),
        )?;
        Ok([gx.done(), gw.done(), gb.done()])
    }
}
