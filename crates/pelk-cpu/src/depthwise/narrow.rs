//! The convolution on narrow images: a row of outputs in registers, the kernel spread over its taps along it.
//!
//! On a map of 7 x 7, runs along rows save few multiply-adds, and the bookkeeping costs more. So here a box
//! is a run of rows only, and every pixel of such a row is multiplied into all outputs of the row at once:
//! only the `2 W - 1` taps of a kernel that can meet the image remain. Widths are constants of the compiled
//! code.

use pelk_grid::SharingGrid;

use super::axis::Axis;
use super::pack::load_theta;
use super::pass::{Algorithm, Convolve, Pass, Task, room, vectors};
use super::runs::Runs;
use crate::shape::ImageShape;
use pelk_simd::Simd;

/// The widest image: 16 registers hold the sums for 15 taps.
pub(super) const WIDEST: usize = 8;

/// What the images of one size need.
pub(super) struct Plan {
    rows: Axis,
    columns: Axis,
    /// The parameter, counted from the first of its row, of every tap of a row that can meet the image.
    taps: Vec<usize>,
    /// The index of the first of them, where the center has index `W - 1`.
    first_tap: usize,
    runs: Runs,
}

impl Plan {
    pub fn new(rows: &SharingGrid, columns: &SharingGrid, shape: ImageShape) -> Self {
        let (rows, columns) = (Axis::new(rows, shape.h), Axis::new(columns, shape.w));
        let runs = Runs::new(&rows, 0);
        let taps: Vec<usize> = columns.taps_meeting().map(|(cell, _)| cell).collect();
        // The same number on each side of the center, out of 2 W - 1 possible ones.
        let first_tap = (2 * shape.w - 1 - taps.len()) / 2;
        Self { rows, columns, taps, first_tap, runs }
    }

    /// Vectors of the buffers of a task: parameters, the kernel spread over all taps that could meet the
    /// image, runs of rows, the other image.
    fn lens(&self, pass: &Pass<'_>) -> [usize; 4] {
        let width = self.columns.extent;
        let convolve = |len| pass.convolve.as_ref().map_or(0, |_| len);
        let other = pass.correlate.map_or(0, |_| self.rows.extent * width);
        let spread = self.rows.len() * (2 * width - 1);
        [convolve(pass.layout.len()), convolve(spread), self.runs.len * width, other]
    }

    #[inline(always)]
    fn run_width<S: Simd, const W: usize>(
        &self,
        simd: S,
        task: &Task<'_>,
        memory: &mut [f32],
        gradient: &mut [S::V],
    ) {
        let pass = task.pass;
        let [theta, spread, runs, other] = vectors::<S, _>(memory, self.lens(pass));
        if let Some(Convolve { theta: from, flipped, .. }) = pass.convolve {
            load_theta(simd, from, pass.layout.len(), flipped, task.block, theta);
            spread.fill(simd.zero());
            for (row, spread) in self.rows.cells.clone().zip(spread.chunks_exact_mut(2 * W - 1)) {
                let theta = &theta[row * pass.layout.columns..][..pass.layout.columns];
                for (spread, &parameter) in spread[self.first_tap..].iter_mut().zip(&self.taps) {
                    *spread = theta[parameter];
                }
            }
        }
        runs.fill(simd.zero());
        for image in task.images.clone() {
            let lines = &mut runs[self.runs.lines() * W..][..self.rows.extent * W];
            pass.channels(pass.source, image, task.block).load_row(simd, 0, 1, lines);
            self.runs.build(simd, &self.rows, W, runs);
            if let Some(images) = pass.correlate {
                pass.channels(images, image, task.block).load_row(simd, 0, 1, other);
                for (cell, row) in self.rows.cells.clone().enumerate() {
                    let sums = self.correlate::<S, W>(simd, runs, other, cell);
                    let last = gradient.len() - 1 - row * pass.layout.columns;
                    for (&sum, parameter) in sums[self.first_tap..].iter().zip(&self.taps) {
                        gradient[last - parameter] = simd.add(gradient[last - parameter], sum);
                    }
                }
            }
            if let Some(convolve) = &pass.convolve {
                for y in 0..self.rows.extent {
                    let outputs = self.convolve::<S, W>(simd, runs, spread, y);
                    task.store(simd, convolve, image, y * W, 1, &outputs);
                }
            }
        }
    }

    /// A row of outputs.
    #[inline(always)]
    fn convolve<S: Simd, const W: usize>(
        &self,
        simd: S,
        runs: &[S::V],
        kernel: &[S::V],
        y: usize,
    ) -> [S::V; W] {
        let mut sums = [simd.zero(); W];
        for cell in self.rows.cells_meeting(&(y..y + 1)) {
            let run: &[S::V] = &runs[self.runs.at(cell, y) as usize * W..][..W];
            let taps = &kernel[cell * (2 * W - 1)..][..2 * W - 1];
            for (i, &pixel) in run.iter().enumerate() {
                // From the first output to the last, it lies under descending taps.
                let taps = &taps[i..i + W];
                for (x, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add(pixel, taps[W - 1 - x], *sum);
                }
            }
        }
        sums
    }

    /// For each tap, the sum over all pixels of the other image times what the tap of the cell's run meets.
    #[inline(always)]
    fn correlate<S: Simd, const W: usize>(
        &self,
        simd: S,
        runs: &[S::V],
        other: &[S::V],
        cell: usize,
    ) -> [S::V; 2 * WIDEST - 1] {
        let mut totals = [simd.zero(); 2 * WIDEST - 1];
        for y in self.rows.outputs_meeting(&(cell..cell + 1)) {
            let run: &[S::V] = &runs[self.runs.at(cell, y) as usize * W..][..W];
            let pixels = &other[y * W..][..W];
            for (x, &pixel) in pixels.iter().enumerate() {
                for (i, &run) in run.iter().enumerate() {
                    totals[W - 1 + i - x] = simd.mul_add(pixel, run, totals[W - 1 + i - x]);
                }
            }
        }
        totals
    }
}

impl Algorithm for Plan {
    fn room(&self, pass: &Pass<'_>, lanes: usize) -> usize {
        room(self.lens(pass), lanes)
    }

    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, task: &Task<'_>, memory: &mut [f32], gradient: &mut [S::V]) {
        match self.columns.extent {
            1 => self.run_width::<S, 1>(simd, task, memory, gradient),
            2 => self.run_width::<S, 2>(simd, task, memory, gradient),
            3 => self.run_width::<S, 3>(simd, task, memory, gradient),
            4 => self.run_width::<S, 4>(simd, task, memory, gradient),
            5 => self.run_width::<S, 5>(simd, task, memory, gradient),
            6 => self.run_width::<S, 6>(simd, task, memory, gradient),
            7 => self.run_width::<S, 7>(simd, task, memory, gradient),
            WIDEST => self.run_width::<S, WIDEST>(simd, task, memory, gradient),
            width => unreachable!("{width} columns are too wide"),
        }
    }
}
