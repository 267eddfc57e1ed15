//! Depthwise convolution on sharing grids: peripheral, dense and stripe kernels are one operator.

use super::checks::{image_axes, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::DepthwiseConv;
use pelk_ops::resample::{Axis, every};

impl Operator for DepthwiseConv {
    fn name(&self) -> &'static str {
        if self.rows.is_dense() && self.columns.is_dense() { "depthwise_conv" } else { "peripheral_conv" }
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, theta], bias) = with_optional(self.name(), inputs)?;
        let [n, h, w, c] = image_axes(self.name(), x)?;
        let (k, l) = (self.rows.cells(), self.columns.cells());
        if self.stride == 0 {
            return Err(misfit(self.name(), "the stride is 0, and must be at least 1"));
        }
        if theta[..] != [c, k, l] && theta[..] != [c, 1, k, l] {
            return Err(misfit(
                self.name(),
                format!("theta has shape {theta}, wanted [{c}, {k}, {l}] for x {x}"),
            ));
        }
        match bias {
            Some(bias) if bias[..] != [c] && bias[..] != [h, w, c] => {
                Err(misfit(self.name(), format!("bias has shape {bias}, wanted [{c}] or [{h}, {w}, {c}]")))
            }
            _ => Ok(vec![Shape::from([n, h.div_ceil(self.stride), w.div_ceil(self.stride), c])]),
        }
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        let outputs = self.output_shapes(inputs).map_or(0, |shapes| shapes[0].elements());
        let count = |outputs: usize, k: usize, l: usize| (outputs * k * l) as u64;
        Cost {
            dense: count(outputs, self.rows.kernel(), self.columns.kernel()),
            executed: count(inputs[0].elements(), self.rows.cells(), self.columns.cells()),
        }
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, theta], bias) = with_optional(self.name(), inputs)?;
        let mut y = backend.depthwise_conv(&self.at_every_pixel(), x, theta, bias)?;
        if self.stride != 1 {
            let [rows, columns] = kept(self, backend.shape(x))?;
            y = backend.resample(&y, &rows, &columns)?;
        }
        Ok(Forward::one(y, vec![x.clone(), theta.clone()]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, theta] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        let [gx, gtheta, gbias] = needs(context);
        let mut gy = gy.clone();
        if self.stride != 1 {
            let [rows, columns] = kept(self, &context.shapes[0])?;
            gy = backend.resample(&gy, &rows.transposed(), &columns.transposed())?;
        }
        let op = &self.at_every_pixel();
        let [gx, gtheta] = backend.depthwise_conv_backward(op, x, theta, &gy, [gx, gtheta])?;
        let gbias = if gbias { Some(backend.sum_leading(&gy, &context.shapes[2])?) } else { None };
        Ok(vec![gx, gtheta, gbias])
    }
}

/// The rows and columns of pixels that the stride keeps of images of shape `x`.
fn kept(op: &DepthwiseConv, x: &Shape) -> Result<[Axis; 2]> {
    let [_, h, w, _] = image_axes(op.name(), x)?;
    Ok([every(h, op.stride), every(w, op.stride)])
}
