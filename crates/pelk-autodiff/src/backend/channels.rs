//! Splitting and joining channels.

use super::storage::{Storage, T};
use crate::Result;

/// Splitting and joining channels.
pub trait ChannelOps: Storage {
    /// The channels of x in parts of these widths, which sum to all channels: the gradient of
    /// [`ConcatChannels`](crate::operators::ConcatChannels).
    fn split_channels(&self, x: &T<Self>, widths: &[usize]) -> Result<Vec<T<Self>>>;

    /// See [`ConcatChannels`](crate::operators::ConcatChannels).
    fn concat_channels(&self, parts: &[&T<Self>]) -> Result<T<Self>>;
}
