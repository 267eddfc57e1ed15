//! Cascade Mask R-CNN at work: the pure functions of [`crate::heads::cascade`], and the decisions on the host
//! between them.
//!
//! Which boxes a head reads depends on values that the layer before it computed. Such decisions have no
//! gradient, so a pass downloads these values, decides on the host (with pelk-detection), and hands the boxes
//! to the next head as data. In training each stage has a tape of its own, whose leaves are the pyramid's
//! maps: only one stage's activations live at a time, and the sums of the maps' gradients start the backward
//! pass of the trunk.

mod inference;
mod proposals;
mod stages;
mod training;

pub use inference::{Detected, Detector, Heads, Refined};
pub use proposals::{Anchored, proposal_losses};
pub use stages::{Cascade, StageLosses, Stages};
pub use training::{DetectionLosses, DetectionPass, PassOutcome};

use crate::config::{CascadeConfig, Head, NetworkConfig};
use crate::error::{ModelError, Result};
use pelk_detection::MaskCrop;
use pelk_ops::{Roi, roi_align::level};
use std::sync::Arc;

/// What an image shows, as far as a detector learns it: crowds are not among it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageTruths {
    /// Height and width of the image, without the padding of its batch.
    pub size: [usize; 2],
    /// The boxes, `x1, y1, x2, y2`, within the image.
    pub boxes: Vec<[f32; 4]>,
    /// The class of each box.
    pub classes: Vec<usize>,
    /// The mask of each box.
    pub masks: Vec<MaskCrop>,
}

/// The cascade's settings of a detector.
///
/// # Errors
/// When the network is not a detector.
pub fn cascade_of(config: &NetworkConfig) -> Result<&CascadeConfig> {
    match &config.head {
        Head::CascadeMaskRcnn(cascade) => Ok(cascade),
        _ => Err(ModelError::NoDetector { model: config.name.clone() }),
    }
}

/// The boxes of one image after the other as regions of the maps that their sizes call for. `maps` is the
/// number of maps.
pub fn regions(config: &CascadeConfig, maps: usize, boxes: &[Vec<[f32; 4]>]) -> Arc<[Roi]> {
    let region = |image| {
        move |corners: &[f32; 4]| Roi {
            image,
            map: level(*corners, config.finest_scale, maps),
            corners: *corners,
        }
    };
    boxes.iter().enumerate().flat_map(|(image, boxes)| boxes.iter().map(region(image))).collect()
}
