//! CPU operators of large-kernel ConvNets, forward and backward, SIMD and multi-threaded.
//!
//! Every operator is a plain function on slices:
//!
//! - its first argument is a [`simd::Level`], the vector instructions to use;
//! - shapes are explicit, images are N, H, W, C in memory ([`shape::ImageShape`]);
//! - outputs are buffers of the caller and are overwritten in full, whatever they held before;
//! - lengths and parameters are checked first: bad ones give a [`shape::ShapeError`], never a panic;
//! - work is cut by shape alone and partial sums are added in a fixed order, so results have the same bits
//!   with any number of threads (rayon's current pool).
//!
//! ```
//! use pelk_cpu::shape::ImageShape;
//! use pelk_cpu::simd::Level;
//!
//! let level = Level::from_env()?;
//! let shape = ImageShape::checked("example", 1, 56, 56, 96)?;
//! println!("{level}: {} pixels of {} channels", shape.pixels(), shape.c);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

pub mod activation;
pub mod batch_norm;
pub mod conv2d;
pub mod depthwise;
pub mod elementwise;
mod gemm;
pub mod layer_norm;
pub mod linear;
pub mod position;
pub mod reference;
mod rowwise;
pub mod shape;
pub mod simd;

#[cfg(test)]
mod testing;
