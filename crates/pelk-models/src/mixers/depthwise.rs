//! ConvNeXt's mixer: a dense depthwise convolution with bias.

use crate::layers::{dense_square, depthwise_with_bias};
use crate::scope::Scope;
use pelk_autodiff::{Executor, Layer, Result};

pub(super) fn mix<E: Executor>(e: &mut E, kernel: usize, scope: &Scope, x: &E::Value) -> Result<E::Value> {
    depthwise_with_bias(e, &scope.child("dwconv").of(Layer::LargeKernel), x, dense_square(kernel)?)
}
