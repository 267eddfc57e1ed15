//! Losses.

use super::storage::{Storage, T};
use crate::Result;
use pelk_ops::{CrossEntropy, DetectionLoss, SoftCrossEntropy};

/// Losses.
pub trait LossOps: Storage {
    /// See [`CrossEntropy`]: the loss `[1]`, and the log-sum-exp of each row, which its gradient needs.
    fn cross_entropy(&self, op: &CrossEntropy, logits: &T<Self>) -> Result<(T<Self>, T<Self>)>;

    /// Gradient of the logits.
    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &T<Self>,
        log_sum_exp: &T<Self>,
        gy: &T<Self>,
    ) -> Result<T<Self>>;

    /// See [`SoftCrossEntropy`]: the loss `[1]`, and the log-sum-exp of each row, which its gradient needs.
    fn soft_cross_entropy(&self, op: &SoftCrossEntropy, logits: &T<Self>) -> Result<(T<Self>, T<Self>)>;

    /// Gradient of the logits.
    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &T<Self>,
        log_sum_exp: &T<Self>,
        gy: &T<Self>,
    ) -> Result<T<Self>>;

    /// See [`DetectionLoss`]: the loss `[1]`.
    fn detection_loss(&self, loss: DetectionLoss<'_>, x: &T<Self>) -> Result<T<Self>>;

    /// Gradient of x.
    fn detection_loss_backward(&self, loss: DetectionLoss<'_>, x: &T<Self>, gy: &T<Self>) -> Result<T<Self>>;
}
