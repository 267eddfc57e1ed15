//! `y = x W^T + b`.

use super::checks::{expect_shape, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};

/// Affine map of the last axis. Inputs: x `[.., I]`, weight `[O, I]`, optionally bias `[O]`. Output:
/// `[.., O]`.
#[derive(Debug, Clone, Copy)]
pub struct Linear;

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let &[outputs, taken] = &weight[..] else {
            return Err(misfit(self.name(), format!("weight has shape {weight}, wanted [O, I]")));
        };
        if x.is_empty() || x.channels() != taken {
            return Err(misfit(
                self.name(),
                format!("x {x} does not end in the {taken} inputs of weight {weight}"),
            ));
        }
        if let Some(bias) = bias {
            expect_shape(self.name(), "bias", bias, &[outputs])?;
        }
        Ok(vec![x.with_channels(outputs)])
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        Cost::plain(inputs[0].rows() * inputs[1].elements())
    }

    fn weights(&self) -> &'static [usize] {
        &[1]
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let y = backend.linear(x, weight, bias)?;
        Ok(Forward::one(y, vec![x.clone(), weight.clone()]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, weight] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        Ok(backend.linear_backward(x, weight, gy, needs(context))?.into())
    }
}
