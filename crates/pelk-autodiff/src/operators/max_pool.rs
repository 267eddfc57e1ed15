//! Max pooling.

use super::checks::{exactly, image_axes, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::kernels;
use crate::{Backend, Result, Shape};
use pelk_ops::MaxPool;

impl Operator for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x] = exactly(self.name(), inputs)?;
        Ok(vec![kernels::image_shape(self.output(kernels::image(self.name(), x)?)?)])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x] = exactly(self.name(), inputs)?;
        let [y, places] = backend.max_pool(*self, x)?;
        Ok(Forward::one(y, vec![places]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [places] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        let [_, h, w, _] = image_axes(self.name(), &context.shapes[0])?;
        Ok(vec![Some(backend.max_pool_backward(*self, places, gy, [h, w])?)])
    }
}
