//! Convolution of some of the channels (Eq. 4-6).

use pelk_autodiff::operators::{ConcatChannels, SplitChannels};
use pelk_autodiff::{Executor, Result};

/// Applies a convolution to the first `channels` of `x`; the others pass unchanged.
pub(super) fn partial<E: Executor>(
    e: &mut E,
    channels: usize,
    x: &E::Value,
    convolve: impl FnOnce(&mut E, &E::Value) -> Result<E::Value>,
) -> Result<E::Value> {
    if channels == e.shape(x).channels() {
        return convolve(e, x);
    }
    let [convolved, passed] = e.apply_n(SplitChannels { first: channels }, &[x])?;
    let convolved = convolve(e, &convolved)?;
    e.apply_one(ConcatChannels, &[&convolved, &passed])
}
