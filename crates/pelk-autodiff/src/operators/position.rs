//! The kernel-wise position embedding (Eq. 3 of the paper) as a bias of the convolution.
//!
//! `Y(p) = sum_t w(t) (X(p + t) + h(t))` splits into the plain convolution and a term that does not depend on
//! the image. Which term depends on what happens at the border, where the paper is silent.

use super::checks::{expect_shape, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::{PositionBias, PositionForm};

impl Operator for PositionBias {
    fn name(&self) -> &'static str {
        "position_bias"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([theta, position], bias) = with_optional(self.name(), inputs)?;
        let (cells, k) = (self.grid.cells(), self.grid.kernel());
        let channels = theta.first().copied().unwrap_or(0);
        expect_shape(self.name(), "theta", theta, &[channels, cells, cells])?;
        expect_shape(self.name(), "the position embedding", position, &[1, k, k])?;
        if let Some(bias) = bias {
            expect_shape(self.name(), "bias", bias, &[channels])?;
        }
        Ok(vec![match self.form {
            PositionForm::InBounds => Shape::from([self.size[0], self.size[1], channels]),
            PositionForm::Literal => Shape::from([channels]),
        }])
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        // One product per tap and channel. The sums over rectangles are additions only.
        let channels = inputs[0].first().copied().unwrap_or(0);
        Cost::plain(channels * self.grid.kernel() * self.grid.kernel())
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([theta, position], bias) = with_optional(self.name(), inputs)?;
        let y = backend.position_bias(self, theta, position, bias)?;
        Ok(Forward::one(y, vec![theta.clone(), position.clone()]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [theta, position] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        let [gtheta, gposition, gbias] = needs(context);
        let [gtheta, gposition] =
            backend.position_bias_backward(self, theta, position, gy, [gtheta, gposition])?;
        let gbias = if gbias { Some(backend.sum_leading(gy, &context.shapes[2])?) } else { None };
        Ok(vec![gtheta, gposition, gbias])
    }
}
