//! Losses.

use super::{CpuBackend, CpuTensor};
use crate::backend::LossOps;
use crate::{Result, Shape};
use pelk_cpu::loss;
use pelk_ops::{CrossEntropy, SoftCrossEntropy};

impl LossOps for CpuBackend {
    fn cross_entropy(&self, op: &CrossEntropy, logits: &CpuTensor) -> Result<(CpuTensor, CpuTensor)> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let mut sums = self.pool.take(rows);
        let loss = loss::cross_entropy(self.level, classes, &logits.values, op, &mut sums)?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let classes = logits.shape.channels();
        let (sums, gy) = (&log_sum_exp.values, gy.values[0]);
        self.make(logits.shape.clone(), |g| {
            loss::cross_entropy_backward(self.level, classes, &logits.values, op, sums, gy, g)
        })
    }

    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
    ) -> Result<(CpuTensor, CpuTensor)> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let mut sums = self.pool.take(rows);
        let loss =
            loss::soft_cross_entropy(self.level, rows, classes, &logits.values, &op.targets, &mut sums)?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, gy.values[0]);
        self.make(logits.shape.clone(), |g| {
            loss::soft_cross_entropy_backward(self.level, rows, classes, values, &op.targets, sums, gy, g)
        })
    }
}
