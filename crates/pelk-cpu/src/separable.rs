//! Images resampled by weights that are a product of one for the row and one for the column: pooling,
//! interpolation and subsampling, whose gradients are maps of the same kind.

use crate::shape::{ImageShape, ShapeError, expect_len};
pub use pelk_ops::resample::Axis;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// Checks the lengths of the two tensors of an operator that resizes images of `shape` to `size`. They are
/// given with their names: first the images of `shape`, then those of `size`.
pub(crate) fn check(
    operator: &'static str,
    shape: ImageShape,
    size: [usize; 2],
    image: (&'static str, usize),
    resampled: (&'static str, usize),
) -> Result<(), ShapeError> {
    shape.check(operator)?;
    let output = ImageShape::checked(operator, shape.n, size[0], size[1], shape.c)?;
    expect_len(operator, image.0, image.1, shape.len())?;
    expect_len(operator, resampled.0, resampled.1, output.len())
}

/// Applies `rows` and `columns` to each channel of each image of `x`: `[n, rows.inputs, columns.inputs, c]`
/// to `y`, `[n, rows.outputs, columns.outputs, c]`. The caller has checked the lengths; `shape` gives `n` and
/// `c`.
pub(crate) fn resample(
    level: Level,
    shape: ImageShape,
    rows: &Axis,
    columns: &Axis,
    x: &[f32],
    y: &mut [f32],
) {
    let image = rows.inputs() * columns.inputs() * shape.c;
    assert!(x.len() == shape.n * image && y.len() == shape.n * rows.outputs() * columns.outputs() * shape.c);
    y.par_chunks_mut(columns.outputs() * shape.c).enumerate().for_each(|(row, y)| {
        let x = &x[row / rows.outputs() * image..][..image];
        let taps = &rows.taps()[row % rows.outputs()];
        dispatch(level, ResampleRow { channels: shape.c, rows: taps, columns, x, y });
    });
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
    use crate::testing::stale;

    #[test]
    fn rows_and_columns_are_resampled_apart() {
        // Rows: the sum of both. Columns: each twice, the second time weighted.
        let rows = Axis::new(2, 1, |_| [(0, 1.0), (1, 1.0)]);
        let columns = Axis::new(2, 4, |i| [(i / 2, if i % 2 == 0 { 1.0 } else { 10.0 })]);
        let shape = ImageShape { n: 1, h: 2, w: 2, c: 1 };
        for level in Level::available() {
            let mut y = stale(4);
            resample(level, shape, &rows, &columns, &[1.0, 2.0, 3.0, 4.0], &mut y);
            assert_eq!(y, [4.0, 40.0, 6.0, 60.0], "{level}");
        }
        let transposed = columns.transposed();
        assert_eq!(transposed.taps(), [[(0, 1.0), (1, 10.0)], [(2, 1.0), (3, 10.0)]]);
        assert_eq!(transposed.transposed(), columns);
    }
}
