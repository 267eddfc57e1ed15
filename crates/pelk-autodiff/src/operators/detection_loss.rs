//! Losses of detectors. Targets belong to the operator: they are data, and no gradient flows to them.

use super::checks::{exactly, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::{BinaryCrossEntropy, BoxGiou, DetectionLoss, MaskCrossEntropy, SmoothL1};

/// The shape rule of all of them. Rows, classes and boxes that do not exist are refused here too, since they
/// depend on the shape.
fn output_shapes(loss: DetectionLoss<'_>, x: &Shape) -> Result<Vec<Shape>> {
    if let DetectionLoss::MaskCrossEntropy(op) = loss
        && (x.len() != 4 || x[0] != op.classes.len())
    {
        let reason = format!("logits {x} are not those of {} regions, [R, h, w, classes]", op.classes.len());
        return Err(misfit(loss.name(), reason));
    }
    loss.check([x.rows(), x.channels()])?;
    Ok(vec![Shape::from([1])])
}

macro_rules! detection_losses {
    ($($op:ident),+) => {$(
        impl Operator for $op {
            fn name(&self) -> &'static str {
                DetectionLoss::from(self).name()
            }
            fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                let [x] = exactly(self.name(), inputs)?;
                output_shapes(self.into(), x)
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                let [x] = exactly(self.name(), inputs)?;
                Ok(Forward::one(backend.detection_loss(self.into(), x)?, vec![x.clone()]))
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                let gy = output_gradient(self.name(), gradients)?;
                let [x] = context.saved else {
                    return Err(misfit(self.name(), "nothing was saved"));
                };
                Ok(vec![Some(backend.detection_loss_backward(self.into(), x, gy)?)])
            }
        }
    )+};
}

detection_losses!(BinaryCrossEntropy, SmoothL1, BoxGiou, MaskCrossEntropy);
