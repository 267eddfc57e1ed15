//! Adaptive average pooling, with PyTorch's bins.

use crate::separable::{check, resample};
use crate::shape::{ImageShape, ShapeError};
use pelk_ops::resample::bins;
use pelk_simd::Level;

/// Averages the images of `x` over a grid of `size` (height, width) bins to `y`, `[n, size[0], size[1], c]`.
///
/// Bin `i` of `k` over `l` positions is `floor(i l / k) .. ceil((i + 1) l / k)`: bins overlap where `k` does
/// not divide `l`. A size of `[1, 1]` is global average pooling.
///
/// ```
/// use pelk_cpu::{pool, shape::ImageShape};
/// use pelk_simd::Level;
/// let shape = ImageShape { n: 1, h: 1, w: 3, c: 1 };
/// let mut y = [0.0; 2];
/// pool::adaptive_average(Level::best(), shape, [1, 2], &[1.0, 2.0, 3.0], &mut y)?;
/// assert_eq!(y, [1.5, 2.5]); // the bins share the value in the middle
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn adaptive_average(
    level: Level,
    shape: ImageShape,
    size: [usize; 2],
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "adaptive_average";
    check(NAME, shape, size, ("x", x.len()), ("y", y.len()))?;
    resample(level, shape, &bins(shape.h, size[0]), &bins(shape.w, size[1]), x, y);
    Ok(())
}

/// The gradient of [`adaptive_average`]: `gx`, of `shape`, from `gy`, `[n, size[0], size[1], c]`.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn adaptive_average_backward(
    level: Level,
    shape: ImageShape,
    size: [usize; 2],
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "adaptive_average backward";
    check(NAME, shape, size, ("gx", gx.len()), ("gy", gy.len()))?;
    let (rows, columns) = (bins(shape.h, size[0]).transposed(), bins(shape.w, size[1]).transposed());
    resample(level, shape, &rows, &columns, gy, gx);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, stale, values, widen};

    #[test]
    fn forward_and_backward_meet_the_reference() {
        let cases = [
            ([1, 1, 1, 1], [1, 1]),
            ([1, 7, 9, 3], [2, 2]),
            ([2, 16, 16, 20], [3, 3]),
            ([1, 5, 5, 2], [6, 6]), // more bins than pixels
            ([3, 6, 7, 36], [1, 1]),
            ([1, 1, 40, 5], [1, 7]),
        ];
        for level in Level::available() {
            for ([n, h, w, c], size) in cases {
                let shape = ImageShape { n, h, w, c };
                let what = format!("{level}: {shape:?} to {size:?}");
                let outputs = n * size[0] * size[1] * c;
                let (x, gy) = (values(1, shape.len()), values(2, outputs));
                let (mut y, mut gx) = (stale(outputs), stale(shape.len()));
                adaptive_average(level, shape, size, &x, &mut y).unwrap();
                adaptive_average_backward(level, shape, size, &gy, &mut gx).unwrap();
                let want = reference::pool::adaptive_average(shape, size, &widen(&x));
                assert_close(&what, &y, &want, 1e-6);
                let want = reference::pool::adaptive_average_backward(shape, size, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want, 1e-6);
            }
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, shape) = (Level::PORTABLE, ImageShape { n: 1, h: 2, w: 2, c: 1 });
        let (four, mut one) = ([0.0; 4], [0.0; 1]);
        assert!(adaptive_average(level, shape, [1, 1], &four, &mut one).is_ok());
        assert!(adaptive_average(level, shape, [1, 2], &four, &mut one).is_err());
        assert!(adaptive_average(level, shape, [0, 1], &four, &mut []).is_err());
        assert!(adaptive_average(level, ImageShape { h: 0, ..shape }, [1, 1], &[], &mut one).is_err());
        assert!(adaptive_average_backward(level, shape, [1, 1], &[0.0], &mut one).is_err());
    }
}
