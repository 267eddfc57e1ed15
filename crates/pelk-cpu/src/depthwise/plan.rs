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
    /// For each height, the largest tap of a row cell of that height, at least 0: input row `s` meets no row of
    /// that plane above `s - reach`.
    pub reach: Vec<usize>,
    /// For each height, how far above input row `s` the sums of another image's rows must exist: as far as row
    /// cells reach, and as taller sums need that are made of them.
    pub lead: Vec<usize>,
    /// For each height, the taller ones, and the rows below, whose rows count for a row of this one.
    pub feeds: Vec<Vec<(usize, usize)>>,
    /// For each height, the plane that products are added to.
    pub products: Vec<Plane>,
    /// For each height, the plane of another image's sums.
    pub others: Vec<Plane>,
    /// Parameters of one row cell in the packed kernel: all columns, whether they meet the image or not.
    pub theta_pitch: usize,
    /// From one row of a plane to the next.
    pub pitch: usize,
}

/// Rows of outputs of one height, before the runs of that height are taken: row `y` counts for outputs
/// `y + 1 - height ..= y`. Only the latest are kept, each in the place of one long gone.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    begin: usize,
    kept: usize,
    pitch: usize,
    /// Number of rows, kept or not.
    pub rows: usize,
}

impl Plane {
    /// Where row `y` lies.
    #[inline(always)]
    pub fn row(&self, y: usize) -> usize {
        self.begin + y % self.kept * self.pitch
    }
}

/// Planes one behind the other: for each height its rows and how many of them are kept.
fn planes(pitch: usize, heights: impl Iterator<Item = (usize, usize)>) -> Vec<Plane> {
    let mut begin = 0;
    let planes = heights.map(|(rows, kept)| {
        let plane = Plane { begin, kept: kept.min(rows), pitch, rows };
        begin += plane.kept * pitch;
        plane
    });
    planes.collect()
}

/// Vectors that planes need.
pub(super) fn planes_len(planes: &[Plane]) -> usize {
    planes.iter().map(|plane| plane.kept * plane.pitch).sum()
}

impl Plan {
    pub fn new(
        rows: &SharingGrid,
        columns: &SharingGrid,
        height: usize,
        width: usize,
        band: Range<usize>,
    ) -> Self {
        let theta_pitch = columns.cells();
        let (rows, columns) = (Axis::new(rows, height), Axis::new(columns, width));
        // Odd pitches: rows at multiples of a power of two would fall into few cache sets.
        let pitch = band.len() | 1;
        let top = rows.taps[0].unsigned_abs();
        let mut reach = vec![0; rows.sizes.len()];
        for (&size, &tap) in rows.size_index.iter().zip(&rows.taps) {
            reach[size] = tap.max(reach[size] as isize) as usize;
        }
        let mut lead = reach.clone();
        for size in (1..rows.sizes.len()).rev() {
            let (p, q) = rows.parts[size];
            lead[p] = lead[p].max(lead[size]);
            lead[q] = lead[q].max(lead[size] + rows.sizes[p]);
        }
        let feeds = rows.feeds();
        let counts: Vec<usize> = rows.sizes.iter().map(|size| height + size - 1).collect();
        let fed = |taller: usize| {
            let below = feeds.iter().flatten().filter(|feed| feed.0 == taller);
            below.map(|feed| feed.1).max().unwrap_or(0)
        };
        let kept = (0..counts.len()).map(|size| (counts[size], reach[size] + top + fed(size) + 1));
        let products = planes(pitch, kept);
        let others = planes(pitch, counts.iter().zip(&lead).map(|(&rows, lead)| (rows, lead + top + 1)));

        // The first and last pixel that any run of the band begins or ends with.
        let first = band.start as isize + columns.taps[0];
        let last = (band.end - 1) as isize + columns.last_tap(columns.len() - 1);
        let inputs = first.max(0) as usize..(last + 1).min(width as isize) as usize;
        // Zeros as far as any cell looks and as any run takes its right part from, so that no loop checks.
        let left = (inputs.start as isize - first) as usize;
        let right = (band.end as isize + columns.taps[columns.len() - 1]).max(inputs.end as isize) as usize;
        let part = columns.parts.iter().skip(1).map(|&(p, _)| columns.sizes[p]).max().unwrap_or(0);
        let sums_pitch = (left + (right - inputs.start).max(inputs.len() + part)) | 1;
        let at = |size: usize, position: isize| (size * sums_pitch).wrapping_add_signed(position - first);
        let runs =
            columns.sizes.iter().enumerate().map(|(size, &length)| {
                at(size, first.max(1 - length as isize))..at(size, inputs.end as isize)
            });
        let runs = runs.collect();
        let starts = columns.size_index.iter().zip(&columns.taps);
        let starts = starts.map(|(&size, &tap)| at(size, band.start as isize + tap)).collect();
        Self {
            rows,
            columns,
            outputs: band,
            inputs,
            runs,
            left,
            starts,
            sums_pitch,
            reach,
            lead,
            feeds,
            products,
            others,
            theta_pitch,
            pitch,
        }
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

    /// Rows of planes from this one on are met by no input row.
    pub fn met(&self) -> usize {
        self.finished_after(self.rows.extent)
    }

    /// Rows of planes from this one on are met by no input row above `s`.
    pub fn finished_after(&self, s: usize) -> usize {
        s.saturating_add_signed(-self.rows.taps[0])
    }

    /// Vectors of the packed kernel.
    pub fn theta_len(&self) -> usize {
        self.rows.len() * self.theta_pitch
    }

    /// Where the parameters of a row cell begin, in the packed kernel, for the column cells that meet the image.
    #[inline(always)]
    pub fn theta_row(&self, cell: usize) -> usize {
        cell * self.theta_pitch + self.columns.cells.start
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
