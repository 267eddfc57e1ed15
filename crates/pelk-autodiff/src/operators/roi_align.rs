//! Features of regions. Regions belong to the operator: they are data, and no gradient flows to them.

use super::checks::{image_axes, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::{ImageShape, RoiAlign};

impl Operator for RoiAlign {
    fn name(&self) -> &'static str {
        "roi_align"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let map =
            |shape: &&Shape| image_axes(self.name(), shape).map(|[n, h, w, c]| ImageShape { n, h, w, c });
        let ImageShape { n, h, w, c } = self.output(&inputs.iter().map(map).collect::<Result<Vec<_>>>()?)?;
        Ok(vec![Shape::from([n, h, w, c])])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        Ok(Forward::one(backend.roi_align(self, inputs)?, vec![]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        backend.roi_align_backward(self, context.shapes, gy, context.needs)
    }
}
