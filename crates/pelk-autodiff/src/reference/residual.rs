//! What joins a residual branch to its trunk.

use super::checks::{expect_gradient, output};
use super::tensors::{wanted, widen};
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::{Gradients, ResidualOps};
use crate::operators::{Add, ScaleChannels, ScaleSamples};
use pelk_cpu::reference::elementwise;

impl ResidualOps for ReferenceBackend {
    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        output(Add, [a, b])?;
        Ok(a.with(elementwise::add_to_rows(&a.values, &b.values)))
    }

    fn scale_channels(&self, x: &Tensor, gamma: &Tensor) -> Result<Tensor> {
        output(ScaleChannels, [x, gamma])?;
        Ok(x.with(elementwise::scale_channels(&x.values, &gamma.values)))
    }

    fn scale_channels_backward(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(ScaleChannels, [x, gamma], gy)?;
        let (gx, ggamma) = elementwise::scale_channels_backward(&x.values, &gamma.values, &gy.values);
        Ok(wanted(needs, [x.with(gx), gamma.with(ggamma)]))
    }

    fn scale_samples(&self, x: &Tensor, factors: &[f32]) -> Result<Tensor> {
        output(ScaleSamples { factors: factors.into() }, [x])?;
        Ok(x.with(elementwise::scale_samples(x.shape[0], &x.values, &widen(factors))))
    }
}
