//! Losses.

use super::checks::{expect_gradient, expect_shape, output};
use super::tensors::widen;
use super::{ReferenceBackend, Tensor};
use crate::backend::LossOps;
use crate::operators::{CrossEntropy, SoftCrossEntropy};
use crate::{Result, Shape};
use pelk_cpu::reference::{detection_loss, loss};
use pelk_ops::DetectionLoss;

/// A loss, and the log-sum-exp of each row of logits.
fn loss_of(value: f64, logits: &Tensor) -> (Tensor, Tensor) {
    let sums: Vec<f64> = logits.values.chunks_exact(logits.shape.channels()).map(loss::log_sum_exp).collect();
    (Tensor::new(&Shape::from([1]), vec![value]), Tensor::new(&Shape::from([sums.len()]), sums))
}

impl LossOps for ReferenceBackend {
    fn cross_entropy(&self, op: &CrossEntropy, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        output(op.clone(), [logits])?;
        let classes = logits.shape.channels();
        op.total_weight(classes)?;
        Ok(loss_of(loss::cross_entropy(classes, &logits.values, op), logits))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &Tensor,
        _log_sum_exp: &Tensor,
        gy: &Tensor,
    ) -> Result<Tensor> {
        expect_gradient(op.clone(), [logits], gy)?;
        let classes = logits.shape.channels();
        op.total_weight(classes)?;
        let g = loss::cross_entropy_backward(classes, &logits.values, op, gy.values[0]);
        Ok(logits.with(g))
    }

    fn soft_cross_entropy(&self, op: &SoftCrossEntropy, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        output(op.clone(), [logits])?;
        let classes = logits.shape.channels();
        Ok(loss_of(loss::soft_cross_entropy(classes, &logits.values, &widen(&op.targets)), logits))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &Tensor,
        _log_sum_exp: &Tensor,
        gy: &Tensor,
    ) -> Result<Tensor> {
        expect_gradient(op.clone(), [logits], gy)?;
        let (classes, targets) = (logits.shape.channels(), widen(&op.targets));
        let g = loss::soft_cross_entropy_backward(classes, &logits.values, &targets, gy.values[0]);
        Ok(logits.with(g))
    }

    fn detection_loss(&self, loss: DetectionLoss<'_>, x: &Tensor) -> Result<Tensor> {
        let [rows, columns] = [x.shape.rows(), x.shape.channels()];
        loss.check([rows, columns])?;
        let value = detection_loss::forward(columns, &x.values, loss);
        Ok(Tensor::new(&Shape::from([1]), vec![value]))
    }

    fn detection_loss_backward(&self, loss: DetectionLoss<'_>, x: &Tensor, gy: &Tensor) -> Result<Tensor> {
        let [rows, columns] = [x.shape.rows(), x.shape.channels()];
        loss.check([rows, columns])?;
        expect_shape(loss.name(), gy, &Shape::from([1]))?;
        Ok(x.with(detection_loss::backward(columns, &x.values, loss, gy.values[0])))
    }
}
