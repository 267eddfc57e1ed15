//! Dense 2-D convolution of N, H, W, C images.
//!
//! Three ways, chosen by shape alone: a 1 x 1 kernel with stride 1 is a [`linear`] layer over the pixels, a 3 x
//! 3 kernel with stride 1 takes Winograd's filtering (`winograd`), all others a product of patches
//! (`patches`).

mod patches;
mod winograd;

use crate::elementwise::column_sum;
use crate::linear;
use crate::parameters::{Affine, AffineGradients};
use crate::rows::{Rows, RowsMut};
use crate::shape::{ImageShape, ShapeError, checked_len, expect_len};
use patches::Bands;
pub use pelk_ops::Conv2dShape;
use pelk_simd::Level;
use winograd::{Tiles, Weight};

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
    if winograd::suits(shape, output) {
        let weight = Weight { values: weight, turned: false };
        winograd::convolve(level, Tiles::forward(shape, output), x, weight, bias, y);
        return Ok(());
    }
    patches::convolve(level, Bands::new(shape, output), x, weight, bias, y);
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
        if winograd::suits(shape, output) {
            winograd::weight_gradient(level, Tiles::forward(shape, output), x, gy, gweight);
        } else {
            patches::weight_gradient(level, Bands::new(shape, output), x, gy, gweight);
        }
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
    if winograd::suits(shape, output) {
        let weight = Weight { values: weight, turned: true };
        winograd::convolve(level, Tiles::backward(shape, output), gy, weight, bias, gx);
        return Ok(());
    }
    patches::transposed(level, Bands::new(shape, output), gy, weight, bias, gx);
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
            shape([3, 9, 14, 37], 19, [3, 3], 1, 1),
            shape([1, 30, 26, 16], 48, [3, 3], 1, 0),
            shape([2, 13, 16, 33], 70, [3, 3], 1, 2),
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
