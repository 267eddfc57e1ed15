//! Where things lie in the buffers of a convolution on images of one size.

use std::ops::Range;

use pelk_grid::SharingGrid;

use crate::depthwise::axis::Axis;

/// Both axes, and the layout of the buffers, in vectors of one channel block.
#[derive(Debug)]
pub(in crate::depthwise) struct Plan {
    pub rows: Axis,
    pub columns: Axis,
    /// For each width, where the first of its runs lies in the sums of a row, and how many there are.
    pub runs: Vec<Range<usize>>,
    /// Where the image's first column lies in the sums of a row; zeros on its left.
    pub left: usize,
    /// For each column cell, where its run for the first output lies in the sums of a row.
    pub starts: Vec<usize>,
    /// From the runs of one width to those of the next.
    pub sums_pitch: usize,
    /// For each height, the largest tap of a row cell of that height, at least 0: input row `s` meets no row
    /// of that plane above `s - reach`.
    pub reach: Vec<usize>,
    /// For each height, how far above input row `s` the sums of another image's rows must exist: as far as
    /// row cells reach, and as far as taller sums that are made of them need.
    pub lead: Vec<usize>,
    /// For each height, which taller planes add to a row of this one, and from how many rows below.
    pub feeds: Vec<Vec<(usize, usize)>>,
    /// For each height, the plane that products are added to.
    pub products: Vec<Plane>,
    /// For each height, the plane of another image's sums.
    pub others: Vec<Plane>,
    /// Parameters of one row cell in the packed kernel, which has all of them, whether they meet the image or
    /// not.
    theta_pitch: usize,
    /// From one row of a plane to the next.
    pub pitch: usize,
}

/// Rows of outputs of one height, before the runs of that height are taken: row `y` counts for outputs
/// `y + 1 - height ..= y`. Only the latest are kept, in a ring.
#[derive(Debug, Clone)]
pub(in crate::depthwise) struct Plane {
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

/// Planes one after the other: for each height, its rows and how many of them are kept.
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
    pub fn new(rows: &SharingGrid, columns: &SharingGrid, height: usize, width: usize) -> Self {
        let theta_pitch = columns.cells();
        let (rows, columns) = (Axis::new(rows, height), Axis::new(columns, width));
        // Odd pitches: rows at multiples of a power of two would map to few cache sets.
        let pitch = width | 1;
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

        // Zeros as far as any cell or the right part of any run reaches, so that no loop needs a check.
        let first = columns.taps[0];
        let left = (-first).max(0) as usize;
        let right = (width as isize + columns.taps[columns.len() - 1]).max(width as isize) as usize;
        let part = columns.parts.iter().skip(1).map(|&(p, _)| columns.sizes[p]).max().unwrap_or(0);
        let sums_pitch = (left + right.max(width + part)) | 1;
        let at = |size: usize, position: isize| (size * sums_pitch).wrapping_add_signed(position - first);
        let runs = columns
            .sizes
            .iter()
            .enumerate()
            .map(|(size, &length)| at(size, first.max(1 - length as isize))..at(size, width as isize));
        let runs = runs.collect();
        let starts = columns.size_index.iter().zip(&columns.taps);
        let starts = starts.map(|(&size, &tap)| at(size, tap)).collect();
        Self {
            rows,
            columns,
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

    /// Where the parameters of a row cell begin, in the packed kernel, for the column cells that meet the
    /// image.
    #[inline(always)]
    pub fn theta_row(&self, cell: usize) -> usize {
        (self.rows.cells.start + cell) * self.theta_pitch + self.columns.cells.start
    }

    /// Parameters of a channel that meet the image.
    pub fn cells(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}
