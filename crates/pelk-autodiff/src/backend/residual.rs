//! What joins a residual branch to its trunk.

use super::storage::{Gradients, Storage, T};
use crate::Result;

/// What joins a residual branch to its trunk.
pub trait ResidualOps: Storage {
    /// See [`Add`](crate::operators::Add).
    fn add(&self, a: &T<Self>, b: &T<Self>) -> Result<T<Self>>;

    /// See [`ScaleChannels`](crate::operators::ScaleChannels).
    fn scale_channels(&self, x: &T<Self>, gamma: &T<Self>) -> Result<T<Self>>;

    /// Gradients of x and gamma.
    fn scale_channels_backward(
        &self,
        x: &T<Self>,
        gamma: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 2],
    ) -> Result<Gradients<T<Self>, 2>>;

    /// See [`ScaleSamples`](crate::operators::ScaleSamples): one factor per sample, or one per channel of
    /// each sample. The gradient is the same operator.
    fn scale_samples(&self, x: &T<Self>, factors: &[f32]) -> Result<T<Self>>;
}
