//! What an operator is: the interface that a device implements.

use crate::operators::{
    Conv2d, CrossEntropy, DepthwiseConv, Forward, PixelMlp, PixelMlpParameters, PositionBias,
    SoftCrossEntropy, pixel_mlp,
};
use crate::{Result, Shape};
use pelk_cpu::optimizer::{AdamW, Sgd};
use std::fmt::Debug;

/// Gradients of `N` inputs; `None` where none was wanted.
pub type Gradients<T, const N: usize> = [Option<T>; N];

/// A normalized tensor and the statistics that its gradient needs.
pub struct Normalized<T> {
    /// The output.
    pub y: T,
    /// The mean of each row (LayerNorm) or channel (BatchNorm).
    pub mean: T,
    /// `1 / sqrt(variance + eps)` of each row or channel.
    pub inv_std: T,
}

/// What BatchNorm makes in training.
pub struct BatchNormalized<T> {
    /// The output and the batch's statistics.
    pub normalized: Normalized<T>,
    /// The renewed running mean and variance, each `[C]`.
    pub running: [T; 2],
}

/// A device's tensors and the operators on them.
///
/// Activations are `[N, H, W, C]` or `[.., C]`, row-major; weights have PyTorch's shapes. Operators check nothing
/// that [`Operator::output_shapes`](crate::Operator::output_shapes) has checked already, but never read out of bounds. For what each
/// operator computes, see the operator of the same name in [`operators`](crate::operators). `needs` says which
/// gradients are wanted, in the order of the inputs.
pub trait Backend: Clone + Debug + Send + Sync + 'static {
    /// A tensor on the device; a clone shares its values.
    type Tensor: Clone + Debug + Send + Sync;

    /// The device and its instruction set, for logs and run folders.
    fn name(&self) -> String;
    /// The backend that stores activations and their gradients as 16-bit floats, in half the memory. Arithmetic, parameters, their
    /// gradients and statistics stay as they are.
    ///
    /// # Errors
    /// When the device cannot.
    fn storing_float16(self) -> Result<Self>;
    /// The shape of a tensor.
    fn shape<'t>(&self, tensor: &'t Self::Tensor) -> &'t Shape;
    /// Copies values to the device.
    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<Self::Tensor>;
    /// Copies values from the device.
    fn download(&self, tensor: &Self::Tensor) -> Result<Vec<f32>>;
    /// A tensor of zeros.
    fn zeros(&self, shape: &Shape) -> Result<Self::Tensor>;

    /// See [`Linear`](crate::operators::Linear).
    fn linear(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Gradients of x, weight, bias.
    fn linear_backward(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Self::Tensor, 3>>;

    /// See [`Conv2d`].
    fn conv2d(
        &self,
        op: Conv2d,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Gradients of x, weight, bias.
    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Self::Tensor, 3>>;

    /// See [`DepthwiseConv`], whose stride is 1 here.
    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &Self::Tensor,
        theta: &Self::Tensor,
        bias: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Gradients of x and theta; that of the bias is [`Backend::sum_leading`] of `gy`.
    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &Self::Tensor,
        theta: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Self::Tensor, 2>>;

    /// See [`PositionBias`].
    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &Self::Tensor,
        position: &Self::Tensor,
        bias: Option<&Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Gradients of theta and the embedding; that of the bias is [`Backend::sum_leading`] of `gy`.
    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &Self::Tensor,
        position: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Self::Tensor, 2>>;

    /// See [`LayerNorm`](crate::operators::LayerNorm).
    fn layer_norm(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: &Self::Tensor,
        eps: f32,
    ) -> Result<Normalized<Self::Tensor>>;
    /// Gradients of x, weight, bias.
    fn layer_norm_backward(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        mean: &Self::Tensor,
        inv_std: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Self::Tensor, 3>>;

    /// See [`BatchNorm`](crate::operators::BatchNorm), with the batch's statistics.
    fn batch_norm_train(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: &Self::Tensor,
        running: [&Self::Tensor; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<Self::Tensor>>;
    /// Gradients of x, weight, bias when the batch's statistics were used.
    fn batch_norm_train_backward(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        mean: &Self::Tensor,
        inv_std: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Self::Tensor, 3>>;
    /// See [`BatchNorm`](crate::operators::BatchNorm) with the running statistics.
    fn batch_norm_eval(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        bias: &Self::Tensor,
        mean: &Self::Tensor,
        variance: &Self::Tensor,
        eps: f32,
    ) -> Result<Self::Tensor>;
    /// Gradients of x, weight, bias when the running statistics were used.
    fn batch_norm_eval_backward(
        &self,
        x: &Self::Tensor,
        weight: &Self::Tensor,
        mean: &Self::Tensor,
        variance: &Self::Tensor,
        eps: f32,
        gy: &Self::Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Self::Tensor, 3>>;

    /// See [`Gelu`](crate::operators::Gelu).
    fn gelu(&self, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Gradient of x.
    fn gelu_backward(&self, x: &Self::Tensor, gy: &Self::Tensor) -> Result<Self::Tensor>;
    /// See [`Relu`](crate::operators::Relu).
    fn relu(&self, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Gradient of x, of which the output `y` is enough to know.
    fn relu_backward(&self, y: &Self::Tensor, gy: &Self::Tensor) -> Result<Self::Tensor>;

    /// See [`PixelMlp`]. By default a composition of the operators above; a backend that can do better overrides it
    /// together with its gradient. What is saved besides the inputs comes back to the gradient as `kept`.
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &Self::Tensor,
        shortcut: &Self::Tensor,
        parameters: &PixelMlpParameters<'_, Self::Tensor>,
    ) -> Result<Forward<Self::Tensor>> {
        pixel_mlp::compose(self, op, x, shortcut, parameters)
    }
    /// Gradients of x, the parameters in the order of the inputs, and gamma; that of the shortcut is `gy`. `kept` is what
    /// the forward kept, if anything.
    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &Self::Tensor,
        parameters: &PixelMlpParameters<'_, Self::Tensor>,
        kept: &[Self::Tensor],
        gy: &Self::Tensor,
        needs: [bool; 8],
    ) -> Result<Gradients<Self::Tensor, 8>> {
        let _ = kept; // by this backend's own forward, which keeps nothing
        pixel_mlp::compose_backward(self, op, x, parameters, gy, needs)
    }

    /// See [`Add`](crate::operators::Add).
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// See [`ScaleChannels`](crate::operators::ScaleChannels).
    fn scale_channels(&self, x: &Self::Tensor, gamma: &Self::Tensor) -> Result<Self::Tensor>;
    /// Gradients of x and gamma.
    fn scale_channels_backward(
        &self,
        x: &Self::Tensor,
        gamma: &Self::Tensor,
        gy: &Self::Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Self::Tensor, 2>>;
    /// See [`ScaleSamples`](crate::operators::ScaleSamples): factors of each sample, or of each channel of each sample. It is its
    /// own gradient.
    fn scale_samples(&self, x: &Self::Tensor, factors: &[f32]) -> Result<Self::Tensor>;
    /// The channels of x as parts of these widths, which sum to all of them: the gradient of
    /// [`ConcatChannels`](crate::operators::ConcatChannels).
    fn split_channels(&self, x: &Self::Tensor, widths: &[usize]) -> Result<Vec<Self::Tensor>>;
    /// See [`ConcatChannels`](crate::operators::ConcatChannels).
    fn concat_channels(&self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// Sums over the leading axes that `shape` lacks: `[N, H, W, C]` to `[C]` or `[H, W, C]`.
    fn sum_leading(&self, x: &Self::Tensor, shape: &Shape) -> Result<Self::Tensor>;

    /// See [`AdaptiveAvgPool`](crate::operators::AdaptiveAvgPool).
    fn adaptive_avg_pool(&self, x: &Self::Tensor, size: [usize; 2]) -> Result<Self::Tensor>;
    /// Gradient of x, whose height and width are `input`.
    fn adaptive_avg_pool_backward(&self, gy: &Self::Tensor, input: [usize; 2]) -> Result<Self::Tensor>;
    /// See [`BilinearResize`](crate::operators::BilinearResize).
    fn bilinear_resize(&self, x: &Self::Tensor, size: [usize; 2]) -> Result<Self::Tensor>;
    /// Gradient of x, whose height and width are `input`.
    fn bilinear_resize_backward(&self, gy: &Self::Tensor, input: [usize; 2]) -> Result<Self::Tensor>;

    /// Every `step`-th row and column of x, from the first on: `[N, ceil(H / step), ceil(W / step), C]`. What a convolution with
    /// a stride keeps, see [`DepthwiseConv`].
    fn subsample(&self, x: &Self::Tensor, step: usize) -> Result<Self::Tensor>;
    /// Gradient of x, whose height and width are `input`: zeros where pixels were left out.
    fn subsample_backward(&self, gy: &Self::Tensor, step: usize, input: [usize; 2]) -> Result<Self::Tensor>;

    /// See [`CrossEntropy`]: the loss `[1]`, and the log-sum-exp of each row, which its gradient needs.
    fn cross_entropy(&self, op: &CrossEntropy, logits: &Self::Tensor)
    -> Result<(Self::Tensor, Self::Tensor)>;
    /// Gradient of the logits.
    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &Self::Tensor,
        log_sum_exp: &Self::Tensor,
        gy: &Self::Tensor,
    ) -> Result<Self::Tensor>;
    /// See [`SoftCrossEntropy`]: the loss `[1]`, and the log-sum-exp of each row, which its gradient needs.
    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &Self::Tensor,
    ) -> Result<(Self::Tensor, Self::Tensor)>;
    /// Gradient of the logits.
    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &Self::Tensor,
        log_sum_exp: &Self::Tensor,
        gy: &Self::Tensor,
    ) -> Result<Self::Tensor>;

    /// `a += b`.
    fn add_assign(&self, a: &mut Self::Tensor, b: &Self::Tensor) -> Result<()>;
    /// `x *= factor`.
    fn scale_assign(&self, x: &mut Self::Tensor, factor: f32) -> Result<()>;
    /// `average += weight (x - average)`: the step of an exponential moving average.
    fn lerp_assign(&self, average: &mut Self::Tensor, x: &Self::Tensor, weight: f32) -> Result<()>;
    /// The same of sparse values, whose zeros are absent: where x is 0 so becomes the average, and where the average is 0 it
    /// becomes x at once.
    fn sparse_lerp_assign(&self, average: &mut Self::Tensor, x: &Self::Tensor, weight: f32) -> Result<()>;
    /// `x *= factors`, value by value.
    fn mul_assign(&self, x: &mut Self::Tensor, factors: &Self::Tensor) -> Result<()>;
    /// The sum of the squares of all values of all tensors; not finite where a value is not. Of many at once, since a device waits
    /// for its work to give a number.
    fn sum_of_squares(&self, tensors: &[&Self::Tensor]) -> Result<f64>;
    /// One AdamW step in place, as PyTorch computes it.
    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut Self::Tensor,
        gradient: &Self::Tensor,
        moments: [&mut Self::Tensor; 2],
    ) -> Result<()>;
    /// One step of SGD with momentum in place, as PyTorch computes it.
    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut Self::Tensor,
        gradient: &Self::Tensor,
        velocity: &mut Self::Tensor,
    ) -> Result<()>;
}
