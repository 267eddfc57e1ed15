//! The convolution by runs along both axes.
//!
//! With `Run(w)` the sums over w neighbors in a row, the operator is
//!
//! ```text
//! y[y, x] = sum over heights h, i < h of P_h[y + i, x],
//! P_h[y, x] = sum over b and the a with h_a = h of theta[a, b] * Run(w_b)[y + o_a, x + o_b],
//! ```
//!
//! so runs along rows are built from the input, once for each row, and runs along columns from the products,
//! once for each row of the output: two rows of boxes for every row of the image, whatever the number of
//! heights.
//!
//! `plan` says what is needed, `sweep` walks up the image and builds the runs of each row, `scatter` and
//! `correlate` use them at once in register tiles (`tile`).

mod correlate;
mod plan;
mod scatter;
mod sweep;
mod tile;

use super::pack::load_theta;
use super::pass::{Algorithm, Convolve, Pass, Task, room, vectors};
use correlate::Correlate;
use pelk_simd::Simd;
use plan::{Plane, planes_len};
use scatter::Scatter;
use sweep::{Consumer, RunRow, Use, sweep};

pub(super) use plan::Plan;

impl Plan {
    /// Vectors of the buffers of a task: runs, planes, parameters, sums of the correlation.
    fn lens(&self, pass: &Pass<'_>) -> [usize; 4] {
        let (theta, products) =
            pass.convolve.as_ref().map_or((0, 0), |_| (pass.layout.len(), planes_len(&self.products)));
        let (gradient, others) = pass.correlate.map_or((0, 0), |_| (self.cells(), planes_len(&self.others)));
        [self.sums_len(), products.max(others), theta, gradient]
    }
}

impl Algorithm for Plan {
    fn room(&self, pass: &Pass<'_>, lanes: usize) -> usize {
        room(self.lens(pass), lanes)
    }

    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, task: &Task<'_>, memory: &mut [f32], gradient: &mut [S::V]) {
        let (plan, pass, block) = (self, task.pass, task.block);
        let [sums, planes, theta, meeting] = vectors::<S, _>(memory, plan.lens(pass));
        sums.fill(simd.zero());
        if let Some(Convolve { theta: from, flipped, .. }) = pass.convolve {
            load_theta(simd, from, pass.layout.len(), flipped, block, theta);
        }
        meeting.fill(simd.zero());
        for image in task.images.clone() {
            let source = pass.channels(pass.source, image, block);
            // Together they would build the runs once, which saves 4 % of the time, but need twice the planes
            // in cache.
            if let Some(convolve) = &pass.convolve {
                let scatter = Scatter { theta, planes: &mut *planes };
                let mut output = Output { task, convolve, image, scatter, unfinished: plan.met() };
                sweep(simd, plan, &source, sums, &mut output);
            }
            if let Some(images) = pass.correlate {
                let image = pass.channels(images, image, block);
                let (planes, gradient) = (&mut *planes, &mut *meeting);
                let mut correlate = Correlate { image, planes, gradient };
                sweep(simd, plan, &source, sums, &mut correlate);
            }
        }
        // The boxes of the source meet the turned kernel.
        for (row, sums) in plan.rows.cells.clone().zip(meeting.chunks_exact(plan.columns.len())) {
            for (column, &sum) in plan.columns.cells.clone().zip(sums) {
                let index = gradient.len() - 1 - (row * pass.layout.columns + column);
                gradient[index] = simd.add(gradient[index], sum);
            }
        }
    }
}

/// The convolution of one image and channel block.
struct Output<'a, S: Simd> {
    task: &'a Task<'a>,
    convolve: &'a Convolve<'a>,
    image: usize,
    scatter: Scatter<'a, S>,
    /// The rows of the planes from this one on are finished.
    unfinished: usize,
}

impl<S: Simd> Consumer<S> for Output<'_, S> {
    #[inline(always)]
    fn planes(plan: &Plan) -> &[Plane] {
        &plan.products
    }

    #[inline(always)]
    fn row(&mut self, simd: S, plan: &Plan, s: usize, runs: &RunRow<'_, S::V>, uses: &[Use]) {
        self.scatter.consume(simd, plan, s, runs, uses);
        // Rows of the planes that no remaining input row changes. The next ones still change.
        let first = if s == 0 { 0 } else { plan.finished_after(s) };
        for y in (first..self.unfinished).rev() {
            self.scatter.finish(simd, plan, y);
            if y < plan.rows.extent {
                let width = plan.columns.extent;
                let row = &self.scatter.planes[plan.products[0].row(y)..][..width];
                self.task.store(simd, self.convolve, self.image, y * width, 1, row);
            }
        }
        self.unfinished = first;
    }
}
