//! CPU operators of large-kernel ConvNets, forward and backward, SIMD and multi-threaded.
//!
//! Every operator is a plain function on slices, with one convention:
//!
//! - its first argument is a [`Level`](pelk_simd::Level), the vector instructions to use (plain copies do not
//!   need one);
//! - matrices are [`Rows`] and [`RowsMut`], values that carry their shape; images are N, H, W, C in memory
//!   ([`shape::ImageShape`]), so that a pointwise operator sees a matrix of pixels by channels;
//! - parameters and statistics that go together are named: [`Affine`], [`Moments`], [`Running`];
//! - outputs are the caller's buffers and are fully overwritten; gradients that are not needed are `None`;
//! - shapes and parameters are checked first: bad ones give a [`shape::ShapeError`] (or a
//!   [`loss::LossError`]), never a panic;
//! - work is cut by shape alone and partial sums are added in a fixed order, so results have the same bits
//!   with any number of threads (rayon's current pool).
//!
//! [`reference`](mod@reference) holds every operator again as plain `f64` loops, the oracle of the tests.
//!
//! | Module | Operators |
//! | --- | --- |
//! | [`depthwise`], [`position`] | peripheral and depthwise convolution, position embedding |
//! | [`linear`], [`conv2d`] | dense layers, as matrix products |
//! | [`pixel_mlp`] | LayerNorm, linear, GELU, linear, scale and residual as one operator |
//! | [`layer_norm`], [`batch_norm`] | normalization |
//! | [`activation`], [`elementwise`] | GELU, ReLU, sums, scales |
//! | [`channels`] | channels split and joined |
//! | [`max_pool`] | max pooling |
//! | [`separable`] | average pooling, resizing, subsampling: maps along rows and columns |
//! | [`roi_align`] | features of regions at one size |
//! | [`loss`], [`detection_loss`] | cross entropy, box and mask losses |
//! | [`optimizer`] | AdamW, SGD |
//!
//! The second half of a block, on two pixels of two channels:
//!
//! ```
//! use pelk_cpu::{Affine, Moments, Rows, RowsMut, activation, elementwise, layer_norm, linear};
//! use pelk_simd::Level;
//!
//! let level = Level::from_env()?; // the best one, or what PELK_SIMD names
//! let x = [1.0, -1.0, 3.0, 5.0];
//! let (mut normed, mut mean, mut inv_std) = ([0.0; 4], [0.0; 2], [0.0; 2]);
//! let affine = Affine { weight: &[1.0; 2][..], bias: &[0.0; 2] };
//! let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std };
//! layer_norm::forward(level, Rows::new(&x, 2)?, affine, 1e-6, RowsMut::new(&mut normed, 2)?, moments)?;
//!
//! let (expand, mut hidden) = ([1.0, 0.0, 0.0, 1.0, 1.0, -1.0], [0.0; 6]);
//! let (normed, expand) = (Rows::new(&normed, 2)?, Rows::new(&expand, 2)?);
//! linear::forward(level, normed, expand, None, RowsMut::new(&mut hidden, 3)?)?;
//! let mut active = [0.0; 6];
//! activation::gelu(level, &hidden, &mut active)?;
//! let (project, mut y) = ([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [0.0; 4]);
//! let (active, project) = (Rows::new(&active, 3)?, Rows::new(&project, 3)?);
//! linear::forward(level, active, project, Some(&[0.0; 2]), RowsMut::new(&mut y, 2)?)?;
//! elementwise::add_assign(level, &mut y, &x)?;
//! assert!((y[0] - 1.841).abs() < 1e-3 && (y[1] - 0.796).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::too_many_arguments)] // views and groups name them instead

pub mod activation;
pub mod batch_norm;
pub mod channels;
pub mod conv2d;
pub mod depthwise;
pub mod detection_loss;
pub mod elementwise;
mod gemm;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod max_pool;
pub mod optimizer;
mod parameters;
pub mod pixel_mlp;
pub mod position;
pub mod reference;
#[cfg(feature = "rivals")]
pub mod rivals;
pub mod roi_align;
mod rows;
mod rowwise;
mod scratch;
pub mod separable;
pub mod shape;
mod shared;

#[cfg(test)]
mod testing;

pub use parameters::{Affine, AffineGradients, Moments, Running};
pub use rows::{Rows, RowsMut};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
