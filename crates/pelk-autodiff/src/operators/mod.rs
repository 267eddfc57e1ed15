//! The operators: shape rule, cost, forward and gradient of each, side by side.
//!
//! To add one: its methods on a trait of [`backend`](crate::backend), their implementation in each backend, a
//! file here with an [`Operator`], its name in the list below, cases in `tests/operators/cases.rs`, and a
//! golden case.

mod activation;
mod channels;
mod checks;
mod conv2d;
mod conv_transpose2d;
mod depthwise;
mod detection_loss;
mod linear;
mod loss;
mod max_pool;
mod normalization;
mod operator;
mod pixel_mlp;
mod position;
mod resample;
mod residual;
mod roi_align;

pub use activation::{Gelu, Relu};
pub use channels::{ConcatChannels, SplitChannels};
pub(crate) use channels::{expect_widths, joined};
pub use linear::Linear;
pub use normalization::{BatchNorm, LayerNorm};
pub use operator::{Context, Cost, Forward, InputGradients, Operator};
pub use pelk_ops::{
    BinaryCrossEntropy, BoxCoder, BoxGiou, Conv2d, ConvTranspose2d, CrossEntropy, DepthwiseConv,
    MaskCrossEntropy, MaxPool, PixelMlp, PixelMlpParameters, PositionBias, PositionForm, Roi, RoiAlign,
    SmoothL1, SoftCrossEntropy,
};
pub use resample::{AdaptiveAvgPool, BilinearResize, NearestResize};
pub use residual::{Add, ScaleChannels, ScaleSamples};

use crate::{Backend, Result, Shape};
use checks::expect_values;

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
            fn weights(&self) -> &'static [usize] {
                match self { $(Op::$name(op) => op.weights()),+ }
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
    NearestResize, MaxPool, ConvTranspose2d,
    SoftCrossEntropy, PixelMlp, BinaryCrossEntropy, SmoothL1, BoxGiou, MaskCrossEntropy, RoiAlign,
}
