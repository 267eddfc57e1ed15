//! Convolution as products of patch matrices, for any kernel and stride.
//!
//! The patches under the kernel are gathered to a matrix, a band of output rows at a time so that memory
//! stays bounded, and multiplied by the weight.

use crate::gemm::{AddBias, Matrix, Plain, Start, multiply};
use crate::rowwise::CHUNK;
use crate::scratch;
use crate::shape::ImageShape;
use pelk_ops::Conv2dShape;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Values of a band of patches: 8 MiB, which fits a level-3 cache, and enough rows (20 000 for the 4 x 4
/// stem) for the product to be cut into tasks.
const BAND: usize = 1 << 21;

/// `y = bias + x * weight`.
pub(super) fn convolve(
    level: Level,
    bands: Bands<'_>,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (shape, output) = (bands.shape, bands.output);
    scratch::with_parts([weight.len(), bands.patches()], |[by_tap, patches]| {
        taps_first(shape, weight, by_tap);
        let weight = Matrix::new(by_tap, output.c, shape.patch()).transposed();
        for (band, y) in y.chunks_mut(bands.rows * output.w * output.c).enumerate() {
            let pixels = y.len() / output.c;
            let patches = &mut patches[..pixels * shape.patch()];
            bands.gather(band, x, patches);
            let patches = Matrix::new(patches, pixels, shape.patch());
            multiply(level, patches, weight, Start::Zero, AddBias(bias), y);
        }
    });
}

/// The gradient of [`convolve`] by x, plus a bias in every pixel.
pub(super) fn transposed(
    level: Level,
    bands: Bands<'_>,
    gy: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    gx: &mut [f32],
) {
    let (shape, output, channels) = (bands.shape, bands.output, bands.shape.image.c);
    match bias {
        None => gx.par_iter_mut().for_each(|gx| *gx = 0.0),
        Some(bias) => {
            let pixels = gx.par_chunks_mut(channels).with_min_len((CHUNK / channels).max(1));
            pixels.for_each(|gx| gx.copy_from_slice(bias));
        }
    }
    scratch::with_parts([weight.len(), bands.patches()], |[by_tap, patches]| {
        taps_first(shape, weight, by_tap);
        let weight = Matrix::new(by_tap, output.c, shape.patch());
        for (band, gy) in gy.chunks(bands.rows * output.w * output.c).enumerate() {
            let pixels = gy.len() / output.c;
            let patches = &mut patches[..pixels * shape.patch()];
            multiply(level, Matrix::new(gy, pixels, output.c), weight, Start::Zero, Plain, patches);
            bands.scatter(level, band, patches, gx);
        }
    });
}

/// The gradient of [`convolve`] by the weight.
pub(super) fn weight_gradient(level: Level, bands: Bands<'_>, x: &[f32], gy: &[f32], gweight: &mut [f32]) {
    let (shape, output) = (bands.shape, bands.output);
    scratch::with_parts([gweight.len(), bands.patches()], |[gradient, patches]| {
        let mut start = Start::Zero;
        for (band, gy) in gy.chunks(bands.rows * output.w * output.c).enumerate() {
            let pixels = gy.len() / output.c;
            let patches = &mut patches[..pixels * shape.patch()];
            bands.gather(band, x, patches);
            let gy = Matrix::new(gy, pixels, output.c).transposed();
            multiply(level, gy, Matrix::new(patches, pixels, shape.patch()), start, Plain, gradient);
            start = Start::Keep;
        }
        channels_first(shape, gradient, gweight);
    });
}

/// The weight as `[O, kh, kw, I]`: patches of N, H, W, C images are gathered in runs of whole pixels, and the
/// weight, which is smaller, is reordered instead.
fn taps_first(shape: &Conv2dShape, weight: &[f32], by_tap: &mut [f32]) {
    transpose_each(shape.patch(), shape.image.c, weight, by_tap);
}

/// Undoes [`taps_first`].
fn channels_first(shape: &Conv2dShape, weight: &[f32], out: &mut [f32]) {
    transpose_each(shape.patch(), shape.kernel[0] * shape.kernel[1], weight, out);
}

/// Transposes each of the matrices of `size` values and `rows` rows in `x`.
fn transpose_each(size: usize, rows: usize, x: &[f32], out: &mut [f32]) {
    let columns = size / rows;
    let pairs = out.par_chunks_mut(size).zip(x.par_chunks(size)).with_min_len((CHUNK / size).max(1));
    pairs.for_each(|(out, x)| {
        for (column, out) in out.chunks_exact_mut(rows).enumerate() {
            for (row, out) in out.iter_mut().enumerate() {
                *out = x[row * columns + column];
            }
        }
    });
}

/// The output cut into bands of whole rows, numbered across all images.
#[derive(Clone, Copy)]
pub(super) struct Bands<'a> {
    shape: &'a Conv2dShape,
    output: ImageShape,
    /// Output rows of a band.
    rows: usize,
}

impl<'a> Bands<'a> {
    pub fn new(shape: &'a Conv2dShape, output: ImageShape) -> Self {
        let rows = (BAND / (output.w * shape.patch())).clamp(1, output.n * output.h);
        Self { shape, output, rows }
    }

    /// Values of the patches of a band.
    fn patches(&self) -> usize {
        self.rows * self.output.w * self.shape.patch()
    }

    /// Writes the patches `[pixels, kh, kw, I]` of the band.
    fn gather(&self, band: usize, x: &[f32], patches: &mut [f32]) {
        let (shape, ImageShape { h, w, c, .. }) = (self.shape, self.shape.image);
        let run = shape.kernel[1] * c;
        patches.par_chunks_mut(self.output.w * shape.patch()).enumerate().for_each(|(row, patches)| {
            let row = band * self.rows + row;
            let (image, oy) = (row / self.output.h, row % self.output.h);
            for (ox, patch) in patches.chunks_exact_mut(shape.patch()).enumerate() {
                let (taps, column) = shape.inside(ox);
                for (ky, patch) in patch.chunks_exact_mut(run).enumerate() {
                    let iy = (oy * shape.stride + ky).checked_sub(shape.padding).filter(|iy| *iy < h);
                    let Some(iy) = iy.filter(|_| !taps.is_empty()) else {
                        patch.fill(0.0);
                        continue;
                    };
                    let at = ((image * h + iy) * w + column) * c;
                    patch[..taps.start * c].fill(0.0);
                    patch[taps.start * c..taps.end * c].copy_from_slice(&x[at..at + taps.len() * c]);
                    patch[taps.end * c..].fill(0.0);
                }
            }
        });
    }

    /// Adds the patches of the band to the pixels of `gx` that they were gathered from. Each input row
    /// collects what falls on it, so that rows are independent and sums have one order.
    fn scatter(&self, level: Level, band: usize, patches: &[f32], gx: &mut [f32]) {
        let ImageShape { h, w, c, .. } = self.shape.image;
        let rows = patches.len() / (self.output.w * self.shape.patch());
        let rows = band * self.rows..band * self.rows + rows;
        let images = rows.start / self.output.h..(rows.end - 1) / self.output.h + 1;
        gx[images.start * h * w * c..images.end * h * w * c].par_chunks_mut(w * c).enumerate().for_each(
            |(row, gx)| {
                let (image, iy) = (images.start + row / h, row % h);
                dispatch(level, Scatter { bands: self, rows: rows.clone(), image, iy, patches, gx });
            },
        );
    }
}

/// One input row of [`Bands::scatter`].
struct Scatter<'a> {
    bands: &'a Bands<'a>,
    /// Output rows of the band.
    rows: Range<usize>,
    image: usize,
    iy: usize,
    patches: &'a [f32],
    gx: &'a mut [f32],
}

impl Kernel for Scatter<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (shape, output) = (self.bands.shape, self.bands.output);
        let (c, run, patch) = (shape.image.c, shape.kernel[1] * shape.image.c, shape.patch());
        for ky in 0..shape.kernel[0] {
            let Some(above) = (self.iy + shape.padding).checked_sub(ky) else { continue };
            let (oy, row) = (above / shape.stride, self.image * output.h + above / shape.stride);
            if above % shape.stride != 0 || oy >= output.h || !self.rows.contains(&row) {
                continue;
            }
            let patches = &self.patches[(row - self.rows.start) * output.w * patch..][..output.w * patch];
            for (ox, patch) in patches.chunks_exact(patch).enumerate() {
                let (taps, column) = shape.inside(ox);
                let from = &patch[ky * run + taps.start * c..ky * run + taps.end * c];
                for (gx, g) in self.gx[column * c..].iter_mut().zip(from) {
                    *gx += g;
                }
            }
        }
    }
}
