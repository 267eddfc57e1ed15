//! Losses.

use super::tensors::{like, vector};
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::LossOps;
use pelk_ops::{CrossEntropy, DetectionLoss, SoftCrossEntropy};
use pelk_wgpu::Buffer;

/// A loss and the log-sum-exps of its rows.
fn loss([loss, sums]: [Buffer; 2]) -> (GpuTensor, GpuTensor) {
    let rows = vector(sums.len());
    (GpuTensor::new(&vector(1), loss), GpuTensor::new(&rows, sums))
}

impl LossOps for GpuBackend {
    fn cross_entropy(&self, op: &CrossEntropy, logits: &GpuTensor) -> Result<(GpuTensor, GpuTensor)> {
        Ok(loss(self.gpu.cross_entropy(&logits.values, op)?))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &GpuTensor,
        log_sum_exp: &GpuTensor,
        gy: &GpuTensor,
    ) -> Result<GpuTensor> {
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, &gy.values);
        Ok(like(logits, self.gpu.cross_entropy_backward(values, op, sums, gy)?))
    }

    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &GpuTensor,
    ) -> Result<(GpuTensor, GpuTensor)> {
        Ok(loss(self.gpu.soft_cross_entropy(&logits.values, &op.targets, logits.shape.channels())?))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &GpuTensor,
        log_sum_exp: &GpuTensor,
        gy: &GpuTensor,
    ) -> Result<GpuTensor> {
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, &gy.values);
        Ok(like(logits, self.gpu.soft_cross_entropy_backward(values, &op.targets, sums, gy)?))
    }

    fn detection_loss(&self, loss: DetectionLoss<'_>, x: &GpuTensor) -> Result<GpuTensor> {
        let columns = x.shape.channels();
        Ok(GpuTensor::new(&vector(1), self.gpu.detection_loss(&x.values, columns, loss)?))
    }

    fn detection_loss_backward(
        &self,
        loss: DetectionLoss<'_>,
        x: &GpuTensor,
        gy: &GpuTensor,
    ) -> Result<GpuTensor> {
        let columns = x.shape.channels();
        Ok(like(x, self.gpu.detection_loss_backward(&x.values, columns, loss, &gy.values)?))
    }
}
