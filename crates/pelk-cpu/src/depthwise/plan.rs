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
    /// For each size, the cells of that length, ascending.
    pub cells_of: Vec<Vec<usize>>,
    /// For each cell, the index of its length.
    pub size_index: Vec<usize>,
    /// For each output, the cells that meet the image. Both ends fall with the output.
    cells_at: Vec<Range<usize>>,
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
        let cells_of = (0..kept.len())
            .map(|size| (0..size_index.len()).filter(|&cell| size_index[cell] == size).collect())
            .collect();
        Self {
            extent,
            taps: taps[cells.clone()].to_vec(),
            sizes: kept.iter().map(|&size| plan.sizes()[size]).collect(),
            parts: kept
                .iter()
                .map(|&size| plan.parts()[size])
                .map(|(p, q)| (renamed(p), renamed(q)))
                .collect(),
            cells_of,
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

    /// The first start at which a run of this size meets the image and serves an output. Starts end at the
    /// last pixel.
    pub fn first_start(&self, size: usize) -> isize {
        (1 - self.sizes[size] as isize).max(self.taps[0])
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

    /// Pairs of an output and a cell that meets the image there.
    pub fn meetings(&self) -> usize {
        self.cells_at.iter().map(Range::len).sum()
    }
}

/// Both axes, and the layout of the buffers, in vectors of one channel block.
#[derive(Debug)]
pub(super) struct Plan {
    pub rows: Axis,
    pub columns: Axis,
    /// For each height, where its ring of vertical runs begins, and how many rows it holds. A row of zeros
    /// lies before the first ring.
    pub rings: Vec<Ring>,
    /// For each column cell, where its box sum for output 0 lies among the box sums of a row.
    pub starts: Vec<usize>,
    /// Zeros on the left of each row of box sums.
    pub left: usize,
    /// From the row of box sums of one width to that of the next.
    pub sums_pitch: usize,
    /// From one row of the output plane to the next.
    pub output_pitch: usize,
}

/// The latest vertical runs of one height: row `start` is overwritten by row `start - rows`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    begin: usize,
    rows: usize,
    pitch: usize,
}

impl Ring {
    /// Where the row of this start lies in the buffer of all rings.
    pub fn row(&self, start: isize) -> usize {
        self.begin + start.rem_euclid(self.rows as isize) as usize * self.pitch
    }

    /// Where the first row lies.
    pub fn begin(&self) -> usize {
        self.begin
    }
}

impl Plan {
    pub fn new(rows: &SharingGrid, columns: &SharingGrid, height: usize, width: usize) -> Self {
        let (rows, columns) = (Axis::new(rows, height), Axis::new(columns, width));
        // A size is kept for as many rows as the tallest run above it that it completes, and the present one.
        let mut kept = vec![1; rows.sizes.len()];
        for &(p, q) in rows.parts.iter().skip(1) {
            kept[q] = kept[q].max(rows.sizes[p] + 1);
        }
        let mut begin = width;
        let mut rings = Vec::with_capacity(kept.len());
        for rows in kept {
            rings.push(Ring { begin, rows, pitch: width });
            begin += rows * width;
        }

        // Zeros as far as any cell looks and as any run takes its right part from, so that no loop checks.
        let left = columns.taps[0].unsigned_abs();
        let reach = columns.taps[columns.len() - 1].max(0) as usize;
        let part = columns.parts.iter().skip(1).map(|&(p, _)| columns.sizes[p]).max().unwrap_or(0);
        // Odd pitches: rows at multiples of a power of two would fall into few cache sets.
        let sums_pitch = (left + width + reach.max(part)) | 1;
        let starts = columns.size_index.iter().zip(&columns.taps);
        let starts =
            starts.map(|(&size, &tap)| (size * sums_pitch + left).wrapping_add_signed(tap)).collect();
        Self { rows, columns, rings, starts, left, sums_pitch, output_pitch: width | 1 }
    }

    /// Vectors that the rings and their row of zeros need.
    pub fn rings_len(&self) -> usize {
        self.columns.extent + self.rings.iter().map(|ring| ring.rows * ring.pitch).sum::<usize>()
    }

    /// Vectors that the box sums of one row need.
    pub fn sums_len(&self) -> usize {
        self.columns.sizes.len() * self.sums_pitch
    }

    /// Vectors of an output plane.
    pub fn output_len(&self) -> usize {
        self.rows.extent * self.output_pitch
    }

    /// Vectors of the image.
    pub fn image_len(&self) -> usize {
        self.rows.extent * self.columns.extent
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
