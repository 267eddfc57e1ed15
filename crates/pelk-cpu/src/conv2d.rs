//! Dense 2-D convolution of N, H, W, C images, as products of patch matrices.
//!
//! The patches under the kernel are gathered to a matrix, a band of output rows at a time so that memory
//! stays bounded, and multiplied by the weight. A 1 x 1 kernel with stride 1 needs no patches: it is a
//! [`linear`] layer over the pixels.

use crate::elementwise::column_sum;
use crate::gemm::{AddBias, Matrix, Plain, Start, multiply};
use crate::linear;
use crate::parameters::{Affine, AffineGradients};
use crate::rows::{Rows, RowsMut};
use crate::rowwise::CHUNK;
use crate::scratch;
use crate::shape::{ImageShape, ShapeError, checked_len, expect_len};
pub use pelk_ops::Conv2dShape;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Values of a band of patches: 8 MiB, which fits a level-3 cache, and enough rows (20 000 for the 4 x 4
/// stem) for the product to be cut into tasks.
const BAND: usize = 1 << 21;

/// The convolution of `x` with `weight`, plus `bias[o]` in every pixel of output channel `o`.
///
/// # Errors
/// Same as [`Conv2dShape::output`], and when a slice has the wrong length.
pub fn forward(
    level: Level,
    shape: &Conv2dShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "conv2d";
    let output = check(NAME, shape, x.len(), weight.len())?;
    expect_len(NAME, "bias", bias.map(<[f32]>::len), shape.out_channels)?;
    expect_len(NAME, "y", y.len(), output.len())?;
    if shape.is_pointwise() {
        let (x, weight) = (Rows::new(x, shape.image.c)?, Rows::new(weight, shape.image.c)?);
        return linear::forward(level, x, weight, bias, RowsMut::new(y, output.c)?);
    }
    let bands = Bands::new(shape, output);
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
    Ok(())
}

/// The gradients of [`forward`] that are needed, from `gy` (of the output's shape).
///
/// # Errors
/// Same as [`Conv2dShape::output`], and when a slice has the wrong length.
pub fn backward(
    level: Level,
    shape: &Conv2dShape,
    x: &[f32],
    weight: &[f32],
    gy: &[f32],
    gx: Option<&mut [f32]>,
    gradients: AffineGradients<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "conv2d backward";
    let output = check(NAME, shape, x.len(), weight.len())?;
    expect_len(NAME, "gy", gy.len(), output.len())?;
    expect_len(NAME, "gx", gx.as_deref().map(<[f32]>::len), x.len())?;
    expect_len(NAME, "the weight's gradient", gradients.lens().weight, weight.len())?;
    expect_len(NAME, "the bias's gradient", gradients.lens().bias, output.c)?;
    if shape.is_pointwise() {
        let inputs = shape.image.c;
        let (x, weight) = (Rows::new(x, inputs)?, Rows::new(weight, inputs)?);
        let (gy, gx) = (Rows::new(gy, output.c)?, RowsMut::optional(gx, inputs)?);
        return linear::backward(level, x, weight, gy, gx, gradients);
    }
    if let Some(gx) = gx {
        transposed(level, shape, gy, weight, None, gx)?;
    }
    let Affine { weight: gweight, bias: gbias } = gradients;
    if let Some(gweight) = gweight {
        let bands = Bands::new(shape, output);
        scratch::with_parts([weight.len(), bands.patches()], |[gradient, patches]| {
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
    if let Some(gbias) = gbias {
        column_sum(level, Rows::new(gy, output.c)?, gbias)?;
    }
    Ok(())
}

/// The transposed convolution: `gx`, of the image's shape, is the gradient of [`forward`] by x from `gy`,
/// plus `bias[c]` in every pixel of channel `c`.
///
/// # Errors
/// As [`Conv2dShape::output`], and when a slice has the wrong length.
pub fn transposed(
    level: Level,
    shape: &Conv2dShape,
    gy: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "conv2d transposed";
    let (output, channels) = (check(NAME, shape, gx.len(), weight.len())?, shape.image.c);
    expect_len(NAME, "gy", gy.len(), output.len())?;
    expect_len(NAME, "bias", bias.map(<[f32]>::len), channels)?;
    match bias {
        None => gx.par_iter_mut().for_each(|gx| *gx = 0.0),
        Some(bias) => {
            let pixels = gx.par_chunks_mut(channels).with_min_len((CHUNK / channels).max(1));
            pixels.for_each(|gx| gx.copy_from_slice(bias));
        }
    }
    let bands = Bands::new(shape, output);
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
    Ok(())
}

fn check(
    operator: &'static str,
    shape: &Conv2dShape,
    x: usize,
    weight: usize,
) -> Result<ImageShape, ShapeError> {
    let output = shape.output()?;
    let pixels = output.pixels();
    checked_len(operator, &[("the output", pixels), ("the patch", shape.patch())])?;
    expect_len(operator, "x", x, shape.image.len())?;
    expect_len(operator, "weight", weight, shape.weight_len())?;
    Ok(output)
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
struct Bands<'a> {
    shape: &'a Conv2dShape,
    output: ImageShape,
    /// Output rows of a band.
    rows: usize,
}

impl<'a> Bands<'a> {
    fn new(shape: &'a Conv2dShape, output: ImageShape) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values, widen};

    fn shape(
        [n, h, w, c]: [usize; 4],
        out_channels: usize,
        kernel: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> Conv2dShape {
        Conv2dShape { image: ImageShape { n, h, w, c }, out_channels, kernel, stride, padding }
    }

    #[test]
    fn forward_and_backward_meet_the_reference() {
        let shapes = [
            shape([1, 1, 1, 1], 1, [1, 1], 1, 0),
            shape([2, 16, 20, 3], 8, [4, 4], 4, 0),
            shape([1, 13, 11, 6], 10, [2, 2], 2, 0),
            shape([2, 9, 11, 5], 7, [3, 3], 1, 1),
            shape([3, 4, 4, 4], 4, [3, 3], 2, 1),
            shape([1, 1, 9, 17], 5, [1, 1], 1, 0),
            shape([1, 5, 7, 4], 3, [1, 1], 2, 0),
            shape([1, 5, 5, 5], 5, [5, 1], 1, 2),
            shape([1, 2, 3, 2], 2, [7, 9], 3, 4), // whole columns of taps outside the image
            shape([1, 260, 260, 3], 2, [6, 6], 1, 0), // several bands, the last one short
        ];
        for level in Level::available() {
            for shape in shapes {
                let what = format!("{level}: {shape:?}");
                let output = shape.output().unwrap();
                let (x, weight) = (values(1, shape.image.len()), values(2, shape.weight_len()));
                let (bias, gy) = (values(3, output.c), values(4, output.len()));
                let (x64, weight64) = (widen(&x), widen(&weight));
                let mut y = stale(output.len());
                forward(level, &shape, &x, &weight, Some(&bias), &mut y).unwrap();
                let want = reference::conv2d::forward(&shape, &x64, &weight64, Some(&widen(&bias)));
                assert_close(&what, &y, &want, 1e-5);
                let (mut gx, mut gw, mut gb) = (stale(x.len()), stale(weight.len()), stale(output.c));
                let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
                backward(level, &shape, &x, &weight, &gy, Some(&mut gx), gradients).unwrap();
                let want = reference::conv2d::backward(&shape, &x64, &weight64, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want.x, 1e-5);
                assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-4);
                assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-4);
                let (channels, mut back) = (values(5, shape.image.c), stale(x.len()));
                transposed(level, &shape, &gy, &weight, Some(&channels), &mut back).unwrap();
                let want =
                    reference::conv2d::transposed(&shape, &widen(&gy), &weight64, Some(&widen(&channels)));
                assert_close(format!("{what}, transposed"), &back, &want, 1e-5);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let shape = shape([2, 60, 60, 12], 24, [3, 3], 1, 1);
        let (x, weight) = (values(1, shape.image.len()), values(2, shape.weight_len()));
        let gy = values(3, shape.output().unwrap().len());
        assert_thread_count_free("conv2d", || {
            let (mut y, mut gx, mut gw) = (stale(gy.len()), stale(x.len()), stale(weight.len()));
            forward(Level::best(), &shape, &x, &weight, None, &mut y).unwrap();
            let gradients = Affine { weight: Some(&mut gw[..]), bias: None };
            backward(Level::best(), &shape, &x, &weight, &gy, Some(&mut gx), gradients).unwrap();
            [y, gx, gw].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let error = shape([1, 4, 4, 3], 8, [5, 5], 1, 0).output().unwrap_err();
        let text = "conv2d: a kernel of 5 x 5 does not fit an image of 4 x 4 with padding 0";
        assert_eq!(error.to_string(), text);
        assert!(shape([1, 4, 4, 3], 8, [3, 3], 0, 0).output().is_err());
        assert!(shape([1, 4, 4, 3], 0, [3, 3], 1, 0).output().is_err());
        assert!(shape([1, 4, 4, 3], 8, [3, 0], 1, 0).output().is_err());
        assert!(shape([1, 4, 4, 3], 8, [3, 3], 1, usize::MAX).output().is_err());
        assert!(shape([1, 0, 4, 3], 8, [3, 3], 1, 1).output().is_err());
        let (level, ok) = (Level::PORTABLE, shape([1, 2, 2, 1], 1, [2, 2], 1, 0));
        let (four, mut one) = ([0.0; 4], [0.0; 1]);
        assert!(forward(level, &ok, &four, &four, None, &mut one).is_ok());
        assert!(forward(level, &ok, &four[1..], &four, None, &mut one).is_err());
        assert!(forward(level, &ok, &four, &four[1..], None, &mut one).is_err());
        assert!(forward(level, &ok, &four, &four, Some(&four), &mut one).is_err());
        assert!(transposed(level, &ok, &one.clone(), &four, Some(&[1.0]), &mut [0.0; 4]).is_ok());
        assert!(transposed(level, &ok, &four, &four, None, &mut [0.0; 4]).is_err());
        assert!(transposed(level, &ok, &one.clone(), &four, Some(&four), &mut [0.0; 4]).is_err());
        let none = || Affine { weight: None, bias: None };
        assert!(backward(level, &ok, &four, &four, &four, None, none()).is_err());
        assert!(backward(level, &ok, &four, &four, &four[..1], Some(&mut one), none()).is_err());
    }
}
