//! Losses.

use super::{CpuBackend, CpuTensor};
use crate::backend::LossOps;
use crate::{Result, Shape};
use pelk_cpu::{Rows, RowsMut, detection_loss, loss};
use pelk_ops::{CrossEntropy, DetectionLoss, SoftCrossEntropy};

impl LossOps for CpuBackend {
    fn cross_entropy(&self, op: &CrossEntropy, logits: &CpuTensor) -> Result<(CpuTensor, CpuTensor)> {
        let rows = logits.shape.rows();
        let mut sums = self.pool.take(rows);
        let loss = loss::cross_entropy(self.level, logits.rows()?, op, &mut sums)?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (x, sums, gy) = (logits.rows()?, &log_sum_exp.values, gy.values[0]);
        self.make(logits.shape.clone(), |g| {
            loss::cross_entropy_backward(self.level, x, op, sums, gy, RowsMut::new(g, x.columns())?)
        })
    }

    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
    ) -> Result<(CpuTensor, CpuTensor)> {
        let rows = logits.shape.rows();
        let mut sums = self.pool.take(rows);
        let x = logits.rows()?;
        let targets = Rows::new(&op.targets, x.columns())?;
        let loss = loss::soft_cross_entropy(self.level, x, targets, &mut sums)?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (x, sums, gy) = (logits.rows()?, &log_sum_exp.values, gy.values[0]);
        let targets = Rows::new(&op.targets, x.columns())?;
        self.make(logits.shape.clone(), |g| {
            let g = RowsMut::new(g, x.columns())?;
            loss::soft_cross_entropy_backward(self.level, x, targets, sums, gy, g)
        })
    }

    fn detection_loss(&self, loss: DetectionLoss<'_>, x: &CpuTensor) -> Result<CpuTensor> {
        Ok(self.copy_of(Shape::from([1]), &[detection_loss::forward(x.rows()?, loss)?]))
    }

    fn detection_loss_backward(
        &self,
        loss: DetectionLoss<'_>,
        x: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (rows, gy) = (x.rows()?, gy.values[0]);
        self.make(x.shape.clone(), |gx| {
            detection_loss::backward(rows, loss, gy, RowsMut::new(gx, rows.columns())?)
        })
    }
}
