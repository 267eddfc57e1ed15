//! Steps of the optimizers.

use super::{GpuBackend, GpuTensor, expect_shape};
use crate::Result;
use crate::backend::OptimizerOps;
use pelk_ops::{AdamW, Sgd};

impl OptimizerOps for GpuBackend {
    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut GpuTensor,
        gradient: &GpuTensor,
        [first, second]: [&mut GpuTensor; 2],
    ) -> Result<()> {
        for tensor in [gradient, &*first, &*second] {
            expect_shape("adamw", tensor, &parameter.shape)?;
        }
        let moments = [self.own(first)?, self.own(second)?];
        Ok(self.gpu.adamw(hyper, self.own(parameter)?, &gradient.values, moments)?)
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut GpuTensor,
        gradient: &GpuTensor,
        velocity: &mut GpuTensor,
    ) -> Result<()> {
        for tensor in [gradient, &*velocity] {
            expect_shape("sgd", tensor, &parameter.shape)?;
        }
        let velocity = self.own(velocity)?;
        Ok(self.gpu.sgd(hyper, self.own(parameter)?, &gradient.values, velocity)?)
    }
}
