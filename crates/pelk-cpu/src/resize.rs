//! Bilinear resizing with pixel centers at half integers (PyTorch's `align_corners=False`).

use crate::separable::{check, resample};
use crate::shape::{ImageShape, ShapeError};
use pelk_ops::resample::neighbors;
use pelk_simd::Level;

/// Resizes the images of `x` to `size` (height, width): `y` is `[n, size[0], size[1], c]`.
///
/// Output position `i` lies at `(i + 1/2) inputs / outputs - 1/2` of the input, not below zero, and is
/// interpolated between its two neighbors; at the border both are the outermost pixel. Shrinking does not
/// average.
///
/// ```
/// use pelk_cpu::{resize, shape::ImageShape};
/// use pelk_simd::Level;
/// let shape = ImageShape { n: 1, h: 1, w: 2, c: 1 };
/// let mut y = [0.0; 4];
/// resize::bilinear(Level::best(), shape, [1, 4], &[0.0, 4.0], &mut y)?;
/// assert_eq!(y, [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn bilinear(
    level: Level,
    shape: ImageShape,
    size: [usize; 2],
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "bilinear";
    check(NAME, shape, size, ("x", x.len()), ("y", y.len()))?;
    resample(level, shape, &neighbors(shape.h, size[0]), &neighbors(shape.w, size[1]), x, y);
    Ok(())
}

/// The gradient of [`bilinear`]: `gx`, of `shape`, from `gy`, `[n, size[0], size[1], c]`.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn bilinear_backward(
    level: Level,
    shape: ImageShape,
    size: [usize; 2],
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "bilinear backward";
    check(NAME, shape, size, ("gx", gx.len()), ("gy", gy.len()))?;
    let (rows, columns) =
        (neighbors(shape.h, size[0]).transposed(), neighbors(shape.w, size[1]).transposed());
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
            ([1, 1, 1, 1], [3, 2]),
            ([1, 7, 9, 3], [14, 18]),
            ([2, 6, 6, 2], [1, 1]),
            ([1, 5, 8, 20], [13, 11]),
            ([1, 12, 12, 36], [5, 7]),
            ([3, 4, 5, 6], [4, 5]),
        ];
        for level in Level::available() {
            for ([n, h, w, c], size) in cases {
                let shape = ImageShape { n, h, w, c };
                let what = format!("{level}: {shape:?} to {size:?}");
                let outputs = n * size[0] * size[1] * c;
                let (x, gy) = (values(1, shape.len()), values(2, outputs));
                let (mut y, mut gx) = (stale(outputs), stale(shape.len()));
                bilinear(level, shape, size, &x, &mut y).unwrap();
                bilinear_backward(level, shape, size, &gy, &mut gx).unwrap();
                let want = reference::resize::bilinear(shape, size, &widen(&x));
                assert_close(&what, &y, &want, 1e-6);
                let want = reference::resize::bilinear_backward(shape, size, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want, 1e-6);
            }
        }
    }

    #[test]
    fn the_same_size_is_the_identity() {
        let shape = ImageShape { n: 1, h: 9, w: 7, c: 3 };
        let (x, mut y) = (values(1, shape.len()), stale(shape.len()));
        bilinear(Level::best(), shape, [9, 7], &x, &mut y).unwrap();
        assert_eq!(x, y);
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, shape) = (Level::PORTABLE, ImageShape { n: 1, h: 2, w: 2, c: 1 });
        let (four, mut one) = ([0.0; 4], [0.0; 1]);
        assert!(bilinear(level, shape, [1, 1], &four, &mut one).is_ok());
        assert!(bilinear(level, shape, [1, 2], &four, &mut one).is_err());
        assert!(bilinear(level, shape, [1, 0], &four, &mut []).is_err());
        assert!(bilinear_backward(level, shape, [1, 1], &[0.0; 2], &mut [0.0; 4]).is_err());
    }
}
