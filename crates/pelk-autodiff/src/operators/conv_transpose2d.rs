//! Transposed convolution, for heads that enlarge their maps.

use super::checks::{expect_shape, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::kernels;
use crate::{Backend, Result, Shape};
use pelk_ops::ConvTranspose2d;

impl Operator for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let output = kernels::conv_transpose2d(*self, x, weight)?.image;
        if let Some(bias) = bias {
            expect_shape(self.name(), "bias", bias, &[output.c])?;
        }
        Ok(vec![kernels::image_shape(output)])
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        Cost::plain(inputs[0].rows() * inputs[1].elements())
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let y = backend.conv_transpose2d(*self, x, weight, bias)?;
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
        let ([gx, gweight, gbias], back) = (needs(context), self.transposed());
        let gx = if gx { Some(backend.conv2d(back, gy, weight, None)?) } else { None };
        let [_, gweight, _] = match gweight {
            true => backend.conv2d_backward(back, gy, weight, x, [false, true, false])?,
            false => [None, None, None],
        };
        let gbias = if gbias { Some(backend.sum_leading(gy, &context.shapes[2])?) } else { None };
        Ok(vec![gx, gweight, gbias])
    }
}
