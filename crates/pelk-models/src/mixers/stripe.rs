//! SLaK's mixer: a large kernel as two crossed stripes (arXiv 2207.03620), here over some of the channels, as
//! in PeLK.
//!
//! The convolved channels go through a `k x n` stripe, an `n x k` stripe and a dense `n x n` kernel in
//! parallel, each followed by its own BatchNorm. In the folded form, the BatchNorms and the dense kernel,
//! which lies within the first stripe, are merged into two stripes, the first with a bias; the sum of crossed
//! stripes is not a smaller kernel.
//!
//! Names under the block: `vertical.weight`, `vertical_bn.*`, and the same with `horizontal` and `small`.
//! Folded: `vertical.weight`, `vertical.bias`, `horizontal.weight`.

use super::partial::partial;
use crate::config::StripeConfig;
use crate::layers::{batch_norm, dense_kernel, depthwise, depthwise_with_bias};
use crate::scope::Scope;
use pelk_autodiff::operators::Add;
use pelk_autodiff::{Executor, Layer, Result};

pub(super) fn mix<E: Executor>(
    e: &mut E,
    config: &StripeConfig,
    folded: bool,
    scope: &Scope,
    x: &E::Value,
) -> Result<E::Value> {
    partial(e, config.channels, x, |e, x| match folded {
        true => folded_branches(e, config, scope, x),
        false => branches(e, config, scope, x),
    })
}

fn branches<E: Executor>(e: &mut E, config: &StripeConfig, scope: &Scope, x: &E::Value) -> Result<E::Value> {
    let mut branch = |(name, sides): (&str, [usize; 2]), layer| {
        let y = depthwise(e, &scope.child(name).of(layer), x, dense_kernel(sides)?)?;
        batch_norm(e, &scope.child(format_args!("{name}_bn")).of(layer), &y)
    };
    let [vertical, horizontal, small] = config.branches();
    let (vertical, horizontal) =
        (branch(vertical, Layer::LargeKernel)?, branch(horizontal, Layer::LargeKernel)?);
    let small = branch(small, Layer::SmallKernel)?;
    let stripes = e.apply_one(Add, &[&vertical, &horizontal])?;
    e.apply_one(Add, &[&stripes, &small])
}

fn folded_branches<E: Executor>(
    e: &mut E,
    config: &StripeConfig,
    scope: &Scope,
    x: &E::Value,
) -> Result<E::Value> {
    let large = |name| scope.child(name).of(Layer::LargeKernel);
    let [(vertical, tall), (horizontal, wide), _] = config.branches();
    let vertical = depthwise_with_bias(e, &large(vertical), x, dense_kernel(tall)?)?;
    let horizontal = depthwise(e, &large(horizontal), x, dense_kernel(wide)?)?;
    e.apply_one(Add, &[&vertical, &horizontal])
}
