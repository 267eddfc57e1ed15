//! Runs of input rows times those of another image, added up over all pixels: the gradient of the parameters.

use std::ops::Range;

use super::plan::{Plan, Plane};
use super::sweep::{Consumer, RunRow, Use};
use super::tile::{Tile, split, tallest, widest, with_tile};
use crate::depthwise::pack::Channels;
use pelk_simd::Simd;

/// One channel block of the image that the runs meet, and the sums so far.
pub(super) struct Correlate<'a, S: Simd> {
    /// The image that the runs meet.
    pub image: Channels<'a>,
    /// [`Plan::others`]: row `y` of the one of height `h` is the sum of the image's rows `y + 1 - h ..= y`.
    pub planes: &'a mut [S::V],
    /// One sum for each cell that meets the image, by row cell and column cell.
    pub gradient: &'a mut [S::V],
}

impl<S: Simd> Correlate<'_, S> {
    /// Builds the rows of all planes that input row `s` needs and no row below it needed.
    #[inline(always)]
    fn build_sums(&mut self, simd: S, plan: &Plan, s: usize) {
        let width = plan.columns.extent;
        let first_sweep = s + 1 == plan.rows.extent;
        for (size, plane) in plan.others.iter().enumerate() {
            let lead = plan.lead[size];
            // For the first input row, all rows that any input row meets.
            let end = if first_sweep { plan.met().min(plane.rows) } else { (s + 1).saturating_sub(lead) };
            for y in (s.saturating_sub(lead)..end).rev() {
                if size == 0 {
                    self.image.load_row(simd, y * width, 1, &mut self.planes[plane.row(y)..][..width]);
                    continue;
                }
                let (p, q) = plan.rows.parts[size];
                let below = plan.rows.sizes[p];
                let (p, q) = (&plan.others[p], &plan.others[q]);
                // Shorter planes come first.
                let (shorter, row) = self.planes.split_at_mut(plane.row(y));
                let row = &mut row[..width];
                let upper = (y < p.rows).then(|| &shorter[p.row(y)..][..width]);
                let lower = (y >= below).then(|| &shorter[q.row(y - below)..][..width]);
                match (upper, lower) {
                    (Some(upper), Some(lower)) => {
                        for ((sum, &upper), &lower) in row.iter_mut().zip(upper).zip(lower) {
                            *sum = simd.add(upper, lower);
                        }
                    }
                    (Some(only), None) | (None, Some(only)) => row.copy_from_slice(only),
                    (None, None) => row.fill(simd.zero()),
                }
            }
        }
    }
}

impl<S: Simd> Consumer<S> for Correlate<'_, S> {
    #[inline(always)]
    fn planes(plan: &Plan) -> &[Plane] {
        &plan.others
    }

    #[inline(always)]
    fn row(&mut self, simd: S, plan: &Plan, s: usize, runs: &RunRow<'_, S::V>, uses: &[Use]) {
        self.build_sums(simd, plan, s);
        for rows in split(0..uses.len(), tallest::<S>()) {
            for cells in split(0..plan.columns.len(), widest::<S>(rows.len())) {
                let outputs = plan.columns.outputs_meeting(&cells);
                if outputs.is_empty() {
                    continue;
                }
                let (a, t) = (rows.len(), cells.len());
                let uses = &uses[rows.clone()];
                let (image, gradient) = (&*self.planes, &mut *self.gradient);
                let tile =
                    CorrelateTile { simd, plan, runs, image, gradient, uses, cell: cells.start, outputs };
                with_tile::<S, _>(a, t, tile);
            }
        }
    }
}

/// `A` row cells, `T` neighboring column cells of each from `cell` on.
struct CorrelateTile<'a, S: Simd> {
    simd: S,
    plan: &'a Plan,
    runs: &'a RunRow<'a, S::V>,
    image: &'a [S::V],
    gradient: &'a mut [S::V],
    uses: &'a [Use],
    cell: usize,
    outputs: Range<usize>,
}

impl<S: Simd> Tile for CorrelateTile<'_, S> {
    #[inline(always)]
    fn run<const A: usize, const T: usize>(self) {
        let Self { simd, plan, runs, image, gradient, uses, cell, outputs } = self;
        let n = outputs.len();
        let pixels: [&[S::V]; A] = std::array::from_fn(|a| &image[uses[a].row + outputs.start..][..n]);
        let runs: [&[S::V]; T] =
            std::array::from_fn(|t| &runs.sums[runs.starts[cell + t] + outputs.start..][..n]);

        let mut sums = [[simd.zero(); T]; A];
        for x in 0..n {
            for t in 0..T {
                let sum = runs[t][x];
                for a in 0..A {
                    sums[a][t] = simd.mul_add(pixels[a][x], sum, sums[a][t]);
                }
            }
        }
        for a in 0..A {
            let gradient = &mut gradient[uses[a].cell * plan.columns.len() + cell..][..T];
            for t in 0..T {
                gradient[t] = simd.add(gradient[t], sums[a][t]);
            }
        }
    }
}
