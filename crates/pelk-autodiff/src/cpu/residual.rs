//! What joins a residual branch to its trunk.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::{Gradients, ResidualOps};
use pelk_cpu::{Rows, RowsMut, elementwise};

impl ResidualOps for CpuBackend {
    fn add(&self, a: &CpuTensor, b: &CpuTensor) -> Result<CpuTensor> {
        self.make(a.shape.clone(), |y| elementwise::add(self.level, &a.values, &b.values, y))
    }

    fn scale_channels(&self, x: &CpuTensor, gamma: &CpuTensor) -> Result<CpuTensor> {
        let rows = x.rows()?;
        self.make(x.shape.clone(), |y| {
            elementwise::scale_channels(self.level, rows, &gamma.values, RowsMut::new(y, rows.columns())?)
        })
    }

    fn scale_channels_backward(
        &self,
        x: &CpuTensor,
        gamma: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let (mut gx, mut ggamma) = (self.slot(needs[0], x), self.slot(needs[1], gamma));
        let gx_rows = RowsMut::optional(gx.slice(), x.shape.channels())?;
        let (x, gamma, gy) = (x.rows()?, &gamma.values, gy.rows()?);
        elementwise::scale_channels_backward(self.level, x, gamma, gy, gx_rows, ggamma.slice())?;
        Ok([gx.done(), ggamma.done()])
    }

    fn scale_samples(&self, x: &CpuTensor, factors: &[f32]) -> Result<CpuTensor> {
        let size = x.shape.get(1..).map_or(1, |sizes| sizes.iter().product());
        let samples = Rows::new(&x.values, size)?;
        self.make(x.shape.clone(), |y| {
            elementwise::scale_samples(self.level, samples, factors, RowsMut::new(y, size)?)
        })
    }
}
