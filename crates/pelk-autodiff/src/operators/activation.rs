//! Activations.

use super::checks::{exactly, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};

/// `x Phi(x)` with the exact normal distribution function. Input and output: any shape.
#[derive(Debug, Clone, Copy)]
pub struct Gelu;

/// `max(x, 0)`. Input and output: any shape.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

macro_rules! activation {
    ($op:ident, $name:literal, $forward:ident, $backward:ident, |$x:ident, $y:ident| $kept:ident) => {
        impl Operator for $op {
            fn name(&self) -> &'static str {
                $name
            }
            fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                let [x] = exactly(self.name(), inputs)?;
                Ok(vec![x.clone()])
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                let [$x] = exactly(self.name(), inputs)?;
                let $y = &backend.$forward($x)?;
                Ok(Forward::one($y.clone(), vec![$kept.clone()]))
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                let gy = output_gradient(self.name(), gradients)?;
                let [kept] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
                Ok(vec![Some(backend.$backward(kept, gy)?)])
            }
        }
    };
}

activation!(Gelu, "gelu", gelu, gelu_backward, |x, y| x);
// An output is positive where its input is, and the next operator keeps the output anyway, so the input is
// not kept.
activation!(Relu, "relu", relu, relu_backward, |x, y| y);
