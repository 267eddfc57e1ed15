//! Pictures of a grid: one for a terminal, one for a page, and a small one for lists.
//!
//! ```
//! let grid = pelk_grid::SharingGrid::exponential(13, 5, 2)?;
//! let picture = pelk_grid::picture::text(&grid);
//! assert!(picture.starts_with("13 x 13 kernel, 9 x 9 parameters per channel, 47.93 % of dense\n"));
//! assert!(pelk_grid::picture::svg(&grid).starts_with("<svg"));
//! # Ok::<(), pelk_grid::GridError>(())
//! ```

mod ramp;
mod svg;
mod text;
mod thumbnail;

use crate::SharingGrid;

/// A picture for a terminal, at most 100 columns wide.
///
/// Below the numbers the regions are drawn as a chessboard: neighbors differ, so each field is one parameter. A
/// character is one tap wide and two taps high. Kernels that would be too wide are drawn with shorter intervals,
/// and where there are more than 100 intervals, only those in the middle; the picture then says so.
pub fn text(grid: &SharingGrid) -> String {
    text::Picture(grid).to_string()
}

/// A self-contained SVG picture on a card of its own, readable on white and on dark pages.
///
/// Every region is a rectangle whose color says how many taps share its parameter. It takes about 70 bytes a
/// region, so it suits grids of up to a few hundred intervals.
pub fn svg(grid: &SharingGrid) -> String {
    svg::Picture(grid).to_string()
}

/// A small SVG picture without text, a unit a tap, for tables and lists of grids.
pub fn thumbnail(grid: &SharingGrid) -> String {
    thumbnail::Picture(grid).to_string()
}

/// The grid in one line.
fn headline(grid: &SharingGrid) -> String {
    let (kernel, cells) = (grid.kernel(), grid.cells());
    let kept = 100.0 * grid.params_per_channel() as f64 / (kernel * kernel) as f64;
    format!("{kernel} x {kernel} kernel, {cells} x {cells} parameters per channel, {kept:.2} % of dense")
}

/// The half grid and the fine center in one line of at most 100 characters.
fn subtitle(grid: &SharingGrid) -> String {
    const ENDS: usize = 5; // intervals shown at either end of a long half grid
    let list = |part: &[usize]| part.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let half = grid.half();
    let half = match half.len() {
        0..=11 => list(half),
        len => format!("{},...,{}", list(&half[..ENDS]), list(&half[len - ENDS..])),
    };
    let center = match grid.center() {
        0 => "no fine center".to_owned(),
        side => format!("fine center {side} x {side}"),
    };
    format!("half grid {half} (outer edge to center), {center}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_paper_s_first_kernel() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        assert_eq!(headline(&grid), "51 x 51 kernel, 13 x 13 parameters per channel, 6.50 % of dense");
        assert_eq!(subtitle(&grid), "half grid 9,8,4,2,1,1,1 (outer edge to center), fine center 5 x 5");
    }

    #[test]
    fn long_half_grids_are_shortened() {
        let line = subtitle(&SharingGrid::dense(101).unwrap());
        assert!(line.starts_with("half grid 1,1,1,1,1,...,1,1,1,1,1 ("), "{line}");
        let line = subtitle(&SharingGrid::from_half(&[3]).unwrap());
        assert!(line.ends_with("no fine center"), "{line}");
    }
}
