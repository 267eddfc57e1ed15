//! Normalizations.

use super::storage::{Gradients, Storage, T};
use crate::Result;
use pelk_ops::{BatchNormalized, Normalized};

/// Normalizations.
pub trait NormalizationOps: Storage {
    /// See [`LayerNorm`](crate::operators::LayerNorm).
    fn layer_norm(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        bias: &T<Self>,
        eps: f32,
    ) -> Result<Normalized<T<Self>>>;

    /// Gradients of x, weight, bias.
    fn layer_norm_backward(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        mean: &T<Self>,
        inv_std: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 3],
    ) -> Result<Gradients<T<Self>, 3>>;

    /// See [`BatchNorm`](crate::operators::BatchNorm), with the batch's statistics.
    fn batch_norm_train(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        bias: &T<Self>,
        running: [&T<Self>; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<T<Self>>>;

    /// Gradients of x, weight, bias when the batch's statistics were used.
    fn batch_norm_train_backward(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        mean: &T<Self>,
        inv_std: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 3],
    ) -> Result<Gradients<T<Self>, 3>>;

    /// See [`BatchNorm`](crate::operators::BatchNorm) with the running statistics.
    fn batch_norm_eval(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        bias: &T<Self>,
        mean: &T<Self>,
        variance: &T<Self>,
        eps: f32,
    ) -> Result<T<Self>>;

    /// Gradients of x, weight, bias when the running statistics were used.
    fn batch_norm_eval_backward(
        &self,
        x: &T<Self>,
        weight: &T<Self>,
        mean: &T<Self>,
        variance: &T<Self>,
        eps: f32,
        gy: &T<Self>,
        needs: [bool; 3],
    ) -> Result<Gradients<T<Self>, 3>>;
}
