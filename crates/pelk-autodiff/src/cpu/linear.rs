//! Affine maps.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::{Gradients, LinearOps};
use pelk_cpu::linear::PackedWeight;
use pelk_cpu::{Affine, RowsMut, linear};

impl LinearOps for CpuBackend {
    fn linear(&self, x: &CpuTensor, weight: &CpuTensor, bias: Option<&CpuTensor>) -> Result<CpuTensor> {
        let outputs = weight.shape.rows();
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(x.shape.with_channels(outputs), |y| {
            let (x, y) = (x.rows()?, RowsMut::new(y, outputs)?);
            match weight.values.packed() {
                Some(packed) => linear::forward_packed(self.level, x, weight.rows()?, packed, bias, y),
                None => linear::forward(self.level, x, weight.rows()?, bias, y),
            }
        })
    }

    fn prepare_weight(&self, weight: &CpuTensor) -> Result<()> {
        let rows = weight.rows()?;
        weight.values.pack(|| PackedWeight::new(self.level, rows));
        Ok(())
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
        let gradients = Affine { weight: gw.slice(), bias: gb.slice() };
        let gx_rows = RowsMut::optional(gx.slice(), inputs)?;
        linear::backward(self.level, x.rows()?, weight.rows()?, gy.rows()?, gx_rows, gradients)?;
        Ok([gx.done(), gw.done(), gb.done()])
    }
}
