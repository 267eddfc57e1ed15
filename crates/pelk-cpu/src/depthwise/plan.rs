//! What one convolution on images of one size has to do: which runs to sum, which intervals ever meet the
//! image, and where things lie in the buffers.

use std::ops::Range;

use pelk_grid::SharingGrid;

/// One axis of the kernel over one axis of the image, without what never meets the image.
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
    /// For each size but the first, the indices of the two sizes that it is made of.
    pub parts: Vec<(usize, usize)>,
    /// For each cell, the index of its length.
    pub size_index: Vec<usize>,
    /// For each output, the cells that meet the image. Both ends fall with the output.
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
        // The intervals that meet the image for this output: not wholly left of it, not wholly right of it.
        let meeting = |output: isize| {
            let begin = last_taps.partition_point(|&tap| output + tap < 0);
            begin..taps.partition_point(|&tap| output + tap <= last)
        };
        // Intervals slide to the right with the output, so those on the left meet the last one if any.
        let cells = meeting(last).start..meeting(0).end;
        let cells_at =
            (0..=last).map(meeting).map(|at| at.start - cells.start..at.end - cells.start).collect();

        // Sizes that only dropped intervals need are dropped too, from the largest down.
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

    fn last_tap(&self, cell: usize) -> isize {
        self.taps[cell] + self.sizes[self.size_index[cell]] as isize - 1
    }

    /// For each size, where the sums of runs of that size are needed further up: pairs of the larger size and
    /// of the shift at which its run contains this one.
    fn feeds(&self) -> Vec<Vec<(usize, usize)>> {
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

    /// The outputs for which at least one of these neighbouring cells meets the image.
    pub fn outputs_meeting(&self, cells: &Range<usize>) -> Range<usize> {
        let first = (-self.last_tap(cells.end - 1)).max(0);
        let end = (self.extent as isize - self.taps[cells.start]).min(self.extent as isize);
        first as usize..end as usize
    }

    /// The cells that use an input at this position: those for which it is the first pixel of a run, or would be
    /// if runs were taken of the outputs.
    pub fn cells_of_input(&self, input: usize) -> Range<usize> {
        self.cells_of_input[input].clone()
    }

    /// Pairs of an output and a cell that meets the image there.
    pub fn meetings(&self) -> usize {
        self.cells_at.iter().map(Range::len).sum()
    }
}

/// Both axes, and the layout of the buffers, in vectors of one channel block, for one band of columns.
#[derive(Debug)]
pub(super) struct Plan {
    pub rows: Axis,
    pub columns: Axis,
    /// The columns of the outputs that are computed.
    pub outputs: Range<usize>,
    /// The columns of the image that they depend on.
    pub inputs: Range<usize>,
    /// For each width, where the first of its runs lies in the sums of a row, and how many there are.
    pub runs: Vec<Range<usize>>,
    /// Where the image's first column lies in the sums of a row; zeros on its left.
    pub left: usize,
    /// For each column cell, where its run for the band's first output lies in the sums of a row.
    pub starts: Vec<usize>,
    /// From the runs of one width to those of the next.
    pub sums_pitch: usize,
    /// For each height, the plane that row cells of that height meet.
    pub planes: Vec<Plane>,
    /// For each row cell, where the row of its plane that input row 0 meets would begin (before the plane, if
    /// the tap is positive).
    pub meets: Vec<isize>,
    /// From one row of a plane to the next.
    pub pitch: usize,
}

/// The rows of outputs of one height, before the runs of that height are taken: row `y` counts for outputs
/// `y + 1 - height ..= y`.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub begin: usize,
    pub rows: usize,
    /// The largest tap of a row cell of this height: input row `s` meets no row above `s - reach`.
    pub reach: isize,
    /// The planes, and the rows below, whose rows count for a row of this one.
    pub feeds: Vec<(usize, usize)>,
}

impl Plan {
    pub fn new(
        rows: &SharingGrid,
        columns: &SharingGrid,
        height: usize,
        width: usize,
        band: Range<usize>,
    ) -> Self {
        let (rows, columns) = (Axis::new(rows, height), Axis::new(columns, width));
        // Odd pitches: rows at multiples of a power of two would fall into few cache sets.
        let pitch = band.len() | 1;
        let mut begin = 0;
        let mut planes: Vec<Plane> = Vec::with_capacity(rows.sizes.len());
        for (&size, feeds) in rows.sizes.iter().zip(rows.feeds()) {
            let count = height + size - 1;
            planes.push(Plane { begin, rows: count, reach: rows.taps[0], feeds });
            begin += count * pitch;
        }
        for (&size, &tap) in rows.size_index.iter().zip(&rows.taps) {
            planes[size].reach = planes[size].reach.max(tap);
        }
        let meets = rows.size_index.iter().zip(&rows.taps);
        let meets = meets.map(|(&size, &tap)| planes[size].begin as isize - tap * pitch as isize).collect();

        // The first and last pixel that any run of the band begins or ends with.
        let first = band.start as isize + columns.taps[0];
        let last = (band.end - 1) as isize + columns.last_tap(columns.len() - 1);
        let inputs = first.max(0) as usize..(last + 1).min(width as isize) as usize;
        // Zeros as far as any cell looks and as any run takes its right part from, so that no loop checks.
        let left = (inputs.start as isize - first) as usize;
        let reach = (band.end as isize + columns.taps[columns.len() - 1]).max(inputs.end as isize) as usize;
        let part = columns.parts.iter().skip(1).map(|&(p, _)| columns.sizes[p]).max().unwrap_or(0);
        let sums_pitch = (left + (reach - inputs.start).max(inputs.len() + part)) | 1;
        let at = |size: usize, position: isize| (size * sums_pitch).wrapping_add_signed(position - first);
        let runs =
            columns.sizes.iter().enumerate().map(|(size, &length)| {
                at(size, first.max(1 - length as isize))..at(size, inputs.end as isize)
            });
        let runs = runs.collect();
        let starts = columns.size_index.iter().zip(&columns.taps);
        let starts = starts.map(|(&size, &tap)| at(size, band.start as isize + tap)).collect();
        Self { rows, columns, outputs: band, inputs, runs, left, starts, sums_pitch, planes, meets, pitch }
    }

    /// The outputs, counted from the band's first, for which at least one of these neighbouring column cells
    /// meets the image.
    pub fn outputs_meeting(&self, cells: &Range<usize>) -> Range<usize> {
        let meeting = self.columns.outputs_meeting(cells);
        let local = |output: usize| output.clamp(self.outputs.start, self.outputs.end) - self.outputs.start;
        local(meeting.start)..local(meeting.end)
    }

    /// Vectors that the runs of one row need.
    pub fn sums_len(&self) -> usize {
        self.columns.sizes.len() * self.sums_pitch
    }

    /// The first row of the planes that no input row above `s` meets.
    pub fn plane_row_met_last(&self, s: usize) -> usize {
        s.saturating_add_signed(-self.rows.taps[0])
    }

    /// The rows of the planes that any input row meets end before this one.
    pub fn plane_rows_met(&self) -> usize {
        self.plane_row_met_last(self.rows.extent)
    }

    /// Vectors of all planes.
    pub fn planes_len(&self) -> usize {
        self.planes.iter().map(|plane| plane.rows * self.pitch).sum()
    }

    /// Parameters of a channel that meet the image.
    pub fn cells(&self) -> usize {
        self.rows.len() * self.columns.len()
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
        // On one pixel only the centre tap is left.
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
                let count = (0..extent).map(|y| (0..axis.len()).filter(|&a| meets(y, a)).count()).sum();
                assert_eq!(axis.meetings(), count, "{grid} on {extent}");
                for cell in 0..axis.len() {
                    let outputs: Vec<usize> = (0..extent).filter(|&output| meets(output, cell)).collect();
                    assert_eq!(axis.outputs_meeting(&(cell..cell + 1)).collect::<Vec<_>>(), outputs);
                }
                for output in 0..extent {
                    let cells: Vec<usize> = (0..axis.len()).filter(|&cell| meets(output, cell)).collect();
                    assert_eq!(axis.cells_meeting(&(output..output + 1)).collect::<Vec<_>>(), cells);
                }
            }
        }
    }
}
