//! Steps of the optimizers.

use super::checks::expect_shape;
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::OptimizerOps;
use pelk_cpu::reference::optimizer;
use pelk_ops::{AdamW, Sgd};

impl OptimizerOps for ReferenceBackend {
    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut Tensor,
        gradient: &Tensor,
        [first, second]: [&mut Tensor; 2],
    ) -> Result<()> {
        hyper.check()?;
        for tensor in [gradient, &*first, &*second] {
            expect_shape("adamw", tensor, &parameter.shape)?;
        }
        let (first, second) = (first.values_mut(), second.values_mut());
        optimizer::adamw_step(hyper, parameter.values_mut(), &gradient.values, first, second);
        Ok(())
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut Tensor,
        gradient: &Tensor,
        velocity: &mut Tensor,
    ) -> Result<()> {
        hyper.check()?;
        for tensor in [gradient, &*velocity] {
            expect_shape("sgd", tensor, &parameter.shape)?;
        }
        optimizer::sgd_step(hyper, parameter.values_mut(), &gradient.values, velocity.values_mut());
        Ok(())
    }
}
