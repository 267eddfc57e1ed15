//! Runs of input rows times parameters, added to every row that needs them: the forward operator, and with
//! flipped parameters the gradient of its input.

use std::ops::Range;

use super::plan::Plan;
use super::sweep::{RunRow, Use};
use super::tile::{Tile, split, split_evenly, tallest, widest, with_tile};
use pelk_simd::Simd;

/// The parameters of one channel block, and the planes that products are added to.
pub(super) struct Scatter<'a, S: Simd> {
    /// The packed kernel, see [`Plan::theta_row`].
    pub theta: &'a [S::V],
    /// [`Plan::products`].
    pub planes: &'a mut [S::V],
}

impl<S: Simd> Scatter<'_, S> {
    #[inline(always)]
    pub fn consume(&mut self, simd: S, plan: &Plan, s: usize, runs: &RunRow<'_, S::V>, uses: &[Use]) {
        self.clear(simd, plan, s);
        for rows in split(0..uses.len(), tallest::<S>()) {
            let uses = &uses[rows];
            for outputs in split_evenly(plan.columns.extent, widest::<S>(uses.len())) {
                if !outputs.range.is_empty() {
                    let (theta, planes) = (self.theta, &mut *self.planes);
                    let (a, t) = (uses.len(), outputs.length);
                    let tiles =
                        ScatterTiles { simd, plan, runs, theta, planes, uses, outputs: outputs.range };
                    with_tile::<S, _>(a, t, tiles);
                }
            }
        }
    }

    /// Zeroes the rows that input row `s` may meet and no row below it does.
    #[inline(always)]
    fn clear(&mut self, simd: S, plan: &Plan, s: usize) {
        for (plane, reach) in plan.products.iter().zip(&plan.reach) {
            // For the first input row also those that no input row meets, which still take part in the sums
            // of planes.
            let end = if s + 1 == plan.rows.extent { plane.rows } else { (s + 1).saturating_sub(*reach) };
            for y in s.saturating_sub(*reach)..end {
                self.planes[plane.row(y)..][..plan.pitch].fill(simd.zero());
            }
        }
    }

    /// Adds row `y` of every plane to the rows of shorter planes that need it. All input rows that meet it
    /// must be done, and the rows below finished. Then the row of the first plane is the row of outputs.
    #[inline(always)]
    pub fn finish(&mut self, simd: S, plan: &Plan, y: usize) {
        let width = plan.columns.extent;
        for (plane, feeds) in plan.products.iter().zip(&plan.feeds).rev() {
            for &(taller, rows) in feeds {
                let taller = &plan.products[taller];
                if y < plane.rows && y + rows < taller.rows {
                    // Taller planes come later.
                    let (own, from) = self.planes.split_at_mut(taller.row(y + rows));
                    let own = &mut own[plane.row(y)..][..width];
                    for (own, &from) in own.iter_mut().zip(&from[..width]) {
                        *own = simd.add(*own, from);
                    }
                }
            }
        }
    }
}

/// `A` rows of the planes, tiles of `T` neighboring outputs of each.
struct ScatterTiles<'a, S: Simd> {
    simd: S,
    plan: &'a Plan,
    runs: &'a RunRow<'a, S::V>,
    theta: &'a [S::V],
    planes: &'a mut [S::V],
    uses: &'a [Use],
    outputs: Range<usize>,
}

impl<S: Simd> Tile for ScatterTiles<'_, S> {
    #[inline(always)]
    fn run<const A: usize, const T: usize>(self) {
        let Self { simd, plan, runs, theta, planes, uses, outputs } = self;
        let cells = plan.columns.len();
        // The innermost loops are a few instructions long, and checking their indices would add half as many.
        // So all are checked here: `Plan` puts the runs of every column cell and output into the sums of a
        // row.
        assert!(runs.sums.len() == plan.sums_len() && runs.starts.len() == cells);
        assert!(outputs.end <= plan.columns.extent && outputs.len().is_multiple_of(T));
        let weights: [*const S::V; A] =
            std::array::from_fn(|a| theta[plan.theta_row(uses[a].cell)..][..cells].as_ptr());
        let rows: [*mut S::V; A] =
            std::array::from_fn(|a| planes[uses[a].row..][..plan.columns.extent].as_mut_ptr());

        let mut x = outputs.start;
        while x < outputs.end {
            let mut sums = [[simd.zero(); T]; A];
            for b in plan.columns.cells_meeting(&(x..x + T)) {
                // SAFETY: `b` is a column cell, so within `starts` and each row of parameters; runs of a cell
                // for outputs of the row, as x..x + T are, lie within the sums (all checked above).
                unsafe {
                    let runs = runs.sums.as_ptr().add(*runs.starts.get_unchecked(b) + x);
                    for a in 0..A {
                        let weight = *weights[a].add(b);
                        for t in 0..T {
                            sums[a][t] = simd.mul_add(weight, *runs.add(t), sums[a][t]);
                        }
                    }
                }
            }
            for a in 0..A {
                for t in 0..T {
                    // SAFETY: x + t is an output of the row, of which each row has all (checked above).
                    unsafe {
                        let output = rows[a].add(x + t);
                        *output = simd.add(*output, sums[a][t]);
                    }
                }
            }
            x += T;
        }
    }
}
