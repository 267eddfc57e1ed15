//! Losses. Targets belong to the operator: they are data, and no gradient flows to them.

use super::checks::{exactly, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::{CrossEntropy, SoftCrossEntropy};

/// A loss of logits `[.., K]`: one number, whose gradient needs the logits and the log-sum-exp of each row.
macro_rules! loss {
    ($op:ident, $name:literal, $forward:ident, $backward:ident, |$self:ident, $logits:ident| $expected:expr,
     $what:literal) => {
        impl Operator for $op {
            fn name(&self) -> &'static str {
                $name
            }
            fn output_shapes(&$self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                let [$logits] = exactly($self.name(), inputs)?;
                let (needed, targets) = $expected;
                if needed != targets {
                    let reason = format!(concat!("logits {} do not fit {} ", $what), $logits, targets);
                    return Err(misfit($self.name(), reason));
                }
                Ok(vec![Shape::from([1])])
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                let [logits] = exactly(self.name(), inputs)?;
                let (loss, log_sum_exp) = backend.$forward(self, logits)?;
                Ok(Forward::one(loss, vec![logits.clone(), log_sum_exp]))
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                let gy = output_gradient(self.name(), gradients)?;
                let [logits, log_sum_exp] = context.saved else {
                    return Err(misfit(self.name(), "nothing was saved"));
                };
                Ok(vec![Some(backend.$backward(self, logits, log_sum_exp, gy)?)])
            }
        }
    };
}

loss!(
    CrossEntropy,
    "cross_entropy",
    cross_entropy,
    cross_entropy_backward,
    |self, logits| (logits.rows(), self.labels.len()),
    "labels"
);
loss!(
    SoftCrossEntropy,
    "soft_cross_entropy",
    soft_cross_entropy,
    soft_cross_entropy_backward,
    |self, logits| (logits.elements(), self.targets.len()),
    "targets"
);
