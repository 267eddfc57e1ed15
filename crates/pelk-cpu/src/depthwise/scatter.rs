//! Box sums times parameters, added to every output row that needs them: the forward operator, and with
//! flipped parameters the gradient of its input.

use std::ops::Range;

use super::plan::Plan;
use super::sweep::{BoxRow, Use};
use super::tile::{Tile, split, tallest, widest, with_tile};
use crate::simd::Simd;

/// The output plane of one channel block and the parameters that make it.
pub(super) struct Scatter<'a, S: Simd> {
    /// The parameters that meet the image, by row cell and column cell.
    pub theta: &'a [S::V],
    /// Rows of `plan.output_pitch`.
    pub output: &'a mut [S::V],
}

impl<S: Simd> Scatter<'_, S> {
    #[inline(always)]
    pub fn consume(&mut self, simd: S, plan: &Plan, boxes: &BoxRow<'_, S::V>, uses: &[Use]) {
        for rows in split(0..uses.len(), tallest::<S>()) {
            for outputs in split(0..plan.columns.extent, widest::<S>(rows.len())) {
                let cells = plan.columns.cells_meeting(&outputs);
                let (a, t) = (rows.len(), outputs.len());
                let uses = &uses[rows.clone()];
                let (theta, output) = (self.theta, &mut *self.output);
                let tile = ScatterTile { simd, plan, boxes, theta, output, uses, x: outputs.start, cells };
                with_tile::<S, _>(a, t, tile);
            }
        }
    }
}

/// `A` output rows, `T` neighbouring outputs of each from `x` on.
struct ScatterTile<'a, S: Simd> {
    simd: S,
    plan: &'a Plan,
    boxes: &'a BoxRow<'a, S::V>,
    theta: &'a [S::V],
    output: &'a mut [S::V],
    uses: &'a [Use],
    x: usize,
    cells: Range<usize>,
}

impl<S: Simd> Tile for ScatterTile<'_, S> {
    #[inline(always)]
    fn run<const A: usize, const T: usize>(self) {
        let Self { simd, plan, boxes, theta, output, uses, x, cells } = self;
        let starts = &boxes.starts[cells.clone()];
        let weights: [&[S::V]; A] = std::array::from_fn(|a| {
            &theta[uses[a].cell * plan.columns.len() + cells.start..][..starts.len()]
        });

        let mut sums = [[simd.zero(); T]; A];
        for b in 0..starts.len() {
            let boxes = &boxes.sums[starts[b] + x..][..T];
            for a in 0..A {
                let weight = weights[a][b];
                for t in 0..T {
                    sums[a][t] = simd.mul_add(weight, boxes[t], sums[a][t]);
                }
            }
        }
        for a in 0..A {
            let output = &mut output[uses[a].output * plan.output_pitch + x..][..T];
            for t in 0..T {
                output[t] = simd.add(output[t], sums[a][t]);
            }
        }
    }
}
