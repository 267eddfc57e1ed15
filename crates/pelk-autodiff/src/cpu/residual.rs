//! What joins a residual branch to its trunk.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::{Gradients, ResidualOps};
use pelk_cpu::elementwise;

impl ResidualOps for CpuBackend {
    fn add(&self, a: &CpuTensor, b: &CpuTensor) -> Result<CpuTensor> {
        self.make(a.shape.clone(), |y| elementwise::add(self.level, &a.values, &b.values, y))
    }

    fn scale_channels(&self, x: &CpuTensor, gamma: &CpuTensor) -> Result<CpuTensor> {
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        self.make(x.shape.clone(), |y| {
            elementwise::scale_channels(self.level, rows, c, &x.values, &gamma.values, y)
        })
    }

    fn scale_channels_backward(
        &self,
        x: &CpuTensor,
        gamma: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let (mut gx, mut ggamma) = (self.slot(needs[0], x), self.slot(needs[1], gamma));
        let (x, gamma, gy) = (&x.values, &gamma.values, &gy.values);
        elementwise::scale_channels_backward(self.level, rows, c, x, gamma, gy, gx.slice(), ggamma.slice())?;
        Ok([gx.done(), ggamma.done()])
    }

    fn scale_samples(&self, x: &CpuTensor, factors: &[f32]) -> Result<CpuTensor> {
        let samples = x.shape.first().copied().unwrap_or(1);
        self.make(x.shape.clone(), |y| elementwise::scale_samples(self.level, samples, &x.values, factors, y))
    }
}
