//! Features of regions.

use super::storage::{Storage, T};
use crate::{Result, Shape};
use pelk_ops::RoiAlign;

/// Features of regions.
pub trait RoiOps: Storage {
    /// See [`RoiAlign`].
    fn roi_align(&self, op: &RoiAlign, maps: &[&T<Self>]) -> Result<T<Self>>;

    /// Gradients of the maps, which have the shapes `maps`; `needs` has one entry a map.
    fn roi_align_backward(
        &self,
        op: &RoiAlign,
        maps: &[Shape],
        gy: &T<Self>,
        needs: &[bool],
    ) -> Result<Vec<Option<T<Self>>>>;
}
