//! Cascade Mask R-CNN (arXiv 1906.09756) with a feature pyramid (arXiv 1612.03144), as MMDetection 2.11 has
//! it: a region proposal network proposes boxes, and stages of box heads classify and refine them in turn,
//! each with a mask head.
//!
//! Which boxes a head sees depends on the values of the layer before it, so a detector is not one function of
//! the images. It is three pure functions over an executor: [`trunk`], [`box_head`] and [`mask_head`]; what
//! happens between them is host code. [`whole`] runs all of them on placeholder boxes, for whoever lists
//! parameters or counts.
//!
//! Names: `normI.*`, and MMDetection's `neck`, `rpn_head`, `roi_head.bbox_head.S` and `roi_head.mask_head.S`.
//! The first linear layer of a box head, MMDetection's `shared_fcs.0`, is a convolution without padding whose
//! kernel is the whole map: the same values in the same order, as a tensor of four axes.

mod boxes;
mod masks;
mod proposals;
mod pyramid;

pub use boxes::{BoxOutputs, box_head, box_outputs};
pub(crate) use masks::REFINEMENT;
pub use masks::{mask_head, mask_logits};
pub use proposals::{Proposals, propose};
pub use pyramid::pyramid;

use super::upernet::normalize;
use crate::config::{CascadeConfig, NetworkConfig};
use crate::families::Merge;
use pelk_autodiff::{Executor, Result};
use pelk_ops::Roi;
use std::sync::Arc;

/// Boxes for each box head and each mask head in the papers' counts: MMDetection's counter runs the box heads
/// on 1000 proposals, and the mask heads on the first 100 of them.
pub(crate) const COUNTED: [usize; 2] = [1000, 100];

/// What a detector computes from images alone.
#[derive(Debug, Clone)]
pub struct Trunk<V> {
    /// The maps of the pyramid, `[N, H_l, W_l, channels]`, from the highest resolution down: one for each
    /// stage of the backbone, and one more at half the last one's resolution.
    pub maps: Vec<V>,
    /// What the region proposal network gives for each map.
    pub proposals: Proposals<V>,
}

/// The pyramid and the proposals of a backbone's features, `[N, H_i, W_i, C_i]`.
///
/// # Errors
/// When a parameter is missing, or the executor's backend returns an error.
pub fn trunk<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    features: &[E::Value],
) -> Result<Trunk<E::Value>> {
    let features = normalize(e, features)?;
    let maps = pyramid(e, config.channels, &features)?;
    let proposals = propose(e, config, &maps)?;
    Ok(Trunk { maps, proposals })
}

/// The whole detector, with these numbers of placeholder boxes for each box head and each mask head, all on
/// the first map.
///
/// # Errors
/// As [`trunk`].
pub(crate) fn whole<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    form: HeadForm,
    features: &[E::Value],
    [boxes, masks]: [usize; 2],
) -> Result<()> {
    let Trunk { maps, .. } = trunk(e, config, features)?;
    let maps = &maps[..features.len()];
    let placeholders = |count| -> Arc<[Roi]> {
        (0..count).map(|_| Roi { image: 0, map: 0, corners: [0.0, 0.0, 8.0, 8.0] }).collect()
    };
    for stage in 0..config.stages.len() {
        box_head(e, config, form, stage, maps, placeholders(boxes))?;
        mask_head(e, config, form, stage, maps, placeholders(masks))?;
    }
    Ok(())
}

/// What the heads take from the configuration of the whole network.
#[derive(Debug, Clone, Copy)]
pub struct HeadForm {
    /// Number of classes of things.
    pub classes: usize,
    /// Image pixels a pixel of the first map.
    pub stride: usize,
    /// The inference form, in which BatchNorms are merged into convolutions.
    pub folded: bool,
}

impl From<&NetworkConfig> for HeadForm {
    fn from(config: &NetworkConfig) -> HeadForm {
        HeadForm { classes: config.classes, stride: config.stem_stride, folded: config.folded }
    }
}

/// The BatchNorms of the box heads, all of which folding merges.
pub(crate) fn merges(config: &CascadeConfig) -> Vec<Merge> {
    (0..config.stages.len()).flat_map(|stage| boxes::merges(config, stage)).collect()
}
