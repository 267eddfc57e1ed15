//! Steps of the optimizers.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::OptimizerOps;
use pelk_cpu::optimizer::{adamw_step, sgd_step};
use pelk_ops::{AdamW, Sgd};

impl OptimizerOps for CpuBackend {
    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut CpuTensor,
        gradient: &CpuTensor,
        [first, second]: [&mut CpuTensor; 2],
    ) -> Result<()> {
        let (first, second) = (first.values_mut(), second.values_mut());
        Ok(adamw_step(self.level, hyper, parameter.values_mut(), &gradient.values, first, second)?)
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut CpuTensor,
        gradient: &CpuTensor,
        velocity: &mut CpuTensor,
    ) -> Result<()> {
        let velocity = velocity.values_mut();
        Ok(sgd_step(self.level, hyper, parameter.values_mut(), &gradient.values, velocity)?)
    }
}
