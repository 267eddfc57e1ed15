//! The linear layer `y = x W^T + b`, which is also the pointwise (1 x 1) convolution of N, H, W, C images.

use crate::elementwise::column_sum;
use crate::gemm::{AddBias, Matrix, Plain, Start, multiply};
use crate::shape::{ShapeError, checked_len, expect_len};
use pelk_simd::Level;

/// `y[r, o] = bias[o] + sum over i of x[r, i] weight[o, i]`.
///
/// `x` is `[rows, inputs]`, `weight` is `[outputs, inputs]`, `bias` is `[outputs]`, `y` is `[rows, outputs]`.
///
/// ```
/// use pelk_cpu::linear;
/// use pelk_simd::Level;
/// let (x, weight, bias) = ([1.0, 2.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 10.0]);
/// let mut y = [0.0; 3];
/// linear::forward(Level::best(), 1, 2, 3, &x, &weight, Some(&bias), &mut y)?;
/// assert_eq!(y, [1.0, 2.0, 13.0]);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn forward(
    level: Level,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "linear";
    check(NAME, rows, inputs, outputs, x.len(), weight.len())?;
    expect_len(NAME, "bias", bias.map(<[f32]>::len), outputs)?;
    expect_len(NAME, "y", y.len(), rows * outputs)?;
    let (x, weight) = (Matrix::new(x, rows, inputs), Matrix::new(weight, outputs, inputs));
    multiply(level, x, weight.transposed(), Start::Zero, AddBias(bias), y);
    Ok(())
}

/// The gradients of [`forward`] that are asked for, from `gy` (`[rows, outputs]`): `gx = gy W`,
/// `gweight = gy^T x`, `gbias` = the sum of `gy` over the rows.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn backward(
    level: Level,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    weight: &[f32],
    gy: &[f32],
    gx: Option<&mut [f32]>,
    gweight: Option<&mut [f32]>,
    gbias: Option<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "linear backward";
    check(NAME, rows, inputs, outputs, x.len(), weight.len())?;
    expect_len(NAME, "gy", gy.len(), rows * outputs)?;
    expect_len(NAME, "gx", gx.as_deref().map(<[f32]>::len), x.len())?;
    expect_len(NAME, "gweight", gweight.as_deref().map(<[f32]>::len), weight.len())?;
    expect_len(NAME, "gbias", gbias.as_deref().map(<[f32]>::len), outputs)?;
    let by_output = Matrix::new(gy, rows, outputs);
    if let Some(gx) = gx {
        multiply(level, by_output, Matrix::new(weight, outputs, inputs), Start::Zero, Plain, gx);
    }
    if let Some(gweight) = gweight {
        multiply(level, by_output.transposed(), Matrix::new(x, rows, inputs), Start::Zero, Plain, gweight);
    }
    if let Some(gbias) = gbias {
        column_sum(level, rows, outputs, gy, gbias)?;
    }
    Ok(())
}

fn check(
    operator: &'static str,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: usize,
    weight: usize,
) -> Result<(), ShapeError> {
    expect_len(operator, "x", x, checked_len(operator, &[("rows", rows), ("inputs", inputs)])?)?;
    expect_len(
        operator,
        "weight",
        weight,
        checked_len(operator, &[("outputs", outputs), ("inputs", inputs)])?,
    )?;
    checked_len(operator, &[("rows", rows), ("outputs", outputs)]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values, widen};

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
                    forward(level, r, i, o, &x, &weight, bias, &mut y).unwrap();
                    assert_close(
                        &what,
                        &y,
                        &reference::linear::forward(r, i, o, &x64, &weight64, bias64),
                        1e-5,
                    );
                }
                let (mut gx, mut gw, mut gb) = (stale(r * i), stale(o * i), stale(o));
                let (gx_out, gw_out, gb_out) = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
                backward(level, r, i, o, &x, &weight, &gy, gx_out, gw_out, gb_out).unwrap();
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
            forward(Level::best(), r, i, o, &x, &weight, Some(&gy[..o]), &mut y).unwrap();
            let (gx_out, gw_out, gb_out) = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
            backward(Level::best(), r, i, o, &x, &weight, &gy, gx_out, gw_out, gb_out).unwrap();
            [y, gx, gw, gb].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, a, mut y) = (Level::PORTABLE, [0.0; 6], [0.0; 6]);
        assert!(matches!(forward(level, 0, 2, 3, &[], &a, None, &mut []), Err(ShapeError::Empty { .. })));
        let error = forward(level, 2, 2, 3, &a, &a, None, &mut y).unwrap_err();
        assert_eq!(error.to_string(), "linear: x has 6 values, and its shape asks for 4");
        assert!(forward(level, 2, 3, 2, &a, &a, Some(&a[..1]), &mut y[..4]).is_err());
        assert!(forward(level, 2, 3, 2, &a, &a, None, &mut y).is_err());
        let gy = [0.0; 4];
        assert!(backward(level, 2, 3, 2, &a, &a, &gy, None, None, Some(&mut y)).is_err());
        assert!(backward(level, 2, 3, 2, &a, &a, &gy, Some(&mut y), None, None).is_ok());
    }
}
