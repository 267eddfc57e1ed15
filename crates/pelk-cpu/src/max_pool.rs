//! Max pooling, with PyTorch's rules.

use crate::shape::{ImageShape, ShapeError, expect_len};
pub use pelk_ops::MaxPool;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;
use std::iter::zip;

/// The largest value under each window of the images `x` of `shape`, in `y`, and its [`MaxPool::place`] in
/// the window, in `places`. Both have the shape [`MaxPool::output`].
///
/// ```
/// use pelk_cpu::{max_pool, shape::ImageShape};
/// use pelk_simd::Level;
/// let op = max_pool::MaxPool { kernel: 3, stride: 2, padding: 1 };
/// let shape = ImageShape { n: 1, h: 1, w: 4, c: 1 };
/// let (mut y, mut places) = ([0.0; 2], [0.0; 2]);
/// max_pool::forward(Level::best(), op, shape, &[1.0, 2.0, 2.0, -5.0], &mut y, &mut places)?;
/// assert_eq!((y, places), ([2.0, 2.0], [5.0, 3.0])); // the image is the middle row of each window
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// As [`MaxPool::output`], and when a slice has the wrong length.
pub fn forward(
    level: Level,
    op: MaxPool,
    shape: ImageShape,
    x: &[f32],
    y: &mut [f32],
    places: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "max_pool";
    let output = op.output(shape)?;
    expect_len(NAME, "x", x.len(), shape.len())?;
    expect_len(NAME, "y", y.len(), output.len())?;
    expect_len(NAME, "the places", places.len(), output.len())?;
    let (image, run) = (shape.h * shape.w * shape.c, output.w * shape.c);
    let rows = y.par_chunks_mut(run).zip(places.par_chunks_mut(run)).enumerate();
    rows.for_each(|(row, (y, places))| {
        let x = &x[row / output.h * image..][..image];
        dispatch(level, OutputRow { op, shape, oy: row % output.h, x, y, places });
    });
    Ok(())
}

/// The gradient of [`forward`] by x, from its `places` and `gy`.
///
/// # Errors
/// As [`MaxPool::output`], and when a slice has the wrong length.
pub fn backward(
    level: Level,
    op: MaxPool,
    shape: ImageShape,
    places: &[f32],
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "max_pool backward";
    let output = op.output(shape)?;
    expect_len(NAME, "the places", places.len(), output.len())?;
    expect_len(NAME, "gy", gy.len(), output.len())?;
    expect_len(NAME, "gx", gx.len(), shape.len())?;
    let image = output.h * output.w * output.c;
    gx.par_chunks_mut(shape.w * shape.c).enumerate().for_each(|(row, gx)| {
        let images = row / shape.h * image..(row / shape.h + 1) * image;
        let (places, gy) = (&places[images.clone()], &gy[images]);
        dispatch(level, InputRow { op, output, iy: row % shape.h, places, gy, gx });
    });
    Ok(())
}

/// One row of the output.
struct OutputRow<'a> {
    op: MaxPool,
    shape: ImageShape,
    oy: usize,
    /// The whole input image.
    x: &'a [f32],
    y: &'a mut [f32],
    places: &'a mut [f32],
}

impl Kernel for OutputRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ImageShape { h, w, c, .. } = self.shape;
        let (rows, op) = (self.op.window(self.oy, h), self.op);
        let pixels = zip(self.y.chunks_exact_mut(c), self.places.chunks_exact_mut(c));
        for (ox, (y, places)) in pixels.enumerate() {
            let columns = op.window(ox, w);
            let first = (rows.start * w + columns.start) * c;
            y.copy_from_slice(&self.x[first..first + c]);
            places.fill(op.place([self.oy, ox], [rows.start, columns.start]) as f32);
            for iy in rows.clone() {
                for ix in columns.clone() {
                    let (x, place) =
                        (&self.x[(iy * w + ix) * c..][..c], op.place([self.oy, ox], [iy, ix]) as f32);
                    for ((y, at), &x) in zip(zip(y.iter_mut(), places.iter_mut()), x) {
                        // No branch, so that channels become lanes.
                        let larger = (x > *y) | x.is_nan();
                        *y = if larger { x } else { *y };
                        *at = if larger { place } else { *at };
                    }
                }
            }
        }
    }
}

/// One row of the input's gradient. It gathers, so rows are independent and sums have one order.
struct InputRow<'a> {
    op: MaxPool,
    output: ImageShape,
    iy: usize,
    /// Of the whole image, as `gy`.
    places: &'a [f32],
    gy: &'a [f32],
    gx: &'a mut [f32],
}

impl Kernel for InputRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ImageShape { h, w, c, .. } = self.output;
        for (ix, gx) in self.gx.chunks_exact_mut(c).enumerate() {
            gx.fill(0.0);
            for oy in self.op.windows(self.iy, h) {
                for ox in self.op.windows(ix, w) {
                    let (at, place) = ((oy * w + ox) * c, self.op.place([oy, ox], [self.iy, ix]) as f32);
                    let (places, gy) = (&self.places[at..at + c], &self.gy[at..at + c]);
                    for (gx, (&largest, &gy)) in zip(gx.iter_mut(), zip(places, gy)) {
                        *gx += if largest == place { gy } else { 0.0 };
                    }
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

    fn op(kernel: usize, stride: usize, padding: usize) -> MaxPool {
        MaxPool { kernel, stride, padding }
    }

    #[test]
    fn forward_and_backward_meet_the_reference() {
        let cases = [
            ([1, 1, 1, 1], op(1, 1, 0)),
            ([2, 7, 10, 3], op(1, 2, 0)),
            ([1, 9, 8, 20], op(2, 2, 0)),
            ([2, 11, 7, 5], op(3, 2, 1)),
            ([1, 6, 9, 36], op(5, 1, 2)),
            ([3, 4, 5, 17], op(4, 3, 2)),
            ([1, 8, 8, 2], op(2, 5, 1)), // pixels in no window
        ];
        for level in Level::available() {
            for ([n, h, w, c], op) in cases {
                let shape = ImageShape { n, h, w, c };
                let what = format!("{level}: {op:?} on {shape:?}");
                let len = op.output(shape).unwrap().len();
                // Few different values, so that windows hold equal ones.
                let x: Vec<f32> = values(1, shape.len()).iter().map(|x| (x * 4.0).round()).collect();
                let gy = values(2, len);
                let (mut y, mut places, mut gx) = (stale(len), stale(len), stale(x.len()));
                forward(level, op, shape, &x, &mut y, &mut places).unwrap();
                backward(level, op, shape, &places, &gy, &mut gx).unwrap();
                let [want, want_places] = reference::max_pool::forward(op, shape, &widen(&x));
                assert_close(&what, &y, &want, 0.0);
                assert_close(format!("{what}, places"), &places, &want_places, 0.0);
                let want = reference::max_pool::backward(op, shape, &want_places, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want, 1e-6);
            }
        }
    }

    #[test]
    fn nan_and_infinities_are_kept() {
        let shape = ImageShape { n: 1, h: 1, w: 3, c: 3 };
        let (none, all) = (f32::NEG_INFINITY, f32::NAN);
        let x = [none, 1.0, all, none, all, 5.0, none, 2.0, 6.0];
        for level in Level::available() {
            let (mut y, mut places) = (stale(3), stale(3));
            let wide = ImageShape { h: 3, ..shape };
            forward(level, op(3, 1, 0), wide, &x.repeat(3), &mut y, &mut places).unwrap();
            assert!(y[0] == none && y[1].is_nan() && y[2].is_nan(), "{level}: {y:?}");
            assert_eq!(places[0], 0.0, "{level}");
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (shape, op) = (ImageShape { n: 2, h: 30, w: 31, c: 5 }, op(3, 2, 1));
        let len = op.output(shape).unwrap().len();
        let (x, gy) = (values(1, shape.len()), values(2, len));
        assert_thread_count_free("max_pool", || {
            let (mut y, mut places, mut gx) = (stale(len), stale(len), stale(x.len()));
            forward(Level::best(), op, shape, &x, &mut y, &mut places).unwrap();
            backward(Level::best(), op, shape, &places, &gy, &mut gx).unwrap();
            [y, places, gx].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, shape) = (Level::PORTABLE, ImageShape { n: 1, h: 2, w: 2, c: 1 });
        let (four, mut one, mut places) = ([0.0; 4], [0.0; 1], [0.0; 1]);
        assert!(forward(level, op(2, 1, 0), shape, &four, &mut one, &mut places).is_ok());
        assert!(forward(level, op(2, 1, 0), shape, &four[1..], &mut one, &mut places).is_err());
        assert!(forward(level, op(2, 1, 0), shape, &four, &mut one, &mut []).is_err());
        assert!(forward(level, op(2, 1, 2), shape, &four, &mut one, &mut places).is_err());
        assert!(backward(level, op(2, 1, 0), shape, &one, &one, &mut [0.0; 4]).is_ok());
        assert!(backward(level, op(2, 1, 0), shape, &one, &four, &mut [0.0; 4]).is_err());
        assert!(backward(level, op(2, 1, 0), shape, &one, &one, &mut [0.0; 3]).is_err());
    }
}
