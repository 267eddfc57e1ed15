//! Subsampling: every n-th pixel, as a strided convolution keeps them.

use crate::separable::{check, resample};
use crate::shape::{ImageShape, ShapeError};
use pelk_ops::resample::every;
pub use pelk_ops::resample::subsampled as size;
use pelk_simd::Level;

/// Writes every `step`-th row and column of the images of `x` to `y`, from the first on.
///
/// ```
/// use pelk_cpu::{shape::ImageShape, subsample};
/// use pelk_simd::Level;
/// let shape = ImageShape { n: 1, h: 1, w: 5, c: 1 };
/// let mut y = [0.0; 3];
/// subsample::forward(Level::best(), shape, 2, &[1.0, 2.0, 3.0, 4.0, 5.0], &mut y)?;
/// assert_eq!(y, [1.0, 3.0, 5.0]);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// Same as [`size`], and when a slice has the wrong length.
pub fn forward(
    level: Level,
    shape: ImageShape,
    step: usize,
    x: &[f32],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    check("subsample", shape, size(shape, step)?, ("x", x.len()), ("y", y.len()))?;
    resample(level, shape, &every(shape.h, step), &every(shape.w, step), x, y);
    Ok(())
}

/// The gradient of [`forward`]: `gx`, of `shape`, from `gy`; zeros at the pixels that were left out.
///
/// # Errors
/// Same as [`size`], and when a slice has the wrong length.
pub fn backward(
    level: Level,
    shape: ImageShape,
    step: usize,
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    check("subsample backward", shape, size(shape, step)?, ("gx", gx.len()), ("gy", gy.len()))?;
    let (rows, columns) = (every(shape.h, step).transposed(), every(shape.w, step).transposed());
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
        for level in Level::available() {
            for ([n, h, w, c], step) in [
                ([1, 1, 1, 1], 2),
                ([2, 6, 7, 3], 2),
                ([1, 9, 4, 20], 3),
                ([3, 5, 5, 36], 1),
                ([1, 2, 3, 5], 7),
            ] {
                let shape = ImageShape { n, h, w, c };
                let what = format!("{level}: {shape:?} by {step}");
                let [oh, ow] = size(shape, step).unwrap();
                let (x, gy) = (values(1, shape.len()), values(2, n * oh * ow * c));
                let (mut y, mut gx) = (stale(gy.len()), stale(x.len()));
                forward(level, shape, step, &x, &mut y).unwrap();
                backward(level, shape, step, &gy, &mut gx).unwrap();
                // Nothing is computed, so nothing is rounded.
                assert_close(&what, &y, &reference::subsample::forward(shape, step, &widen(&x)), 0.0);
                let want = reference::subsample::backward(shape, step, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want, 0.0);
            }
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, shape) = (Level::PORTABLE, ImageShape { n: 1, h: 2, w: 3, c: 1 });
        let (six, mut two) = ([0.0; 6], [0.0; 2]);
        assert!(forward(level, shape, 2, &six, &mut two).is_ok());
        assert!(forward(level, shape, 0, &six, &mut two).is_err());
        assert!(forward(level, shape, 3, &six, &mut two).is_err());
        assert!(backward(level, shape, 2, &two, &mut [0.0; 5]).is_err());
        assert!(size(ImageShape { w: 0, ..shape }, 2).is_err());
    }
}
