//! Descriptions of the operators of large-kernel ConvNets: shapes, settings and their checks.
//!
//! An operator's description is the same on every device. It stands here once; pelk-cpu and pelk-wgpu compute
//! it, and pelk-autodiff adds gradients and the tape. Where a description carries tensors, it is generic over
//! what a device keeps them in: a slice, a buffer, a tensor.
//!
//! ```
//! use pelk_ops::{DepthwiseConv, ImageShape};
//! use pelk_grid::SharingGrid;
//!
//! let conv = DepthwiseConv::square(SharingGrid::exponential(13, 5, 2)?);
//! assert_eq!(conv.cells(), 81); // parameters per channel, for 169 taps
//! let shape = ImageShape::checked("my_operator", 2, 56, 56, 96)?;
//! assert_eq!((shape.pixels(), shape.len()), (6272, 602_112));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod boxes;
mod conv2d;
mod depthwise;
mod detection_loss;
pub mod loss;
mod max_pool;
mod normalization;
pub mod optimizer;
mod pixel_mlp;
mod position;
pub mod resample;
pub mod roi_align;
pub mod shape;

pub use boxes::BoxCoder;
pub use conv2d::{Conv2d, Conv2dShape, ConvTranspose2d};
pub use depthwise::{Bias, DepthwiseConv};
pub use detection_loss::{BinaryCrossEntropy, BoxGiou, DetectionLoss, MaskCrossEntropy, SmoothL1};
pub use loss::{CrossEntropy, LossError, SoftCrossEntropy};
pub use max_pool::MaxPool;
pub use normalization::{BatchNormalized, Normalized};
pub use optimizer::{AdamW, Sgd};
pub use pixel_mlp::{PixelMlp, PixelMlpParameters, PixelMlpShape};
pub use position::{PositionBias, PositionForm};
pub use roi_align::{Roi, RoiAlign, RoiAxis};
pub use shape::{ImageShape, ShapeError};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
