//! The convolution by spectra along one axis and boxes along the other.
//!
//! Along the lines of one direction (the rows, say) a kernel of any width is one complex product for each
//! point of the spectrum of a line. Along the other the kernel stays a sum over its row cells, each with the
//! spectrum of its own row of parameters, which meets sums of neighboring lines. So with `X[y]` the spectrum
//! of row y and `K[a]` that of the parameters of row cell a, spread over its taps,
//!
//! ```text
//! Y[y] = sum over a of K[a] * Run(h_a)[y + o_a],    Run(h)[y] = X[y] + ... + X[y + h - 1]
//! ```
//!
//! An output costs about `2 k' (1 + k / 2 W)` multiply-adds and two transforms, about `log W` operations
//! each, whatever the grid of the other axis; transforms along both would need padding on both, and the
//! padding would be transformed too. The gradients are of the same kind: that of the input uses the turned
//! kernel, that of the parameters the products of two spectra instead of one and a kernel, transformed back
//! into a sum for each tap, and these summed over each cell.
//!
//! Rounding errors are relative to the largest values of the lines that a kernel meets, not to those under
//! the kernel alone.
//!
//! `transform` goes from lines to spectra and back (in the stages of `stage`, by the small ones of `dft`),
//! `column` does the sums of one point for all lines.

mod column;
mod dft;
mod stage;
mod transform;

use pelk_grid::SharingGrid;

use super::axis::Axis;
use super::pack::load_theta;
use super::pass::{Algorithm, Convolve, Pass, Task, room, vectors};
use super::runs::Runs;
use crate::shape::ImageShape;
use column::Column;
use dft::Complex;
use pelk_simd::Simd;
use transform::Transform;

/// The lines of an image that are transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lines {
    Rows,
    Columns,
}

/// What the images of one size need.
pub(super) struct Plan {
    /// Along a line: position in it.
    along: Axis,
    /// From line to line.
    across: Axis,
    /// Pixels from one position to the next, and from one line to the next.
    steps: [usize; 2],
    /// Parameters from one cell to the next along a line, and from line to line.
    cell_steps: [usize; 2],
    /// The taps of a line that can meet the image.
    taps: Vec<Tap>,
    transform: Transform,
    runs: Runs,
    /// Numbers from one line's spectrum to the next; odd, so that a column does not map to few cache sets.
    pitch: usize,
}

/// A tap of the kernel along a line.
struct Tap {
    /// The parameter of its cell, counted from the first of the line.
    parameter: usize,
    /// Where it lies in a line of the transform's length.
    place: usize,
    /// What undoes the transform's scale, negated for taps that lie beyond the end.
    scale: f32,
}

/// Buffers of a task, in vectors: see [`Plan::lens`].
struct Buffers<'a, S: Simd> {
    line: &'a mut [S::V],
    runs: &'a mut [Complex<S>],
    source: &'a mut [Complex<S>],
    other: &'a mut [Complex<S>],
    kernel: &'a mut [Complex<S>],
    weights: &'a mut [Complex<S>],
    products: &'a mut [Complex<S>],
}

impl Plan {
    pub fn new(rows: &SharingGrid, columns: &SharingGrid, shape: ImageShape, lines: Lines) -> Self {
        let cells = columns.cells();
        let (rows, columns) = (Axis::new(rows, shape.h), Axis::new(columns, shape.w));
        let (along, across, steps, cell_steps) = match lines {
            Lines::Rows => (columns, rows, [1, shape.w], [1, cells]),
            Lines::Columns => (rows, columns, [shape.w, 1], [cells, 1]),
        };
        // What moves beyond an end must not wrap around onto the image. Taps beyond it meet nothing.
        let reach = along.taps_meeting().map(|(_, tap)| tap.unsigned_abs()).max().unwrap_or(0);
        let each = 4 * across.meetings() / across.extent;
        let transform = Transform::new(along.extent + reach, each);
        let (runs, pitch) = (column::runs(&across), transform.half() | 1);
        // The tap `t` of a convolution moves its input by `-t`.
        let scale = 1.0 / transform.half() as f32;
        let taps = along.taps_meeting().map(|(cell, tap)| {
            let (place, scale) = match tap {
                ..=0 => (tap.unsigned_abs(), scale),
                _ => (transform.length() - tap.unsigned_abs(), -scale),
            };
            Tap { parameter: cell * cell_steps[0], place, scale }
        });
        let taps = taps.collect();
        Self { along, across, steps, cell_steps, taps, transform, runs, pitch }
    }

    /// Vectors of the buffers of a task: parameters, a line, runs of a column, spectra of the source, of the
    /// images that it is correlated with, and of the kernel, the weights of a column, and the spectra of the
    /// kernel's gradient.
    fn lens(&self, pass: &Pass<'_>) -> [usize; 8] {
        let spectra = |lines: usize| 2 * lines * self.pitch;
        let convolve = |len| pass.convolve.as_ref().map_or(0, |_| len);
        let correlate = |len| pass.correlate.map_or(0, |_| len);
        [
            convolve(pass.layout.len()),
            self.transform.length(),
            2 * self.runs.len,
            spectra(self.across.extent),
            correlate(spectra(self.across.extent)),
            convolve(spectra(self.across.len())),
            convolve(2 * self.across.len()),
            correlate(spectra(self.across.len())),
        ]
    }

    /// The first of the parameters of a cell across.
    fn parameters(&self, across: usize) -> usize {
        (self.across.cells.start + across) * self.cell_steps[1]
    }

    /// The spectra of the kernel.
    #[inline(always)]
    fn transform_kernel<S: Simd>(
        &self,
        simd: S,
        theta: &[S::V],
        line: &mut [S::V],
        kernel: &mut [Complex<S>],
    ) {
        line.fill(simd.zero());
        for (across, spectrum) in kernel.chunks_exact_mut(self.pitch).enumerate() {
            let theta = &theta[self.parameters(across)..];
            for tap in &self.taps {
                line[tap.place] = simd.mul(simd.splat(tap.scale), theta[tap.parameter]);
            }
            self.transform.forward(simd, line, line.len(), &mut spectrum[..self.transform.half()]);
        }
    }

    /// The sums of the spectra of products, for each parameter of the turned kernel.
    #[inline(always)]
    fn gather_gradient<S: Simd>(
        &self,
        simd: S,
        products: &mut [Complex<S>],
        line: &mut [S::V],
        gradient: &mut [S::V],
    ) {
        for (across, spectrum) in products.chunks_exact_mut(self.pitch).enumerate() {
            self.transform.inverse(simd, &mut spectrum[..self.transform.half()], line, line.len());
            let last = gradient.len() - 1 - self.parameters(across);
            for cell in self.taps.chunk_by(|a, b| a.parameter == b.parameter) {
                let sum = &mut gradient[last - cell[0].parameter];
                for tap in cell {
                    *sum = simd.mul_add(simd.splat(tap.scale), line[tap.place], *sum);
                }
            }
        }
    }

    /// The spectra of all lines of one image.
    #[inline(always)]
    fn transform_image<S: Simd>(
        &self,
        simd: S,
        task: &Task<'_>,
        batch: &[f32],
        image: usize,
        line: &mut [S::V],
        spectra: &mut [Complex<S>],
    ) {
        let channels = task.pass.channels(batch, image, task.block);
        let extent = self.along.extent;
        line[extent..].fill(simd.zero());
        for (number, spectrum) in spectra.chunks_exact_mut(self.pitch).enumerate() {
            channels.load_row(simd, number * self.steps[1], self.steps[0], &mut line[..extent]);
            self.transform.forward(simd, line, extent, &mut spectrum[..self.transform.half()]);
        }
    }

    /// What the columns are for: the convolution, whose spectra take the place of the source's, and the
    /// correlation.
    #[inline(always)]
    fn columns<S: Simd>(&self, simd: S, pass: &Pass<'_>, buffers: &mut Buffers<'_, S>) {
        let Buffers { runs, source, other, kernel, weights, products, .. } = buffers;
        let pitch = self.pitch;
        for k in 0..self.transform.half() {
            let mut column = Column { simd, axis: &self.across, layout: &self.runs, runs };
            column.load(&source[k..], pitch);
            if pass.correlate.is_some() {
                column.correlate(&other[k..], &mut products[k..], pitch);
            }
            if pass.convolve.is_some() {
                for (weight, value) in weights.iter_mut().zip(kernel[k..].iter().step_by(pitch)) {
                    *weight = *value;
                }
                column.convolve(weights, &mut source[k..], pitch);
            }
        }
    }
}

impl Algorithm for Plan {
    fn room(&self, pass: &Pass<'_>, lanes: usize) -> usize {
        room(self.lens(pass), lanes)
    }

    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, task: &Task<'_>, memory: &mut [f32], gradient: &mut [S::V]) {
        let pass = task.pass;
        let [theta, line, runs, source, other, kernel, weights, products] =
            vectors::<S, _>(memory, self.lens(pass));
        let [runs, source, other, kernel, weights, products] =
            [runs, source, other, kernel, weights, products].map(|vectors| vectors.as_chunks_mut::<2>().0);
        if let Some(Convolve { theta: from, flipped, .. }) = pass.convolve {
            load_theta(simd, from, pass.layout.len(), flipped, task.block, theta);
            self.transform_kernel(simd, theta, line, kernel);
        }
        products.fill([simd.zero(); 2]);
        runs.fill([simd.zero(); 2]);
        let mut buffers = Buffers { line, runs, source, other, kernel, weights, products };
        for image in task.images.clone() {
            self.transform_image(simd, task, pass.source, image, buffers.line, buffers.source);
            if let Some(images) = pass.correlate {
                self.transform_image(simd, task, images, image, buffers.line, buffers.other);
            }
            self.columns(simd, pass, &mut buffers);
            if let Some(convolve) = &pass.convolve {
                for (number, spectrum) in buffers.source.chunks_exact_mut(self.pitch).enumerate() {
                    let (line, extent) = (&mut *buffers.line, self.along.extent);
                    self.transform.inverse(simd, &mut spectrum[..self.transform.half()], line, extent);
                    task.store(simd, convolve, image, number * self.steps[1], self.steps[0], &line[..extent]);
                }
            }
        }
        if pass.correlate.is_some() {
            self.gather_gradient(simd, buffers.products, buffers.line, gradient);
        }
    }
}
