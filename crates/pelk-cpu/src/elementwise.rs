//! Value-by-value operators, and sums over rows.
//!
//! Matrices are row-major `[rows, columns]`; an image is one of pixels by channels, a batch of anything one
//! of samples by values.

mod kernels;

use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::{CHUNK, Multiply, Values, column_sums, map, map_flat};
use crate::shape::{ShapeError, checked_len, expect_len};
use kernels::{Add, AddInto, AllFinite, LerpInto, MulInto, Products, Scale, SparseLerpInto, SumOfSquares};
use pelk_simd::{Level, dispatch};
use rayon::prelude::*;

/// `y = a + b`, all of one length.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn add(level: Level, a: &[f32], b: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    same_length("add", a, &[("b", b.len()), ("y", y.len())])?;
    map_flat(level, [a, b], y, Add);
    Ok(())
}

/// `y += x`, both of one length.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn add_assign(level: Level, y: &mut [f32], x: &[f32]) -> Result<(), ShapeError> {
    same_length("add_assign", x, &[("y", y.len())])?;
    add_into(level, y, x);
    Ok(())
}

/// [`add_assign`] without checking the lengths.
pub(crate) fn add_into(level: Level, y: &mut [f32], x: &[f32]) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| dispatch(level, AddInto { y, x }));
}

/// `average += weight (x - average)`, both of one length: the step of an exponential moving average.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn lerp_assign(level: Level, average: &mut [f32], x: &[f32], weight: f32) -> Result<(), ShapeError> {
    same_length("lerp_assign", x, &[("average", average.len())])?;
    average
        .par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(average, x)| dispatch(level, LerpInto { average, x, weight }));
    Ok(())
}

/// [`lerp_assign`] of sparse values, where 0 means absent: if `x` is 0 the average becomes 0, and if the
/// average is 0 it becomes `x` at once, so that a value that has just appeared is not averaged with the zeros
/// before it.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn sparse_lerp_assign(
    level: Level,
    average: &mut [f32],
    x: &[f32],
    weight: f32,
) -> Result<(), ShapeError> {
    same_length("sparse_lerp_assign", x, &[("average", average.len())])?;
    average
        .par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .for_each(|(average, x)| dispatch(level, SparseLerpInto { average, x, weight }));
    Ok(())
}

/// `y *= x`, both of one length.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn mul_assign(level: Level, y: &mut [f32], x: &[f32]) -> Result<(), ShapeError> {
    same_length("mul_assign", x, &[("y", y.len())])?;
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| dispatch(level, MulInto { y, x }));
    Ok(())
}

/// `y = factor * x`, both of one length.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn scale(level: Level, x: &[f32], factor: f32, y: &mut [f32]) -> Result<(), ShapeError> {
    same_length("scale", x, &[("y", y.len())])?;
    map_flat(level, [x], y, Scale(factor));
    Ok(())
}

/// `y[r, c] = x[r, c] gamma[c]`: `x` and `y` are `[rows, channels]` (a layer scale).
///
/// # Errors
/// When the shapes do not fit together.
pub fn scale_channels(level: Level, x: Rows<'_>, gamma: &[f32], y: RowsMut<'_>) -> Result<(), ShapeError> {
    const NAME: &str = "scale_channels";
    expect_len(NAME, "gamma", gamma.len(), x.columns())?;
    expect_shape(NAME, "y", y.shape(), x.shape())?;
    map(level, x.columns(), [x.values()], [gamma], y.into_values(), Multiply);
    Ok(())
}

/// The gradients of [`scale_channels`] that are needed: `gx = gy gamma`, `ggamma` = the sum of `gy x` over
/// the rows.
///
/// # Errors
/// When the shapes do not fit together.
pub fn scale_channels_backward(
    level: Level,
    x: Rows<'_>,
    gamma: &[f32],
    gy: Rows<'_>,
    gx: Option<RowsMut<'_>>,
    ggamma: Option<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "scale_channels backward";
    let channels = x.columns();
    expect_len(NAME, "gamma", gamma.len(), channels)?;
    expect_shape(NAME, "gy", gy.shape(), x.shape())?;
    expect_shape(NAME, "gx", gx.as_ref().map(RowsMut::shape), x.shape())?;
    expect_len(NAME, "ggamma", ggamma.as_deref().map(<[f32]>::len), channels)?;
    if let Some(gx) = gx {
        map(level, channels, [gy.values()], [gamma], gx.into_values(), Multiply);
    }
    if let Some(ggamma) = ggamma {
        column_sums(level, channels, [x.values(), gy.values()], [], [ggamma], Products);
    }
    Ok(())
}

/// `y[n, ..] = factors[n] x[n, ..]` (stochastic depth), or `y[n, .., c] = factors[n, c] x[n, .., c]`
/// (Dropout2d): the rows of `x` and `y` are samples, with one factor each, or one for each channel of each.
/// It is its own gradient: pass `gy` for `x` to get `gx`.
///
/// # Errors
/// When the shapes differ, the number of factors is not a multiple of the number of samples, or the factors
/// of a sample do not divide its values evenly.
pub fn scale_samples(level: Level, x: Rows<'_>, factors: &[f32], y: RowsMut<'_>) -> Result<(), ShapeError> {
    const NAME: &str = "scale_samples";
    let [samples, size] = x.shape();
    checked_len(NAME, &[("factors", factors.len())])?;
    expect_shape(NAME, "y", y.shape(), x.shape())?;
    let channels = factors.len() / samples;
    if !factors.len().is_multiple_of(samples) || !size.is_multiple_of(channels) {
        let reason = format!("{samples} samples of {size} values cannot share {} factors", factors.len());
        return Err(ShapeError::Invalid { operator: NAME, reason });
    }
    let parts = y.into_values().par_chunks_mut(size).zip(x.values().par_chunks(size));
    parts.zip(factors.par_chunks(channels)).for_each(|((y, x), factors)| match *factors {
        [factor] => map_flat(level, [x], y, Scale(factor)),
        _ => map(level, channels, [x], [factors], y, Multiply),
    });
    Ok(())
}

/// `sums[c]` = the sum of `x[r, c]` over the rows of `x`, which is `[rows, columns]`: the gradient of a bias,
/// or of a map that is added to every sample (rows = samples, columns = values of the map).
///
/// # Errors
/// When `sums` does not have one value for each column.
pub fn column_sum(level: Level, x: Rows<'_>, sums: &mut [f32]) -> Result<(), ShapeError> {
    expect_len("column_sum", "sums", sums.len(), x.columns())?;
    column_sums(level, x.columns(), [x.values()], [], [sums], Values);
    Ok(())
}

/// The sum of the squares of `x`, in `f64`, with the same bits on every level. Zero for an empty slice.
pub fn sum_of_squares(level: Level, x: &[f32]) -> f64 {
    let parts: Vec<f64> = x.par_chunks(CHUNK).map(|x| dispatch(level, SumOfSquares(x))).collect();
    parts.into_iter().sum()
}

/// Whether all values of `x` are finite. True for an empty slice.
pub fn all_finite(level: Level, x: &[f32]) -> bool {
    x.par_chunks(CHUNK).all(|x| dispatch(level, AllFinite(x)))
}

fn same_length(
    operator: &'static str,
    x: &[f32],
    others: &[(&'static str, usize)],
) -> Result<(), ShapeError> {
    checked_len(operator, &[("the tensor", x.len())])?;
    others.iter().try_for_each(|(argument, actual)| expect_len(operator, argument, *actual, x.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

    #[test]
    fn sums_and_products_by_value() {
        for level in Level::available() {
            for n in [1, 17, 40_001] {
                let (a, b, mut y) = (values(1, n), values(2, n), stale(n));
                add(level, &a, &b, &mut y).unwrap();
                assert!((0..n).all(|i| y[i] == a[i] + b[i]), "{level}: add {n}");
                scale(level, &a, -3.0, &mut y).unwrap();
                assert!((0..n).all(|i| y[i] == -3.0 * a[i]), "{level}: scale {n}");
                add_assign(level, &mut y, &b).unwrap();
                assert!((0..n).all(|i| y[i] == -3.0 * a[i] + b[i]), "{level}: add_assign {n}");
                let mut average = a.clone();
                lerp_assign(level, &mut average, &b, 0.25).unwrap();
                assert!(
                    (0..n).all(|i| average[i] == a[i] + 0.25 * (b[i] - a[i])),
                    "{level}: lerp_assign {n}"
                );
                let sparse = |values: &[f32], gap: usize| -> Vec<f32> {
                    (0..n).map(|i| if i % gap == 0 { 0.0 } else { values[i] }).collect()
                };
                let (mut average, x) = (sparse(&a, 3), sparse(&b, 2));
                sparse_lerp_assign(level, &mut average, &x, 0.25).unwrap();
                for i in 0..n {
                    let wanted = match (i % 3, i % 2) {
                        (_, 0) => 0.0,
                        (0, _) => x[i],
                        _ => a[i] + 0.25 * (x[i] - a[i]),
                    };
                    assert_eq!(average[i], wanted, "{level}: sparse_lerp_assign {n}");
                }
                let mut y = a.clone();
                mul_assign(level, &mut y, &b).unwrap();
                assert!((0..n).all(|i| y[i] == a[i] * b[i]), "{level}: mul_assign {n}");
            }
            let (x, factors, mut y) = (values(1, 3 * 20_000), [0.0, 1.0, 1.25], stale(3 * 20_000));
            scale_samples(level, rows(&x, 20_000), &factors, rows_mut(&mut y, 20_000)).unwrap();
            assert!((0..y.len()).all(|i| y[i] == x[i] * factors[i / 20_000]), "{level}: scale_samples");
        }
    }

    #[test]
    fn channel_scales_meet_the_reference() {
        for level in Level::available() {
            for (r, c) in [(1, 1), (5, 5), (7, 36), (3001, 12)] {
                let what = format!("{level}: {r} x {c}");
                let (x, gamma, gy) = (values(1, r * c), values(2, c), values(3, r * c));
                let (mut y, mut gx, mut ggamma) = (stale(r * c), stale(r * c), stale(c));
                scale_channels(level, rows(&x, c), &gamma, rows_mut(&mut y, c)).unwrap();
                let (gx_out, ggamma_out) = (Some(rows_mut(&mut gx, c)), Some(&mut ggamma[..]));
                let backward = scale_channels_backward;
                backward(level, rows(&x, c), &gamma, rows(&gy, c), gx_out, ggamma_out).unwrap();
                let (x, gamma, gy) = (widen(&x), widen(&gamma), widen(&gy));
                assert_close(&what, &y, &reference::elementwise::scale_channels(&x, &gamma), 1e-6);
                let (want_gx, want_ggamma) = reference::elementwise::scale_channels_backward(&x, &gamma, &gy);
                assert_close(format!("{what}, gx"), &gx, &want_gx, 1e-6);
                assert_close(format!("{what}, ggamma"), &ggamma, &want_ggamma, 1e-5);
            }
        }
    }

    #[test]
    fn column_sum_meets_the_reference() {
        for level in Level::available() {
            for (r, c) in [(1, 1), (4, 3), (2, 50_000), (9999, 36)] {
                let (x, mut sums) = (values(1, r * c), stale(c));
                column_sum(level, rows(&x, c), &mut sums).unwrap();
                let want = reference::elementwise::column_sum(c, &widen(&x));
                assert_close(format!("{level}: {r} x {c}"), &sums, &want, 1e-6);
            }
        }
    }

    #[test]
    fn squares_are_summed_in_f64_alike_on_every_level() {
        let mut x = values(1, 50_001);
        x[7] = 1e30; // its square overflows f32
        let want: f64 = widen(&x).iter().map(|x| x * x).sum();
        let sums: Vec<f64> = Level::available().into_iter().map(|level| sum_of_squares(level, &x)).collect();
        assert!(sums.iter().all(|s| s.to_bits() == sums[0].to_bits()), "{sums:?}");
        assert!((sums[0] / want - 1.0).abs() < 1e-14, "{} for {want}", sums[0]);
        assert_eq!(sum_of_squares(Level::best(), &[]), 0.0);
    }

    #[test]
    fn a_single_bad_value_is_found() {
        for level in Level::available() {
            let mut x = values(1, 50_001);
            assert!(all_finite(level, &x) && all_finite(level, &[]));
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                x[50_000] = bad;
                assert!(!all_finite(level, &x), "{level}: {bad}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let x = values(1, 9999 * 36);
        assert_thread_count_free("column_sum", || {
            let mut sums = stale(36);
            column_sum(Level::best(), rows(&x, 36), &mut sums).unwrap();
            sums.push(sum_of_squares(Level::best(), &x) as f32);
            sums
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, mut y) = (Level::PORTABLE, [0.0; 6]);
        let error = add(level, &[0.0; 6], &[0.0; 5], &mut y).unwrap_err();
        assert_eq!(error.to_string(), "add: b has 5 values, but its shape needs 6");
        assert!(add(level, &[], &[], &mut []).is_err());
        assert!(add_assign(level, &mut y, &[0.0; 5]).is_err());
        assert!(lerp_assign(level, &mut y, &[0.0; 5], 0.5).is_err());
        assert!(sparse_lerp_assign(level, &mut y, &[0.0; 5], 0.5).is_err());
        assert!(mul_assign(level, &mut y, &[0.0; 5]).is_err());
        assert!(scale(level, &[0.0; 5], 1.0, &mut y).is_err());
        let (x, gamma) = (rows(&[0.0; 6], 3), [0.0; 3]);
        assert!(scale_channels(level, x, &gamma[..2], rows_mut(&mut y, 3)).is_err());
        assert!(scale_channels(level, x, &gamma, rows_mut(&mut y, 2)).is_err());
        assert!(scale_channels_backward(level, x, &gamma, x, None, Some(&mut y)).is_err());
        for (size, factors) in [(3, 3), (3, 4), (3, 1), (3, 0), (2, 4)] {
            let x = rows(&[0.0; 6], size);
            assert!(scale_samples(level, x, &[0.0; 4][..factors], rows_mut(&mut y, size)).is_err());
        }
        assert!(scale_samples(level, x, &[0.0; 2], rows_mut(&mut y, 2)).is_err());
        assert!(column_sum(level, x, &mut y[..2]).is_err());
    }
}
