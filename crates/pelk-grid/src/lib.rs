//! Sharing grids of peripheral convolution: intervals, regions, expansion, box plans.
//!
//! A peripheral convolution (PeLK, CVPR 2024, arXiv 2403.07589) sees with a large k x k kernel but stores a
//! small k' x k' one. A [`SharingGrid`] divides the k taps of an axis into k' intervals, fine in the middle
//! and coarser toward the edges; all taps in the rectangle where a row interval and a column interval meet (a
//! [`Region`]) share one parameter.
//!
//! This crate is the mathematics only, on plain slices:
//!
//! - [`SharingGrid`]: rules for grids (Eq. 2 of the paper, its ablations, or your own intervals);
//! - [`expand`] and [`reduce`]: from shared to dense kernels, and back for gradients;
//! - [`Intervals`]: which of a grid's intervals meet a line of pixels;
//! - [`BoxPlan`]: the order in which to build the box sums that make the operator fast;
//! - [`picture`]: drawings of a grid, for a terminal or as SVG.
//!
//! Rows and columns can have different grids, so k x l kernels work as well.
//!
//! ```
//! use pelk_grid::{SharingGrid, expand, reduce};
//!
//! # fn main() -> Result<(), pelk_grid::GridError> {
//! // The first stage of PeLK: 51 x 51 taps around a fine 5 x 5 center, intervals growing by powers of two.
//! let grid = SharingGrid::exponential(51, 5, 2)?;
//! assert_eq!(grid.half(), [9, 8, 4, 2, 1, 1, 1]); // from the outer edge to the center, as in the paper
//! assert_eq!((grid.cells(), grid.params_per_channel()), (13, 169)); // a dense kernel has 2601
//!
//! // One channel: 13 x 13 parameters become 51 x 51 taps, and tap gradients become parameter gradients.
//! let theta = vec![0.5_f32; 169];
//! let dense = expand(&grid, &grid, &theta)?;
//! assert_eq!(dense.len(), 51 * 51);
//! let gradient = reduce(&grid, &grid, &vec![1.0_f32; 51 * 51])?;
//! assert_eq!(gradient[0], 81.0); // 9 x 9 taps share the parameter in the corner
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod boxes;
mod convert;
mod error;
mod grid;
mod intervals;
mod region;

pub mod picture;

pub use boxes::BoxPlan;
pub use convert::{expand, reduce};
pub use error::{GridError, MAX_KERNEL};
pub use grid::SharingGrid;
pub use intervals::Intervals;
pub use region::{Region, regions};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
