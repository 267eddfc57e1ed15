//! What joins a residual branch to its trunk.

use super::tensors::{gradients, like};
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::{Gradients, ResidualOps};

impl ResidualOps for GpuBackend {
    fn add(&self, a: &GpuTensor, b: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(a, self.gpu.add(&a.values, &b.values)?))
    }

    fn scale_channels(&self, x: &GpuTensor, gamma: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.scale_channels(&x.values, &gamma.values)?))
    }

    fn scale_channels_backward(
        &self,
        x: &GpuTensor,
        gamma: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let (x_values, g, gy) = (&x.values, &gamma.values, &gy.values);
        let gx = needs[0].then(|| self.gpu.scale_channels(gy, g)).transpose()?;
        let ggamma =
            needs[1].then(|| self.gpu.scale_channels_backward_gamma(x_values, gy, g.len())).transpose()?;
        Ok(gradients([gx, ggamma], [&x.shape, &gamma.shape]))
    }

    fn scale_samples(&self, x: &GpuTensor, factors: &[f32]) -> Result<GpuTensor> {
        let samples = x.shape.first().copied().unwrap_or(1);
        Ok(like(x, self.gpu.scale_samples(samples, &x.values, factors)?))
    }
}
