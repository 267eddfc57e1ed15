//! Changes of an image's height and width.

use super::storage::{Storage, T};
use crate::Result;

/// Changes of an image's height and width.
pub trait ResampleOps: Storage {
    /// See [`AdaptiveAvgPool`](crate::operators::AdaptiveAvgPool).
    fn adaptive_avg_pool(&self, x: &T<Self>, size: [usize; 2]) -> Result<T<Self>>;

    /// Gradient of x, whose height and width are `input`.
    fn adaptive_avg_pool_backward(&self, gy: &T<Self>, input: [usize; 2]) -> Result<T<Self>>;

    /// See [`BilinearResize`](crate::operators::BilinearResize).
    fn bilinear_resize(&self, x: &T<Self>, size: [usize; 2]) -> Result<T<Self>>;

    /// Gradient of x, whose height and width are `input`.
    fn bilinear_resize_backward(&self, gy: &T<Self>, input: [usize; 2]) -> Result<T<Self>>;

    /// Every `step`-th row and column of x, from the first on: `[N, ceil(H / step), ceil(W / step), C]`.
    /// These are the pixels that a convolution with a stride keeps, see
    /// [`DepthwiseConv`](crate::operators::DepthwiseConv).
    fn subsample(&self, x: &T<Self>, step: usize) -> Result<T<Self>>;

    /// Gradient of x, whose height and width are `input`: zeros where pixels were left out.
    fn subsample_backward(&self, gy: &T<Self>, step: usize, input: [usize; 2]) -> Result<T<Self>>;
}
