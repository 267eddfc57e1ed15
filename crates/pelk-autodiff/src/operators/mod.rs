//! The operators: shape rule, cost, forward and gradient of each, side by side.
//!
//! To add one: its methods on a trait of [`backend`](crate::backend), their implementation in each backend, a file here
//! with an [`Operator`], its name in the list below, cases in `tests/operators/cases.rs`, and a golden case.

mod activation;
mod channels;
mod conv2d;
mod depthwise;
mod linear;
mod loss;
mod normalization;
mod pixel_mlp;
mod position;
mod resample;
mod residual;

pub use activation::{Gelu, Relu};
pub use channels::{ConcatChannels, SplitChannels};
pub(crate) use channels::{expect_widths, joined};
pub use linear::Linear;
pub use normalization::{BatchNorm, LayerNorm};
pub use pelk_ops::{
    Conv2d, CrossEntropy, DepthwiseConv, PixelMlp, PixelMlpParameters, PositionBias, PositionForm,
    SoftCrossEntropy,
};
pub use resample::{AdaptiveAvgPool, BilinearResize};
pub use residual::{Add, ScaleChannels, ScaleSamples};

use crate::{Backend, Error, Result, Shape};

/// Multiply-adds of one call of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// As papers count them: every tap of a dense kernel, including those on the padding.
    pub dense: u64,
    /// As computed here: one multiply-add a region of the sharing grid.
    pub executed: u64,
}

impl Cost {
    /// A cost that sharing does not change.
    pub fn plain(multiply_adds: usize) -> Cost {
        Cost { dense: multiply_adds as u64, executed: multiply_adds as u64 }
    }
}

/// The outputs of an operator, and the tensors that its gradient needs.
pub struct Forward<T> {
    /// The outputs, in the operator's documented order.
    pub outputs: Vec<T>,
    /// Tensors kept for [`Operator::backward`]; inputs are among them only where the gradient needs them.
    pub saved: Vec<T>,
}

impl<T> Forward<T> {
    /// One output.
    pub fn one(output: T, saved: Vec<T>) -> Forward<T> {
        Forward { outputs: vec![output], saved }
    }
}

/// The inputs of [`Operator::backward`].
pub struct Context<'a, T> {
    /// The tensors that the forward kept.
    pub saved: &'a [T],
    /// The shapes of the forward's inputs.
    pub shapes: &'a [Shape],
    /// For each input, whether its gradient is needed.
    pub needs: &'a [bool],
}

/// The gradients of an operator's inputs, in their order; `None` where it is not needed or does not exist.
pub type InputGradients<T> = Vec<Option<T>>;

/// An operator, with its gradient.
pub trait Operator {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// The shapes of the outputs.
    ///
    /// # Errors
    /// When the operator cannot take inputs of these shapes.
    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>>;

    /// The multiply-adds of one call; element-wise work is not counted, as in papers.
    fn cost(&self, inputs: &[&Shape]) -> Cost {
        let _ = inputs;
        Cost::default()
    }

    /// Computes the outputs, and keeps what the gradient needs.
    ///
    /// # Errors
    /// When the backend returns an error.
    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>>;

    /// The gradients of the inputs, given those of the outputs. Only the first output of an operator is ever
    /// differentiated, except for [`SplitChannels`], where the gradient of one part may be missing.
    ///
    /// # Errors
    /// When the backend returns an error.
    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>>;
}

macro_rules! operators {
    ($($name:ident),+ $(,)?) => {
        /// Any operator.
        #[derive(Debug, Clone)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name)),+
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Op {
                Op::$name(op)
            }
        })+

        impl Operator for Op {
            fn name(&self) -> &'static str {
                match self { $(Op::$name(op) => op.name()),+ }
            }
            fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                inputs.iter().try_for_each(|shape| expect_values(self.name(), "an input", shape))?;
                let outputs = match self { $(Op::$name(op) => op.output_shapes(inputs)),+ }?;
                outputs.iter().try_for_each(|shape| expect_values(self.name(), "the output", shape))?;
                Ok(outputs)
            }
            fn cost(&self, inputs: &[&Shape]) -> Cost {
                match self { $(Op::$name(op) => op.cost(inputs)),+ }
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                match self { $(Op::$name(op) => op.forward(backend, inputs)),+ }
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                match self { $(Op::$name(op) => op.backward(backend, context, gradients)),+ }
            }
        }
    };
}

operators! {
    Linear, Conv2d, DepthwiseConv, PositionBias, LayerNorm, BatchNorm, Gelu, Relu, Add, ScaleChannels,
    ScaleSamples, SplitChannels, ConcatChannels, AdaptiveAvgPool, BilinearResize, CrossEntropy,
    SoftCrossEntropy, PixelMlp,
}

/// The shape error of `operator`.
fn misfit(operator: &'static str, reason: impl Into<String>) -> Error {
    Error::Shape { operator, reason: reason.into() }
}

/// Checks any tensor: no axis is empty, and it would fit in memory, even as float64.
fn expect_values(operator: &'static str, what: &str, shape: &Shape) -> Result<()> {
    const MOST: usize = isize::MAX as usize / size_of::<f64>();
    match shape.elements() {
        0 => {
            Err(misfit(operator, format!("{what} of shape {shape} is empty: every axis must be at least 1")))
        }
        1..=MOST => Ok(()),
        _ => Err(misfit(operator, format!("{what} of shape {shape} is larger than any memory"))),
    }
}

/// Exactly `N` inputs, or an error with the number that was given.
fn exactly<'a, T, const N: usize>(operator: &'static str, inputs: &[&'a T]) -> Result<[&'a T; N]> {
    inputs.try_into().map_err(|_| misfit(operator, format!("takes {N} inputs, was given {}", inputs.len())))
}

/// `N` inputs and an optional last one, such as a bias.
fn with_optional<'a, T, const N: usize>(
    operator: &'static str,
    inputs: &[&'a T],
) -> Result<([&'a T; N], Option<&'a T>)> {
    match inputs.len() {
        n if n == N => Ok((exactly(operator, inputs)?, None)),
        n if n == N + 1 => Ok((exactly(operator, &inputs[..N])?, Some(inputs[N]))),
        n => Err(misfit(operator, format!("takes {N} or {} inputs, was given {n}", N + 1))),
    }
}

/// The four axes of an image, `[N, H, W, C]`.
fn image_axes(operator: &'static str, shape: &Shape) -> Result<[usize; 4]> {
    shape[..]
        .try_into()
        .map_err(|_| misfit(operator, format!("wants an image [N, H, W, C], was given {shape}")))
}

/// Checks the shape of an input.
fn expect_shape(operator: &'static str, what: &str, shape: &Shape, expected: &[usize]) -> Result<()> {
    if shape[..] == *expected {
        return Ok(());
    }
    Err(misfit(operator, format!("{what} has shape {shape}, wanted {expected:?}")))
}

/// The gradient of the operator's only differentiable output.
fn output_gradient<'a, T>(operator: &'static str, gradients: &'a [Option<T>]) -> Result<&'a T> {
    gradients.first().and_then(Option::as_ref).ok_or_else(|| misfit(operator, "its output has no gradient"))
}

/// Which of the first `N` inputs need a gradient; an input that was not given does not.
fn needs<T, const N: usize>(context: &Context<'_, T>) -> [bool; N] {
    std::array::from_fn(|i| context.needs.get(i).copied().unwrap_or(false))
}
