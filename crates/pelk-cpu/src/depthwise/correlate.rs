//! Runs of input rows times those of another image, added up over all pixels: the gradient of the parameters.

use std::ops::Range;

use super::pack::Channels;
use super::plan::Plan;
use super::sweep::{Consumer, RunRow, Use};
use super::tile::{Tile, split, tallest, widest, with_tile};
use crate::simd::Simd;

/// One channel block of the image that the runs meet, and the sums so far.
pub(super) struct Correlate<'a, S: Simd> {
    /// Planes as of [`Plan::planes`]: row `y` of the one of height `h` is the sum of the image's rows
    /// `y + 1 - h ..= y`.
    pub planes: &'a mut [S::V],
    /// One sum for each cell that meets the image, by row cell and column cell.
    pub gradient: &'a mut [S::V],
}

impl<S: Simd> Correlate<'_, S> {
    /// Builds the planes of all heights of an image.
    #[inline(always)]
    pub fn build_planes(&mut self, simd: S, plan: &Plan, image: &Channels<'_>) {
        let planes = &mut *self.planes;
        let (pitch, width) = (plan.pitch, plan.outputs.len());
        for y in 0..plan.rows.extent {
            let first = y * plan.columns.extent + plan.outputs.start;
            image.load_row(simd, first, &mut planes[y * pitch..][..width]);
        }
        for size in 1..plan.planes.len() {
            let (p, q) = plan.rows.parts[size];
            let (shorter, own) = planes.split_at_mut(plan.planes[size].begin);
            let (p, q, below) = (&plan.planes[p], &plan.planes[q], plan.rows.sizes[p]);
            for y in 0..plan.planes[size].rows {
                let row = &mut own[y * pitch..][..width];
                let first = (y < p.rows).then(|| &shorter[p.begin + y * pitch..][..width]);
                let second = (y >= below).then(|| &shorter[q.begin + (y - below) * pitch..][..width]);
                match (first, second) {
                    (Some(first), Some(second)) => {
                        for x in 0..width {
                            row[x] = simd.add(first[x], second[x]);
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
    fn row(&mut self, simd: S, plan: &Plan, _: usize, runs: &RunRow<'_, S::V>, uses: &[Use]) {
        for rows in split(0..uses.len(), tallest::<S>()) {
            for cells in split(0..plan.columns.len(), widest::<S>(rows.len())) {
                let outputs = plan.outputs_meeting(&cells);
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

/// `A` row cells, `T` neighbouring column cells of each from `cell` on.
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
