//! One axis of a kernel over one axis of an image: which intervals ever overlap it, and which runs to sum.

use std::ops::Range;

use pelk_grid::SharingGrid;

/// One axis of the kernel over one axis of the image, without the taps that never overlap the image.
///
/// "Cell" is an interval of the grid, counted from the first one that meets the image; "output" is a position
/// of the result. A cell at `tap` sums the run of pixels `output + tap .. output + tap + length`.
#[derive(Debug)]
pub(super) struct Axis {
    /// Pixels of the image.
    pub extent: usize,
    /// The intervals of the grid that meet the image for at least one output.
    pub cells: Range<usize>,
    /// First tap of each cell relative to the output; ascending.
    pub taps: Vec<isize>,
    /// The lengths of runs to build, ascending from 1.
    pub sizes: Vec<usize>,
    /// For each size but the first, the indices of the two sizes that add up to it.
    pub parts: Vec<(usize, usize)>,
    /// For each cell, the index of its length.
    pub size_index: Vec<usize>,
    /// For each output, the cells that meet the image. Both ends decrease as the output grows.
    cells_at: Vec<Range<usize>>,
    /// For each input, the cells whose plane has a row `input - tap`.
    cells_of_input: Vec<Range<usize>>,
}

impl Axis {
    pub fn new(grid: &SharingGrid, extent: usize) -> Self {
        let plan = grid.box_plan();
        let (radius, last) = (grid.radius() as isize, extent as isize - 1);
        let taps: Vec<isize> = grid.offsets().iter().map(|&offset| offset as isize - radius).collect();
        let last_taps = taps.iter().zip(grid.intervals()).map(|(tap, &length)| tap + length as isize - 1);
        let last_taps: Vec<isize> = last_taps.collect();
        // The intervals that meet the image for this output: not entirely left or right of it.
        let meeting = |output: isize| {
            let begin = last_taps.partition_point(|&tap| output + tap < 0);
            begin..taps.partition_point(|&tap| output + tap <= last)
        };
        let met = grid.meeting(extent);
        let cells = met.first..met.first + met.count();
        let cells_at =
            (0..=last).map(meeting).map(|at| at.start - cells.start..at.end - cells.start).collect();

        // Sizes that only dropped intervals need are dropped too, starting with the largest.
        let mut needed = vec![false; plan.sizes().len()];
        needed[0] = true;
        for &size in &plan.size_index()[cells.clone()] {
            needed[size] = true;
        }
        for size in (1..needed.len()).rev() {
            if needed[size] {
                let (p, q) = plan.parts()[size];
                (needed[p], needed[q]) = (true, true);
            }
        }
        let kept: Vec<usize> = (0..needed.len()).filter(|&size| needed[size]).collect();
        let renamed = |size: usize| kept.partition_point(|&old| old < size);
        let size_index: Vec<usize> =
            plan.size_index()[cells.clone()].iter().map(|&size| renamed(size)).collect();
        let cells_of_input = (0..=last)
            .map(|input| {
                // Row `input - tap` must lie in 0..extent + length - 1.
                let begin = last_taps[cells.clone()].partition_point(|&tap| input - tap > last);
                begin..taps[cells.clone()].partition_point(|&tap| input - tap >= 0)
            })
            .collect();
        Self {
            extent,
            cells_of_input,
            taps: taps[cells.clone()].to_vec(),
            sizes: kept.iter().map(|&size| plan.sizes()[size]).collect(),
            parts: kept
                .iter()
                .map(|&size| plan.parts()[size])
                .map(|(p, q)| (renamed(p), renamed(q)))
                .collect(),
            size_index,
            cells,
            cells_at,
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// The taps that meet the image for at least one output, ascending, each with its interval of the grid.
    pub fn taps_meeting(&self) -> impl Iterator<Item = (usize, isize)> {
        let most = self.extent as isize - 1;
        (0..self.len()).flat_map(move |cell| {
            let taps = self.taps[cell].max(-most)..=self.last_tap(cell).min(most);
            taps.map(move |tap| (self.cells.start + cell, tap))
        })
    }

    /// Last tap of a cell.
    pub fn last_tap(&self, cell: usize) -> isize {
        self.taps[cell] + self.sizes[self.size_index[cell]] as isize - 1
    }

    /// For each size, which larger sizes are built from it: pairs of the larger size and the shift at which
    /// its run contains this one.
    pub fn feeds(&self) -> Vec<Vec<(usize, usize)>> {
        let mut feeds = vec![Vec::new(); self.sizes.len()];
        for size in 1..self.sizes.len() {
            let (p, q) = self.parts[size];
            feeds[p].push((size, 0));
            feeds[q].push((size, self.sizes[p]));
        }
        feeds
    }

    /// The cells that meet the image for at least one of these outputs.
    #[inline(always)]
    pub fn cells_meeting(&self, outputs: &Range<usize>) -> Range<usize> {
        self.cells_at[outputs.end - 1].start..self.cells_at[outputs.start].end
    }

    /// The outputs for which at least one of these neighboring cells meets the image.
    pub fn outputs_meeting(&self, cells: &Range<usize>) -> Range<usize> {
        let first = (-self.last_tap(cells.end - 1)).max(0);
        let end = (self.extent as isize - self.taps[cells.start]).min(self.extent as isize);
        first as usize..end as usize
    }

    /// The cells that use an input at this position: those for which it is the first pixel of a run, or would
    /// be if runs were taken of the outputs.
    pub fn cells_of_input(&self, input: usize) -> Range<usize> {
        self.cells_of_input[input].clone()
    }

    /// Pairs of an output and a cell that meets the image there.
    pub fn meetings(&self) -> usize {
        self.cells_at.iter().map(Range::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_map_drops_the_intervals_and_sizes_beyond_it() {
        let grid = SharingGrid::exponential(47, 5, 2).unwrap();
        let whole = Axis::new(&grid, 56);
        assert_eq!((whole.cells.clone(), whole.len()), (0..grid.cells(), grid.cells()));
        assert_eq!(whole.sizes, grid.box_plan().sizes());
        // Half grid 7,8,4,2,1,1,1: offsets -23, -16, -8, ... At 14 pixels taps beyond 13 are dead.
        let small = Axis::new(&grid, 14);
        assert_eq!(small.cells, 1..grid.cells() - 1);
        assert_eq!(small.sizes, [1, 2, 4, 8]);
        assert_eq!(small.parts[1..], [(0, 0), (1, 1), (2, 2)]);
        // On one pixel only the center tap is left.
        let one = Axis::new(&grid, 1);
        assert_eq!((one.len(), one.taps[0], one.sizes.as_slice()), (1, 0, &[1][..]));
    }

    #[test]
    fn meetings_agree_with_counting_them() {
        for half in [&[9, 8, 4, 2, 1, 1, 1][..], &[3], &[4, 1, 5], &[1, 1, 1]] {
            let grid = SharingGrid::from_half(half).unwrap();
            for extent in [1, 2, 7, 20, 60] {
                let axis = Axis::new(&grid, extent);
                let meets = |output: usize, cell: usize| {
                    let first = output as isize + axis.taps[cell];
                    first < extent as isize && output as isize + axis.last_tap(cell) >= 0
                };
                let count: usize =
                    (0..extent).map(|y| (0..axis.len()).filter(|&a| meets(y, a)).count()).sum();
                assert_eq!(axis.meetings(), count, "{grid} on {extent}");
                for cell in 0..axis.len() {
                    let outputs: Vec<usize> = (0..extent).filter(|&output| meets(output, cell)).collect();
                    assert_eq!(axis.outputs_meeting(&(cell..cell + 1)).collect::<Vec<_>>(), outputs);
                }
                let last = extent as isize - 1;
                for (cell, tap) in axis.taps_meeting() {
                    let local = cell - axis.cells.start;
                    assert!((axis.taps[local]..=axis.last_tap(local)).contains(&tap) && tap.abs() <= last);
                }
                let reach = (grid.radius() as isize).min(last);
                assert_eq!(axis.taps_meeting().count() as isize, 2 * reach + 1, "{grid} on {extent}");
                for output in 0..extent {
                    let cells: Vec<usize> = (0..axis.len()).filter(|&cell| meets(output, cell)).collect();
                    assert_eq!(axis.cells_meeting(&(output..output + 1)).collect::<Vec<_>>(), cells);
                }
            }
        }
    }
}
