//! The linear layer `y = x W^T + b`, which is also the pointwise (1 x 1) convolution of N, H, W, C images.

use crate::elementwise::column_sum;
use crate::gemm::{AddBias, Factor, Matrix, PackedMatrix, Plain, Start, multiply};
use crate::parameters::AffineGradients;
use crate::rows::{Rows, RowsMut, expect_shape};
use crate::shape::{ShapeError, expect_len};
use pelk_simd::Level;

/// `y[r, o] = bias[o] + sum over i of x[r, i] weight[o, i]`.
///
/// `x` is `[rows, inputs]`, `weight` is `[outputs, inputs]`, `bias` is `[outputs]`, `y` is `[rows, outputs]`.
///
/// ```
/// use pelk_cpu::{Rows, RowsMut, linear};
/// use pelk_simd::Level;
/// let (x, weight, bias) = ([1.0, 2.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 10.0]);
/// let mut y = [0.0; 3];
/// let (x, weight) = (Rows::new(&x, 2)?, Rows::new(&weight, 2)?);
/// linear::forward(Level::best(), x, weight, Some(&bias), RowsMut::new(&mut y, 3)?)?;
/// assert_eq!(y, [1.0, 2.0, 13.0]);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together.
pub fn forward(
    level: Level,
    x: Rows<'_>,
    weight: Rows<'_>,
    bias: Option<&[f32]>,
    y: RowsMut<'_>,
) -> Result<(), ShapeError> {
    product(level, x, weight, None, bias, y)
}

/// A weight in the order in which [`forward_packed`] reads it: worth making for a weight that many calls use
/// unchanged. It takes as much memory as the weight.
#[derive(Debug)]
pub struct PackedWeight(PackedMatrix);

impl PackedWeight {
    /// Packs `weight`, `[outputs, inputs]`.
    pub fn new(level: Level, weight: Rows<'_>) -> PackedWeight {
        PackedWeight(PackedMatrix::new(level, Matrix::from(weight).transposed()))
    }

    /// The weight as the factor of a product, together with its values in their usual order.
    pub(crate) fn factor<'a>(weight: Matrix<'a>, packed: Option<&'a PackedWeight>) -> Factor<'a> {
        Factor { matrix: weight.transposed(), packed: packed.map(|packed| &packed.0) }
    }
}

/// [`forward`], to the same bits, with a weight that was packed before; `weight` is the same weight, which is
/// still read where a product is too small for packing, or the level is another.
///
/// # Errors
/// When the shapes do not fit together.
pub fn forward_packed(
    level: Level,
    x: Rows<'_>,
    weight: Rows<'_>,
    packed: &PackedWeight,
    bias: Option<&[f32]>,
    y: RowsMut<'_>,
) -> Result<(), ShapeError> {
    product(level, x, weight, Some(packed), bias, y)
}

fn product(
    level: Level,
    x: Rows<'_>,
    weight: Rows<'_>,
    packed: Option<&PackedWeight>,
    bias: Option<&[f32]>,
    y: RowsMut<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "linear";
    let outputs = weight.rows();
    expect_shape(NAME, "weight", weight.shape(), [outputs, x.columns()])?;
    expect_len(NAME, "bias", bias.map(<[f32]>::len), outputs)?;
    expect_shape(NAME, "y", y.shape(), [x.rows(), outputs])?;
    let weight = PackedWeight::factor(weight.into(), packed);
    multiply(level, x.into(), weight, Start::Zero, AddBias(bias), y.into_values());
    Ok(())
}

/// The gradients of [`forward`] that are needed, from `gy` (`[rows, outputs]`): `gx = gy W`, the weight's is
/// `gy^T x`, the bias's is the sum of `gy` over the rows.
///
/// # Errors
/// When the shapes do not fit together.
pub fn backward(
    level: Level,
    x: Rows<'_>,
    weight: Rows<'_>,
    gy: Rows<'_>,
    gx: Option<RowsMut<'_>>,
    gradients: AffineGradients<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "linear backward";
    let outputs = weight.rows();
    expect_shape(NAME, "weight", weight.shape(), [outputs, x.columns()])?;
    expect_shape(NAME, "gy", gy.shape(), [x.rows(), outputs])?;
    expect_shape(NAME, "gx", gx.as_ref().map(RowsMut::shape), x.shape())?;
    expect_len(NAME, "the weight's gradient", gradients.lens().weight, weight.values().len())?;
    expect_len(NAME, "the bias's gradient", gradients.lens().bias, outputs)?;
    let by_output = Matrix::from(gy);
    if let Some(gx) = gx {
        multiply(level, by_output, Matrix::from(weight), Start::Zero, Plain, gx.into_values());
    }
    if let Some(gweight) = gradients.weight {
        multiply(level, by_output.transposed(), Matrix::from(x), Start::Zero, Plain, gweight);
    }
    if let Some(gbias) = gradients.bias {
        column_sum(level, gy, gbias)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Affine;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

    const SHAPES: [(usize, usize, usize); 4] = [(1, 1, 1), (1, 5, 3), (10, 12, 48), (700, 36, 51)];

    #[test]
    fn forward_and_backward_meet_the_reference() {
        for level in Level::available() {
            for (r, i, o) in SHAPES {
                let what = format!("{level}: {r} x {i} to {o}");
                let (x, weight, bias, gy) =
                    (values(1, r * i), values(2, o * i), values(3, o), values(4, r * o));
                let (x64, weight64, bias64) = (widen(&x), widen(&weight), widen(&bias));
                for (bias, bias64) in [(None, None), (Some(&bias[..]), Some(&bias64[..]))] {
                    let mut y = stale(r * o);
                    forward(level, rows(&x, i), rows(&weight, i), bias, rows_mut(&mut y, o)).unwrap();
                    assert_close(
                        &what,
                        &y,
                        &reference::linear::forward(r, i, o, &x64, &weight64, bias64),
                        1e-5,
                    );
                    let packed = PackedWeight::new(level, rows(&weight, i));
                    let mut again = stale(r * o);
                    let (x, weight, y_out) = (rows(&x, i), rows(&weight, i), rows_mut(&mut again, o));
                    forward_packed(level, x, weight, &packed, bias, y_out).unwrap();
                    assert_eq!(y, again, "{what}, packed before");
                }
                let (mut gx, mut gw, mut gb) = (stale(r * i), stale(o * i), stale(o));
                let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
                let (x, weight, gx_out) = (rows(&x, i), rows(&weight, i), rows_mut(&mut gx, i));
                backward(level, x, weight, rows(&gy, o), Some(gx_out), gradients).unwrap();
                let want = reference::linear::backward(r, i, o, &x64, &weight64, &widen(&gy));
                assert_close(format!("{what}, gx"), &gx, &want.x, 1e-5);
                assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-5);
                assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (r, i, o) = (5000, 36, 51);
        let (x, weight, gy) = (values(1, r * i), values(2, o * i), values(3, r * o));
        assert_thread_count_free("linear", || {
            let (mut y, mut gx, mut gw, mut gb) = (stale(r * o), stale(r * i), stale(o * i), stale(o));
            let (level, x, weight) = (Level::best(), rows(&x, i), rows(&weight, i));
            forward(level, x, weight, Some(&gy[..o]), rows_mut(&mut y, o)).unwrap();
            let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
            let gx_out = Some(rows_mut(&mut gx, i));
            backward(level, x, weight, rows(&gy, o), gx_out, gradients).unwrap();
            [y, gx, gw, gb].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, a, mut y) = (Level::PORTABLE, [0.0; 6], [0.0; 6]);
        let mut run = |x: &[f32], inputs, bias: Option<&[f32]>, outputs| {
            let weight = Rows::new(&a, inputs)?;
            let y = RowsMut::new(&mut y[..x.len() / inputs * outputs], outputs)?;
            forward(level, Rows::new(x, inputs)?, weight, bias, y)
        };
        assert!(matches!(run(&[], 2, None, 3), Err(ShapeError::Empty { .. })));
        assert!(run(&a[..4], 2, None, 3).is_ok());
        assert!(run(&a[..5], 2, None, 3).is_err());
        let error = run(&a[..4], 2, None, 2).unwrap_err();
        assert_eq!(error.to_string(), "linear: y has 2 rows of 2, but must have 2 rows of 3");
        assert!(run(&a, 3, Some(&a[..1]), 2).is_err());
        assert!(run(&a, 3, None, 3).is_err(), "y is too large");
        assert!(forward(level, rows(&a, 3), rows(&a, 2), None, rows_mut(&mut [0.0; 6], 3)).is_err());
        let (x, gy, none) = (rows(&a, 3), rows(&a[..4], 2), Affine { weight: None, bias: None });
        let bias = Affine { bias: Some(&mut y[..]), weight: None };
        assert!(backward(level, x, x, gy, None, bias).is_err());
        assert!(backward(level, x, x, x, None, none).is_err());
        let none = Affine { weight: None, bias: None };
        assert!(backward(level, x, x, gy, Some(rows_mut(&mut y, 3)), none).is_ok());
    }
}
