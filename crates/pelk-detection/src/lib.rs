//! The decisions of a two-stage detector, on plain slices.
//!
//! Cascade Mask R-CNN computes maps on a device and decides between its parts: which anchors and proposals to
//! learn from, which boxes to read next, which detections to keep, what each mask has to be. These decisions
//! stand here, without tensors and without a network. They follow MMDetection 2.11, with ties broken by the
//! lower index.
//!
//! A box is `[x1, y1, x2, y2]` in pixels, `f32`; its arithmetic is [`pelk_ops::boxes`]. An image is
//! `[height, width]`. Numbers that are not finite are errors that name their place. Results never depend on
//! the number of threads, and all randomness comes from a keyed stream ([`SampleKey`]).
//!
//! | step | function |
//! | --- | --- |
//! | anchors of a size of image | [`AnchorSettings::anchors`] |
//! | what the proposal network has to find | [`rpn_targets`] |
//! | its proposals | [`proposals`] |
//! | what a stage has to find | [`StageSamples::draw`] |
//! | what its mask head has to find | [`mask_target`] |
//! | boxes of the next stage | [`StageSamples::refine`], [`refine`] |
//! | objects found | [`detections`] |
//! | their masks in the image | [`BoxMask::paste`] |
//!
//! ```
//! use pelk_detection::{AnchorSettings, RpnTargetSettings, SampleKey, rpn_targets};
//!
//! let anchors = AnchorSettings::default().anchors(&[[64, 80], [32, 40], [16, 20], [8, 10], [4, 5]])?;
//! let truths = [[40.0, 50.0, 150.0, 170.0], [200.0, 20.0, 235.0, 60.0]];
//! let key = SampleKey { seed: 1, pass: 0, image: 0, stage: 0 };
//! let targets = rpn_targets(&anchors, [250, 320], &truths, &RpnTargetSettings::default(), key)?;
//! assert_eq!(targets.positives.len() + targets.negatives.len(), 256);
//! assert_eq!(targets.positives.len(), targets.deltas.len());
//! # Ok::<(), pelk_detection::DetectionError>(())
//! ```
#![forbid(unsafe_code)]

mod anchors;
mod assign;
mod detections;
mod error;
mod mask;
mod mask_target;
mod nms;
mod paste;
mod proposals;
mod refine;
mod rpn;
mod sample;
mod stage;
#[cfg(test)]
mod testing;

pub use anchors::{AnchorSettings, Anchors};
pub use assign::{AssignSettings, Assigned, Assignment, assign};
pub use detections::{CascadeOutput, Detection, DetectionSettings, Resized, detections};
pub use error::DetectionError;
pub use mask::MaskCrop;
pub use mask_target::{mask_coverage, mask_target};
pub use nms::{nms, nms_by_class};
pub use paste::BoxMask;
pub use proposals::{LevelOutput, Proposal, ProposalSettings, proposals};
pub use refine::{HeadOutput, refine};
pub use rpn::{RpnTargetSettings, RpnTargets, rpn_targets};
pub use sample::{SampleKey, SampleSettings, Sampled, sample};
pub use stage::{StageSamples, StageSettings, Truths};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
