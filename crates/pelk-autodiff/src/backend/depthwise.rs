//! Depthwise convolution on sharing grids.

use super::storage::{Gradients, Storage, T};
use crate::Result;
use pelk_ops::DepthwiseConv;

/// Depthwise convolution on sharing grids.
pub trait DepthwiseOps: Storage {
    /// See [`DepthwiseConv`], whose stride is 1 here.
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &T<Self>,
        theta: &T<Self>,
        bias: Option<&T<Self>>,
    ) -> Result<T<Self>>;

    /// Gradients of x and theta; the gradient of the bias is
    /// [`ReduceOps::sum_leading`](super::ReduceOps::sum_leading) of `gy`.
    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &T<Self>,
        theta: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 2],
    ) -> Result<Gradients<T<Self>, 2>>;
}
