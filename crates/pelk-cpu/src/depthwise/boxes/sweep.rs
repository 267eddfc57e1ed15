//! The walk over an image that builds the runs of every row, once, and hands them on.

use std::ops::Range;

use super::plan::{Plan, Plane};
use crate::depthwise::pack::Channels;
use pelk_simd::Simd;

/// The horizontal runs of one row of the image.
pub(super) struct RunRow<'a, V> {
    /// Runs of all widths, padded with zeros: [`Plan::sums_len`] vectors.
    pub sums: &'a [V],
    /// For each column cell, where its run for the first output lies; the next outputs follow.
    pub starts: &'a [usize],
}

/// A place where a row of runs is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// The row of kernel cells.
    pub cell: usize,
    /// Where the row that it meets begins in the planes.
    pub row: usize,
}

/// What uses the rows of runs.
pub(super) trait Consumer<S: Simd> {
    /// The planes that row cells meet.
    fn planes(plan: &Plan) -> &[Plane];

    /// Takes the runs of row `s` and the places where they are needed. Mark every implementation
    /// `#[inline(always)]`.
    fn row(&mut self, simd: S, plan: &Plan, s: usize, runs: &RunRow<'_, S::V>, uses: &[Use]);
}

/// Hands the runs of all rows of one channel block of an image to a consumer, from the last row to the first.
///
/// `sums` has [`Plan::sums_len`] vectors, which are zero before the first sweep; sweeps leave the padding so.
#[inline(always)]
pub(super) fn sweep<S: Simd, C: Consumer<S>>(
    simd: S,
    plan: &Plan,
    image: &Channels<'_>,
    sums: &mut [S::V],
    consumer: &mut C,
) {
    let (height, width) = (plan.rows.extent, plan.columns.extent);
    let mut uses = Vec::with_capacity(plan.rows.len());
    for s in (0..height).rev() {
        let row = &mut sums[plan.left..][..width];
        image.load_row(simd, s * width, 1, row);
        build_widths(simd, plan, sums);
        uses.clear();
        for cell in plan.rows.cells_of_input(s) {
            let y = s.wrapping_add_signed(-plan.rows.taps[cell]);
            uses.push(Use { cell, row: C::planes(plan)[plan.rows.size_index[cell]].row(y) });
        }
        consumer.row(simd, plan, s, &RunRow { sums, starts: &plan.starts }, &uses);
    }
}

/// Builds the runs of every width, each from two shorter ones.
#[inline(always)]
fn build_widths<S: Simd>(simd: S, plan: &Plan, sums: &mut [S::V]) {
    for (size, runs) in plan.runs.iter().enumerate().skip(1) {
        let (p, q) = plan.columns.parts[size];
        let (shorter, own) = sums.split_at_mut(size * plan.sums_pitch);
        let shift = |range: &Range<usize>, by: usize| range.start - by..range.end - by;
        let own = &mut own[shift(runs, size * plan.sums_pitch)];
        let left = &shorter[shift(runs, (size - p) * plan.sums_pitch)];
        let right = &shorter[shift(runs, (size - q) * plan.sums_pitch - plan.columns.sizes[p])];
        for ((own, &left), &right) in own.iter_mut().zip(left).zip(right) {
            *own = simd.add(left, right);
        }
    }
}
