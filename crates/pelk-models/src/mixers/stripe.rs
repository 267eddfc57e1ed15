//! SLaK's mixer: a large kernel as two crossed stripes (arXiv 2207.03620), here over part of the channels as in PeLK.
//!
//! The convolved channels go through a `k x n` stripe, an `n x k` stripe and a dense `n x n` kernel in parallel, each
//! followed by its own BatchNorm. In the folded form the BatchNorms and the dense kernel, which lies within the first
//! stripe, are merged into two stripes, of which the first has a bias; a sum of crossed stripes is no smaller kernel.
//!
//! Names under the block: `vertical.weight`, `vertical_bn.*`, and the same with `horizontal` and `small`. Folded:
//! `vertical.weight`, `vertical.bias`, `horizontal.weight`.

use super::{BlockPath, partial};
use crate::config::StripeConfig;
use crate::layers::{batch_norm, dense_kernel, depthwise, depthwise_with_bias};
use pelk_autodiff::operators::Add;
use pelk_autodiff::{Executor, Result};

pub(super) fn mix<E: Executor>(
    e: &mut E,
    config: &StripeConfig,
    folded: bool,
    path: BlockPath<'_>,
    x: &E::Value,
) -> Result<E::Value> {
    partial(e, config.channels, x, |e, x| match folded {
        true => folded_branches(e, config, path.block, x),
        false => branches(e, config, path.block, x),
    })
}

fn branches<E: Executor>(e: &mut E, config: &StripeConfig, block: &str, x: &E::Value) -> Result<E::Value> {
    let mut branch = |(name, sides): (&str, [usize; 2])| {
        let y = depthwise(e, &format!("{block}.{name}"), x, dense_kernel(sides)?)?;
        batch_norm(e, &format!("{block}.{name}_bn"), &y)
    };
    let [vertical, horizontal, small] = config.branches();
    let (vertical, horizontal, small) = (branch(vertical)?, branch(horizontal)?, branch(small)?);
    let stripes = e.apply_one(Add, &[&vertical, &horizontal])?;
    e.apply_one(Add, &[&stripes, &small])
}

fn folded_branches<E: Executor>(
    e: &mut E,
    config: &StripeConfig,
    block: &str,
    x: &E::Value,
) -> Result<E::Value> {
    let [(vertical, tall), (horizontal, wide), _] = config.branches();
    let vertical = depthwise_with_bias(e, &format!("{block}.{vertical}"), x, dense_kernel(tall)?)?;
    let horizontal = depthwise(e, &format!("{block}.{horizontal}"), x, dense_kernel(wide)?)?;
    e.apply_one(Add, &[&vertical, &horizontal])
}
