//! Drawings of a grid: for a terminal, for a page, and a small one for lists.
//!
//! ```
//! let grid = pelk_grid::SharingGrid::exponential(13, 5, 2)?;
//! let picture = pelk_grid::picture::text(&grid);
//! assert!(picture.starts_with("13 x 13 kernel, 9 x 9 parameters per channel, 47.93 % of dense\n"));
//! assert!(pelk_grid::picture::svg(&grid).starts_with("<svg"));
//! # Ok::<(), pelk_grid::GridError>(())
//! ```

mod caption;
mod ramp;
mod svg;
mod text;
mod thumbnail;

use crate::SharingGrid;

/// A drawing for a terminal, at most 100 columns wide.
///
/// Below the numbers, regions form a checkerboard: neighbors differ, so each square is one parameter. A
/// character is one tap wide and two taps high. Kernels that are too wide are drawn with shorter intervals,
/// and of more than 100 intervals only those in the middle; a line then says so.
pub fn text(grid: &SharingGrid) -> String {
    text::Picture(grid).to_string()
}

/// A self-contained SVG drawing on a white card, readable on light and dark pages.
///
/// Every region is a rectangle whose color shows how many taps share its parameter. It takes about 70 bytes
/// per region, so it suits grids of up to a few hundred intervals.
pub fn svg(grid: &SharingGrid) -> String {
    svg::Picture(grid).to_string()
}

/// A small SVG drawing without text, one unit per tap, for tables and lists of grids.
pub fn thumbnail(grid: &SharingGrid) -> String {
    thumbnail::Picture(grid).to_string()
}
