//! The walk over an image that builds all box sums, each once, and hands them on.
//!
//! Starts of vertical runs are visited from the bottom of the image up. For each, and for each height of the
//! kernel's intervals, the vertical run of every column is one addition of two earlier ones; then the runs of
//! every width are built from that row. So at any time only a few rows exist, and they stay in the cache.

use super::correlate::Correlate;
use super::pack::Channels;
use super::plan::Plan;
use super::scatter::Scatter;
use crate::simd::Simd;

/// The box sums of one height and start row, for all widths.
pub(super) struct BoxRow<'a, V> {
    /// Sums of all widths, padded with zeros.
    pub sums: &'a [V],
    /// For each column cell, where its sum for output 0 lies; the next outputs follow.
    pub starts: &'a [usize],
}

/// A place where a row of box sums is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// The row of kernel cells.
    pub cell: usize,
    /// The row of outputs.
    pub output: usize,
}

/// What is done with the box sums.
pub(super) struct Consumers<'a, S: Simd> {
    pub scatter: Option<Scatter<'a, S>>,
    pub correlate: Option<Correlate<'a, S>>,
}

impl<S: Simd> Consumers<'_, S> {
    #[inline(always)]
    fn consume(&mut self, simd: S, plan: &Plan, boxes: &BoxRow<'_, S::V>, uses: &[Use]) {
        if let Some(scatter) = &mut self.scatter {
            scatter.consume(simd, plan, boxes, uses);
        }
        if let Some(correlate) = &mut self.correlate {
            correlate.consume(simd, plan, boxes, uses);
        }
    }
}

/// The rows that exist at a time. `rings` has [`Plan::rings_len`] vectors, `sums` [`Plan::sums_len`].
pub(super) struct Rows<'a, V> {
    pub rings: &'a mut [V],
    pub sums: &'a mut [V],
}

impl<V: Copy> Rows<'_, V> {
    /// Writes the zeros that every sweep of `plan` relies on; sweeps leave them as they are.
    #[inline(always)]
    pub fn clear<S: Simd<V = V>>(&mut self, simd: S, plan: &Plan) {
        self.rings[..plan.columns.extent].fill(simd.zero());
        self.sums.fill(simd.zero());
    }

    /// Builds the vertical runs of one height and start: those of `height` pixels from row `start` down.
    #[inline(always)]
    fn build_vertical<S: Simd<V = V>>(
        &mut self,
        simd: S,
        plan: &Plan,
        image: &Channels<'_>,
        height: usize,
        start: isize,
    ) {
        let (rows, width) = (&plan.rows, plan.columns.extent);
        let ring = &plan.rings[height];
        let (shorter, own) = self.rings.split_at_mut(ring.begin());
        let row = &mut own[ring.row(start) - ring.begin()..][..width];
        let copy = &mut self.sums[plan.left..][..width];
        if height == 0 {
            image.load_row(simd, start as usize, row);
            copy.copy_from_slice(row);
            return;
        }
        // A part wholly outside the image is the row of zeros, at 0.
        let (p, q) = rows.parts[height];
        let below = start + rows.sizes[p] as isize;
        let upper = if start > -(rows.sizes[p] as isize) { plan.rings[p].row(start) } else { 0 };
        let lower = if below < rows.extent as isize { plan.rings[q].row(below) } else { 0 };
        let (upper, lower) = (&shorter[upper..][..width], &shorter[lower..][..width]);
        for x in 0..width {
            let sum = simd.add(upper[x], lower[x]);
            row[x] = sum;
            copy[x] = sum;
        }
    }

    /// Builds the runs of every width, in columns, of the vertical runs that were built last.
    #[inline(always)]
    fn build_widths<S: Simd<V = V>>(&mut self, simd: S, plan: &Plan) {
        let (columns, pitch) = (&plan.columns, plan.sums_pitch);
        for size in 1..columns.sizes.len() {
            let (p, q) = columns.parts[size];
            let first = plan.left.wrapping_add_signed(columns.first_start(size));
            let length = plan.left + columns.extent - first;
            let (shorter, own) = self.sums.split_at_mut(size * pitch);
            let left = &shorter[p * pitch + first..][..length];
            let right = &shorter[q * pitch + first + columns.sizes[p]..][..length];
            let row = &mut own[first..][..length];
            for x in 0..length {
                row[x] = simd.add(left[x], right[x]);
            }
        }
    }
}

/// Hands all box sums of one channel block of an image to the consumers.
#[inline(always)]
pub(super) fn sweep<S: Simd>(
    simd: S,
    plan: &Plan,
    image: &Channels<'_>,
    memory: &mut Rows<'_, S::V>,
    consumers: &mut Consumers<'_, S>,
) {
    let rows = &plan.rows;
    let mut uses: Vec<Use> = Vec::with_capacity(rows.len());
    let first = rows.first_start(rows.sizes.len() - 1);
    for start in (first..rows.extent as isize).rev() {
        for height in 0..rows.sizes.len() {
            if start < rows.first_start(height) {
                continue;
            }
            memory.build_vertical(simd, plan, image, height, start);
            uses.clear();
            for &cell in &rows.cells_of[height] {
                let output = start - rows.taps[cell];
                if (0..rows.extent as isize).contains(&output) {
                    uses.push(Use { cell, output: output as usize });
                }
            }
            if !uses.is_empty() {
                memory.build_widths(simd, plan);
                let boxes = BoxRow { sums: memory.sums, starts: &plan.starts };
                consumers.consume(simd, plan, &boxes, &uses);
            }
        }
    }
}
