//! What a device implements: one trait for each family of operators, and their sum, [`Backend`].

mod activation;
mod arithmetic;
mod channels;
mod conv2d;
mod depthwise;
mod linear;
mod loss;
mod max_pool;
mod normalization;
mod optimizer;
mod pixel_mlp;
mod position;
mod reduce;
mod resample;
mod residual;
mod roi_align;
mod storage;

pub use activation::ActivationOps;
pub use arithmetic::ArithmeticOps;
pub use channels::ChannelOps;
pub use conv2d::Conv2dOps;
pub use depthwise::DepthwiseOps;
pub use linear::LinearOps;
pub use loss::LossOps;
pub use max_pool::MaxPoolOps;
pub use normalization::NormalizationOps;
pub use optimizer::OptimizerOps;
pub use pixel_mlp::{PixelMlpOps, compose, compose_backward};
pub use position::PositionOps;
pub use reduce::ReduceOps;
pub use resample::ResampleOps;
pub use residual::ResidualOps;
pub use roi_align::RoiOps;
pub use storage::Storage;
pub use storage::{Gradients, T};

/// A device's tensors and the operators on them: any type that implements all of these traits.
///
/// Activations are `[N, H, W, C]` or `[.., C]`, row-major; weights have PyTorch's shapes. Backends need not
/// repeat the checks of [`Operator::output_shapes`](crate::Operator::output_shapes), but never read out of
/// bounds. What each operator computes is documented on the operator of the same name in
/// [`operators`](crate::operators). `needs` lists which gradients to compute, in the order of the inputs.
pub trait Backend:
    Storage
    + LinearOps
    + Conv2dOps
    + DepthwiseOps
    + PositionOps
    + NormalizationOps
    + ActivationOps
    + PixelMlpOps
    + ResidualOps
    + ChannelOps
    + ResampleOps
    + MaxPoolOps
    + RoiOps
    + ReduceOps
    + LossOps
    + ArithmeticOps
    + OptimizerOps
{
}

impl<B> Backend for B where
    B: Storage
        + LinearOps
        + Conv2dOps
        + DepthwiseOps
        + PositionOps
        + NormalizationOps
        + ActivationOps
        + PixelMlpOps
        + ResidualOps
        + ChannelOps
        + ResampleOps
        + MaxPoolOps
        + RoiOps
        + ReduceOps
        + LossOps
        + ArithmeticOps
        + OptimizerOps
{
}
