//! The text above a drawing.

use crate::SharingGrid;

/// The grid in one line.
pub(super) fn headline(grid: &SharingGrid) -> String {
    let (kernel, cells) = (grid.kernel(), grid.cells());
    let kept = 100.0 * grid.params_per_channel() as f64 / (kernel * kernel) as f64;
    format!("{kernel} x {kernel} kernel, {cells} x {cells} parameters per channel, {kept:.2} % of dense")
}

/// The half grid and the fine center in one line of at most 100 characters.
pub(super) fn subtitle(grid: &SharingGrid) -> String {
    const ENDS: usize = 5; // intervals shown at both ends of a long half grid
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
