//! Box sums times an image, added up over all pixels: the gradient of the parameters.

use std::ops::Range;

use super::plan::Plan;
use super::sweep::{BoxRow, Use};
use super::tile::{Tile, split, tallest, widest, with_tile};
use crate::simd::Simd;

/// One channel block of the image that the box sums meet, and the sums so far.
pub(super) struct Correlate<'a, S: Simd> {
    /// Rows of `plan.columns.extent` pixels.
    pub image: &'a [S::V],
    /// One sum for each cell that meets the image, by row cell and column cell.
    pub gradient: &'a mut [S::V],
}

impl<S: Simd> Correlate<'_, S> {
    #[inline(always)]
    pub fn consume(&mut self, simd: S, plan: &Plan, boxes: &BoxRow<'_, S::V>, uses: &[Use]) {
        for rows in split(0..uses.len(), tallest::<S>()) {
            for cells in split(0..plan.columns.len(), widest::<S>(rows.len())) {
                let outputs = plan.columns.outputs_meeting(&cells);
                let (a, t) = (rows.len(), cells.len());
                let uses = &uses[rows.clone()];
                let (image, gradient) = (self.image, &mut *self.gradient);
                let tile =
                    CorrelateTile { simd, plan, boxes, image, gradient, uses, cell: cells.start, outputs };
                with_tile::<S, _>(a, t, tile);
            }
        }
    }
}

/// `A` row cells, `T` neighbouring column cells of each from `cell` on.
struct CorrelateTile<'a, S: Simd> {
    simd: S,
    plan: &'a Plan,
    boxes: &'a BoxRow<'a, S::V>,
    image: &'a [S::V],
    gradient: &'a mut [S::V],
    uses: &'a [Use],
    cell: usize,
    outputs: Range<usize>,
}

impl<S: Simd> Tile for CorrelateTile<'_, S> {
    #[inline(always)]
    fn run<const A: usize, const T: usize>(self) {
        let Self { simd, plan, boxes, image, gradient, uses, cell, outputs } = self;
        let n = outputs.len();
        let pixels: [&[S::V]; A] =
            std::array::from_fn(|a| &image[uses[a].output * plan.columns.extent + outputs.start..][..n]);
        let boxes: [&[S::V]; T] =
            std::array::from_fn(|t| &boxes.sums[boxes.starts[cell + t] + outputs.start..][..n]);

        let mut sums = [[simd.zero(); T]; A];
        for x in 0..n {
            for t in 0..T {
                let sum = boxes[t][x];
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
