//! ConvNeXt's mixer: a dense depthwise convolution with bias.

use super::BlockPath;
use crate::layers::{dense_square, depthwise_with_bias};
use pelk_autodiff::{Executor, Result};

pub(super) fn mix<E: Executor>(
    e: &mut E,
    kernel: usize,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    depthwise_with_bias(e, &format!("{}.dwconv", path.block), x, dense_square(kernel)?)
}
