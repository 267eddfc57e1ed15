//! Rectangles of taps that share one parameter.

use crate::SharingGrid;

/// The taps that share one parameter: the rectangle where a row interval and a column interval meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    /// Index of the row interval: the row of the parameter in the k' x l' kernel.
    pub row: usize,
    /// Index of the column interval: the column of the parameter in the k' x l' kernel.
    pub column: usize,
    /// First tap row.
    pub y: usize,
    /// First tap column.
    pub x: usize,
    /// Number of tap rows.
    pub height: usize,
    /// Number of tap columns.
    pub width: usize,
}

impl Region {
    /// Number of taps in the region.
    pub fn taps(&self) -> usize {
        self.height * self.width
    }
}

impl SharingGrid {
    /// The k'^2 regions of a k x k kernel with this grid on both axes, row by row.
    pub fn regions(&self) -> impl Iterator<Item = Region> {
        regions(self, self)
    }
}

/// The k' * l' regions of a kernel with these grids on its rows and columns, row by row.
///
/// They cover each of the k x l taps exactly once.
pub fn regions(rows: &SharingGrid, columns: &SharingGrid) -> impl Iterator<Item = Region> {
    spans(rows).flat_map(move |(row, y, height)| {
        spans(columns).map(move |(column, x, width)| Region { row, column, y, x, height, width })
    })
}

/// Index, first tap and length of each interval.
fn spans(grid: &SharingGrid) -> impl Iterator<Item = (usize, usize, usize)> {
    let lengths = grid.intervals().iter().copied();
    grid.offsets()
        .iter()
        .copied()
        .zip(lengths)
        .enumerate()
        .map(|(index, (first, length))| (index, first, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::any_grid;
    use proptest::prelude::*;

    #[test]
    fn regions_come_row_by_row() {
        let grid = SharingGrid::from_half(&[2, 1]).unwrap();
        let all: Vec<Region> = grid.regions().collect();
        assert_eq!(all.len(), 9);
        assert_eq!(all[5], Region { row: 1, column: 2, y: 2, x: 3, height: 1, width: 2 });
        assert_eq!(all[5].taps(), 2);
    }

    proptest! {
        #[test]
        fn regions_tile_the_kernel(rows in any_grid(), columns in any_grid()) {
            let mut hits = vec![0; rows.kernel() * columns.kernel()];
            for region in regions(&rows, &columns) {
                for y in region.y..region.y + region.height {
                    for x in region.x..region.x + region.width {
                        hits[y * columns.kernel() + x] += 1;
                        prop_assert_eq!(rows.interval_of_tap(y), Some(region.row));
                        prop_assert_eq!(columns.interval_of_tap(x), Some(region.column));
                    }
                }
            }
            prop_assert!(hits.iter().all(|&count| count == 1));
        }
    }
}
