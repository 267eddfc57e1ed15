//! Images resampled by weights that are a product of one for the row and one for the column: pooling,
//! interpolation and subsampling, whose gradients are maps of the same kind. The axes of these operators are
//! in [`pelk_ops::resample`].

use crate::shape::{ImageShape, ShapeError, expect_len};
use pelk_ops::resample::{Axis, output};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// Applies `rows` and `columns` to each channel of each image of `x`, which has `shape`; `y` is
/// `[n, rows.outputs(), columns.outputs(), c]`. The gradient is the same along the transposed axes.
///
/// ```
/// use pelk_cpu::{separable, shape::ImageShape};
/// use pelk_ops::resample::{bins, neighbors};
/// use pelk_simd::Level;
/// let (level, shape) = (Level::best(), ImageShape { n: 1, h: 1, w: 3, c: 1 });
/// let (x, mut means, mut resized) = ([1.0, 2.0, 3.0], [0.0; 2], [0.0; 6]);
/// // Adaptive average pooling: the two bins share the value in the middle.
/// separable::resample(level, shape, &bins(1, 1), &bins(3, 2), &x, &mut means)?;
/// assert_eq!(means, [1.5, 2.5]);
/// // Bilinear resizing.
/// separable::resample(level, shape, &neighbors(1, 1), &neighbors(3, 6), &x, &mut resized)?;
/// assert_eq!(resized, [1.0, 1.25, 1.75, 2.25, 2.75, 3.0]);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// As [`output`], and when a slice has the wrong length.
pub fn resample(
    level: Level,
    shape: ImageShape,
    rows: &Axis,
    columns: &Axis,
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    let output = output(shape, rows, columns)?;
    expect_len("resample", "x", x.len(), shape.len())?;
    expect_len("resample", "y", y.len(), output.len())?;
    let image = shape.h * shape.w * shape.c;
    y.par_chunks_mut(output.w * shape.c).enumerate().for_each(|(row, y)| {
        let x = &x[row / output.h * image..][..image];
        let taps = &rows.taps()[row % output.h];
        dispatch(level, ResampleRow { channels: shape.c, rows: taps, columns, x, y });
    });
    Ok(())
}

/// One row of the output.
struct ResampleRow<'a> {
    channels: usize,
    rows: &'a [(usize, f32)],
    columns: &'a Axis,
    /// The whole input image.
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for ResampleRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let c = self.channels;
        for (columns, y) in self.columns.taps().iter().zip(self.y.chunks_exact_mut(c)) {
            for (i, y) in y.chunks_mut(S::LANES).enumerate() {
                let mut sum = simd.zero();
                for &(row, row_weight) in self.rows {
                    // Each row is summed by itself, so that large windows add numbers of like size.
                    let mut row_sum = simd.zero();
                    for &(column, weight) in columns {
                        let at = (row * self.columns.inputs() + column) * c + i * S::LANES;
                        let x = simd.load_partial(&self.x[at..at + y.len()]);
                        row_sum = simd.mul_add(x, simd.splat(weight), row_sum);
                    }
                    sum = simd.mul_add(row_sum, simd.splat(row_weight), sum);
                }
                simd.store_partial(sum, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::resample as reference;
    use crate::testing::{assert_close, stale, values, widen};
    use pelk_ops::resample::{bins, every, nearest, neighbors};

    /// Of inputs and size, or step.
    type MakeAxis = fn(usize, usize) -> Axis;
    type Formula = fn(ImageShape, [usize; 2], &[f64]) -> Vec<f64>;

    /// Operators as axes, and each again as a formula of its own.
    const OPERATORS: [(MakeAxis, Formula); 4] = [
        (bins, reference::adaptive_average),
        (neighbors, reference::bilinear),
        (nearest, reference::nearest),
        (every, reference::subsample),
    ];

    const CASES: [([usize; 4], [usize; 2]); 8] = [
        ([1, 1, 1, 1], [1, 1]),
        ([1, 7, 9, 3], [2, 2]),
        ([2, 16, 16, 20], [3, 3]),
        ([1, 5, 5, 2], [6, 6]), // more outputs than inputs
        ([3, 6, 7, 36], [1, 1]),
        ([1, 1, 40, 5], [1, 7]),
        ([1, 5, 8, 20], [13, 11]),
        ([3, 4, 5, 6], [4, 5]),
    ];

    #[test]
    fn every_operator_and_its_gradient_meet_the_reference() {
        for ([n, h, w, c], size) in CASES {
            let shape = ImageShape { n, h, w, c };
            for (operator, (axis, formula)) in OPERATORS.into_iter().enumerate() {
                let (rows, columns) = (axis(h, size[0]), axis(w, size[1]));
                let output = output(shape, &rows, &columns).unwrap();
                let (x, gy) = (values(1, shape.len()), values(2, output.len()));
                let want = formula(shape, size, &widen(&x));
                let [rows_back, columns_back] = [rows.transposed(), columns.transposed()];
                let want_gx = reference::resample(output, &rows_back, &columns_back, &widen(&gy));
                for level in Level::available() {
                    let what = format!("{level}: operator {operator} on {shape:?}, {size:?}");
                    let (mut y, mut gx) = (stale(gy.len()), stale(x.len()));
                    resample(level, shape, &rows, &columns, &x, &mut y).unwrap();
                    resample(level, output, &rows_back, &columns_back, &gy, &mut gx).unwrap();
                    assert_close(&what, &y, &want, 1e-6);
                    assert_close(format!("{what}, gx"), &gx, &want_gx, 1e-6);
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_identity() {
        let shape = ImageShape { n: 1, h: 9, w: 7, c: 3 };
        let x = values(1, shape.len());
        for [rows, columns] in [[bins(9, 9), bins(7, 7)], [neighbors(9, 9), neighbors(7, 7)]] {
            let mut y = stale(x.len());
            resample(Level::best(), shape, &rows, &columns, &x, &mut y).unwrap();
            assert_eq!(x, y);
        }
    }

    #[test]
    fn rows_and_columns_are_resampled_apart() {
        // Rows: the sum of both. Columns: each twice, the second time weighted.
        let rows = Axis::new(2, 1, |_| [(0, 1.0), (1, 1.0)]);
        let columns = Axis::new(2, 4, |i| [(i / 2, if i % 2 == 0 { 1.0 } else { 10.0 })]);
        let shape = ImageShape { n: 1, h: 2, w: 2, c: 1 };
        for level in Level::available() {
            let mut y = stale(4);
            resample(level, shape, &rows, &columns, &[1.0, 2.0, 3.0, 4.0], &mut y).unwrap();
            assert_eq!(y, [4.0, 40.0, 6.0, 60.0], "{level}");
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, shape) = (Level::PORTABLE, ImageShape { n: 1, h: 2, w: 3, c: 1 });
        let (rows, columns) = (every(2, 2), every(3, 2));
        let (six, mut two) = ([0.0; 6], [0.0; 2]);
        assert!(resample(level, shape, &rows, &columns, &six, &mut two).is_ok());
        assert!(resample(level, shape, &columns, &rows, &six, &mut two).is_err());
        assert!(resample(level, shape, &rows, &columns, &six[1..], &mut two).is_err());
        assert!(resample(level, shape, &rows, &columns, &six, &mut two[1..]).is_err());
        assert!(resample(level, ImageShape { n: 0, ..shape }, &rows, &columns, &[], &mut []).is_err());
    }
}
