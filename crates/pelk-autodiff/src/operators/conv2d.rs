//! Dense convolution with stride, for stems, downsampling and heads.

use super::checks::{expect_shape, image_axes, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::Conv2d;

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let [n, h, w, c] = image_axes(self.name(), x)?;
        let &[outputs, taken, kh, kw] = &weight[..] else {
            return Err(misfit(self.name(), format!("weight has shape {weight}, wanted [O, I, kh, kw]")));
        };
        if taken != c {
            return Err(misfit(
                self.name(),
                format!("x {x} has {c} channels, weight {weight} takes {taken}"),
            ));
        }
        if let Some(bias) = bias {
            expect_shape(self.name(), "bias", bias, &[outputs])?;
        }
        let size = |side: usize, kernel: usize| {
            let padded = self.padding.checked_mul(2)?.checked_add(side)?;
            Some(padded.checked_sub(kernel)?.checked_div(self.stride)? + 1)
        };
        match (size(h, kh), size(w, kw)) {
            (Some(h), Some(w)) => Ok(vec![Shape::from([n, h, w, outputs])]),
            _ => Err(misfit(
                self.name(),
                format!(
                    "a {kh} x {kw} kernel with stride {} does not fit on x {x} padded by {}",
                    self.stride, self.padding
                ),
            )),
        }
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        let outputs = self.output_shapes(inputs).map_or(0, |shapes| shapes[0].rows());
        Cost::plain(outputs * inputs[1].elements())
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, weight], bias) = with_optional(self.name(), inputs)?;
        let y = backend.conv2d(*self, x, weight, bias)?;
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
        Ok(backend.conv2d_backward(*self, x, weight, gy, needs(context))?.into())
    }
}
