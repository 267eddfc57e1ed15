//! Batch normalization of each channel over all rows (the pixels of all images of a batch).
//!
//! Training normalizes by the batch's own mean and variance and keeps running ones by PyTorch's rule;
//! evaluation normalizes by the running ones, which makes it an affine map of each channel.

use crate::rowwise::{Map, Multiply, Sums, Values, column_sums, map};
use crate::shape::{ShapeError, checked_len, expect_len};
use pelk_simd::{Level, Simd};

/// `y = (x - mean) inv_std weight + bias` for each channel of `x`, `[rows, channels]`, with the mean and the
/// biased variance over the rows, `inv_std = 1 / sqrt(variance + eps)`.
///
/// `mean` and `inv_std`, `[channels]` each, are outputs that [`backward_train`] needs. The running statistics are
/// updated in place, `running = (1 - momentum) running + momentum batch`, where the batch's variance is the
/// unbiased one, as in PyTorch.
///
/// The variance is the mean square distance from the mean, in a pass of its own, so it does not cancel.
///
/// ```
/// use pelk_cpu::batch_norm;
/// use pelk_simd::Level;
/// let (mut y, mut mean, mut inv_std) = ([0.0; 2], [0.0], [0.0]);
/// let (mut running_mean, mut running_var) = ([0.0], [1.0]);
/// batch_norm::forward_train(
///     Level::best(), 2, 1, &[1.0, 5.0], &[1.0], &[0.0], 1e-5, 0.1,
///     &mut running_mean, &mut running_var, &mut y, &mut mean, &mut inv_std,
/// )?;
/// assert_eq!(mean, [3.0]);
/// assert!((running_mean[0] - 0.3).abs() < 1e-6 && (running_var[0] - 1.7).abs() < 1e-6);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When a dimension is zero, a slice has the wrong length, or there is only one row, whose variance is not
/// defined.
pub fn forward_train(
    level: Level,
    rows: usize,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    momentum: f32,
    running_mean: &mut [f32],
    running_var: &mut [f32],
    y: &mut [f32],
    mean: &mut [f32],
    inv_std: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm in training";
    let len = checked_len(NAME, &[("rows", rows), ("channels", channels)])?;
    if rows == 1 {
        let reason =
            "one value for each channel has no variance: use more images, larger maps, or evaluation";
        return Err(ShapeError::Invalid { operator: NAME, reason: reason.to_owned() });
    }
    expect_len(NAME, "x", x.len(), len)?;
    expect_len(NAME, "y", y.len(), len)?;
    let per_channel = [
        ("weight", weight.len()),
        ("bias", bias.len()),
        ("running_mean", running_mean.len()),
        ("running_var", running_var.len()),
        ("mean", mean.len()),
        ("inv_std", inv_std.len()),
    ];
    per_channel.iter().try_for_each(|(argument, actual)| expect_len(NAME, argument, *actual, channels))?;

    column_sums(level, channels, [x], [], [mean], Values);
    for mean in mean.iter_mut() {
        *mean /= rows as f32;
    }
    let (mut distance, mut square) = (vec![0.0; channels], vec![0.0; channels]);
    column_sums(level, channels, [x], [mean], [&mut distance, &mut square], Distances);
    let mut slope = vec![0.0; channels];
    for c in 0..channels {
        // The distances should sum to zero: what is left is the rounding error of the mean.
        let (rows, distance, square) = (rows as f64, f64::from(distance[c]), f64::from(square[c]));
        let squares = (square - distance * distance / rows).max(0.0);
        let exact_mean = f64::from(mean[c]) + distance / rows;
        let std = (squares / rows + f64::from(eps)).sqrt();
        mean[c] = exact_mean as f32;
        inv_std[c] = (1.0 / std) as f32;
        slope[c] = inv_std[c] * weight[c];
        running_mean[c] += momentum * (mean[c] - running_mean[c]);
        running_var[c] += momentum * ((squares / (rows - 1.0)) as f32 - running_var[c]);
    }
    map(level, channels, [x], [mean, &slope, bias], y, Normalize);
    Ok(())
}

/// `y = (x - running_mean) weight / sqrt(running_var + eps) + bias` for each channel of `x`, `[rows, channels]`.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn forward_eval(
    level: Level,
    rows: usize,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    running_mean: &[f32],
    running_var: &[f32],
    eps: f32,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm in evaluation";
    let len = checked_len(NAME, &[("rows", rows), ("channels", channels)])?;
    expect_len(NAME, "x", x.len(), len)?;
    expect_len(NAME, "weight", weight.len(), channels)?;
    expect_len(NAME, "bias", bias.len(), channels)?;
    expect_len(NAME, "running_mean", running_mean.len(), channels)?;
    expect_len(NAME, "running_var", running_var.len(), channels)?;
    expect_len(NAME, "y", y.len(), len)?;
    let slope: Vec<f32> = inverse_std(running_var, eps).iter().zip(weight).map(|(s, w)| s * w).collect();
    map(level, channels, [x], [running_mean, &slope, bias], y, Normalize);
    Ok(())
}

/// The gradients of [`forward_train`] that are asked for, from `gy` (`[rows, channels]`) and what it saved.
///
/// With `n = (x - mean) inv_std`, for each channel: `gbias` = the sum of `gy` over the rows, `gweight` = the sum
/// of `gy n`, `gx = weight inv_std (gy - gbias / rows - n gweight / rows)`.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn backward_train(
    level: Level,
    rows: usize,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    gy: &[f32],
    gx: Option<&mut [f32]>,
    gweight: Option<&mut [f32]>,
    gbias: Option<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm backward in training";
    check_backward(NAME, rows, channels, x, weight, mean, gy, &gx, &gweight, &gbias)?;
    expect_len(NAME, "inv_std", inv_std.len(), channels)?;
    let (by_weight, by_bias) = parameter_gradients(level, channels, x, mean, inv_std, gy, gweight, gbias);
    if let Some(gx) = gx {
        let average = |c: usize, sum: f32| -inv_std[c] * weight[c] * sum / rows as f32;
        let by_gy: Vec<f32> = weight.iter().zip(inv_std).map(|(w, s)| w * s).collect();
        let by_x: Vec<f32> = (0..channels).map(|c| inv_std[c] * average(c, by_weight[c])).collect();
        let constant: Vec<f32> = (0..channels).map(|c| average(c, by_bias[c])).collect();
        map(level, channels, [x, gy], [mean, &by_gy, &by_x, &constant], gx, ThroughStatistics);
    }
    Ok(())
}

/// The gradients of [`forward_eval`] that are asked for, from `gy` (`[rows, channels]`).
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn backward_eval(
    level: Level,
    rows: usize,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    running_mean: &[f32],
    running_var: &[f32],
    eps: f32,
    gy: &[f32],
    gx: Option<&mut [f32]>,
    gweight: Option<&mut [f32]>,
    gbias: Option<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm backward in evaluation";
    check_backward(NAME, rows, channels, x, weight, running_mean, gy, &gx, &gweight, &gbias)?;
    expect_len(NAME, "running_var", running_var.len(), channels)?;
    let inv_std = inverse_std(running_var, eps);
    if gweight.is_some() || gbias.is_some() {
        parameter_gradients(level, channels, x, running_mean, &inv_std, gy, gweight, gbias);
    }
    if let Some(gx) = gx {
        let slope: Vec<f32> = weight.iter().zip(&inv_std).map(|(w, s)| w * s).collect();
        map(level, channels, [gy], [&slope], gx, Multiply);
    }
    Ok(())
}

fn check_backward(
    operator: &'static str,
    rows: usize,
    channels: usize,
    x: &[f32],
    weight: &[f32],
    mean: &[f32],
    gy: &[f32],
    gx: &Option<&mut [f32]>,
    gweight: &Option<&mut [f32]>,
    gbias: &Option<&mut [f32]>,
) -> Result<(), ShapeError> {
    let len = checked_len(operator, &[("rows", rows), ("channels", channels)])?;
    expect_len(operator, "x", x.len(), len)?;
    expect_len(operator, "weight", weight.len(), channels)?;
    expect_len(operator, "the mean", mean.len(), channels)?;
    expect_len(operator, "gy", gy.len(), len)?;
    expect_len(operator, "gx", gx.as_deref().map(<[f32]>::len), len)?;
    expect_len(operator, "gweight", gweight.as_deref().map(<[f32]>::len), channels)?;
    expect_len(operator, "gbias", gbias.as_deref().map(<[f32]>::len), channels)
}

fn inverse_std(variance: &[f32], eps: f32) -> Vec<f32> {
    variance.iter().map(|v| (1.0 / (f64::from(*v) + f64::from(eps)).sqrt()) as f32).collect()
}

/// The gradients by the weight and by the bias, which are also written to those of the outputs that are there.
fn parameter_gradients(
    level: Level,
    channels: usize,
    x: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    gy: &[f32],
    gweight: Option<&mut [f32]>,
    gbias: Option<&mut [f32]>,
) -> (Vec<f32>, Vec<f32>) {
    let (mut by_weight, mut by_bias) = (vec![0.0; channels], vec![0.0; channels]);
    column_sums(level, channels, [x, gy], [mean, inv_std], [&mut by_weight, &mut by_bias], Gradients);
    for (out, sums) in [(gweight, &by_weight), (gbias, &by_bias)] {
        if let Some(out) = out {
            out.copy_from_slice(sums);
        }
    }
    (by_weight, by_bias)
}

/// Distances from the mean, and their squares.
#[derive(Clone, Copy)]
struct Distances;
impl Sums<1, 1, 2> for Distances {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [x]: [S::V; 1], [mean]: [S::V; 1], sums: [S::V; 2]) -> [S::V; 2] {
        let d = simd.sub(x, mean);
        [simd.add(sums[0], d), simd.mul_add(d, d, sums[1])]
    }
}

/// `gy n` and `gy`.
#[derive(Clone, Copy)]
struct Gradients;
impl Sums<2, 2, 2> for Gradients {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [x, gy]: [S::V; 2], [mean, s]: [S::V; 2], sums: [S::V; 2]) -> [S::V; 2] {
        let n = simd.mul(simd.sub(x, mean), s);
        [simd.mul_add(gy, n, sums[0]), simd.add(sums[1], gy)]
    }
}

#[derive(Clone, Copy)]
struct Normalize;
impl Map<1, 3> for Normalize {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], [mean, slope, bias]: [S::V; 3]) -> S::V {
        simd.mul_add(simd.sub(x, mean), slope, bias)
    }
}

#[derive(Clone, Copy)]
struct ThroughStatistics;
impl Map<2, 4> for ThroughStatistics {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x, gy]: [S::V; 2], [mean, by_gy, by_x, constant]: [S::V; 4]) -> S::V {
        simd.mul_add(gy, by_gy, simd.mul_add(simd.sub(x, mean), by_x, constant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values, widen};

    const EPS: f32 = 1e-5;

    struct Case {
        shape: (usize, usize),
        x: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
        running_mean: Vec<f32>,
        running_var: Vec<f32>,
        gy: Vec<f32>,
    }

    fn case(rows: usize, channels: usize) -> Case {
        // Channels far from zero, where a variance from the mean of squares would cancel.
        let offset = |i: usize| 100.0 * (i % channels) as f32 / channels as f32;
        let x = values(1, rows * channels).iter().enumerate().map(|(i, x)| x + offset(i)).collect();
        Case {
            shape: (rows, channels),
            x,
            weight: values(2, channels),
            bias: values(3, channels),
            running_mean: values(4, channels),
            running_var: values(5, channels).iter().map(|v| v + 1.5).collect(),
            gy: values(6, rows * channels),
        }
    }

    const SHAPES: [(usize, usize); 7] =
        [(2, 1), (3, 3), (90, 4), (98, 46), (2000, 36), (9, 300), (40_000, 3)];

    #[test]
    fn training_meets_the_reference() {
        for level in Level::available() {
            for (r, c) in SHAPES {
                let what = format!("{level}: {r} x {c}");
                let case = case(r, c);
                let (mut running_mean, mut running_var) =
                    (case.running_mean.clone(), case.running_var.clone());
                let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(c), stale(c));
                let running = (&mut running_mean[..], &mut running_var[..]);
                let (x, w) = (&case.x, &case.weight);
                let saved = (&mut mean[..], &mut inv_std[..]);
                forward_train(
                    level, r, c, x, w, &case.bias, EPS, 0.1, running.0, running.1, &mut y, saved.0, saved.1,
                )
                .unwrap();
                let (x64, w64) = (widen(x), widen(w));
                let running = (widen(&case.running_mean), widen(&case.running_var));
                let eps = f64::from(EPS);
                let want = reference::batch_norm::forward_train(
                    &x64,
                    &w64,
                    &widen(&case.bias),
                    eps,
                    f64::from(0.1f32),
                    &running.0,
                    &running.1,
                );
                // Inputs near 100 are only known to 4e-6 of their distance from the mean.
                assert_close(&what, &y, &want.y, 2e-5);
                assert_close(format!("{what}, running_mean"), &running_mean, &want.running_mean, 1e-6);
                assert_close(format!("{what}, running_var"), &running_var, &want.running_var, 1e-5);
                let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
                let outputs = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
                backward_train(level, r, c, x, w, &mean, &inv_std, &case.gy, outputs.0, outputs.1, outputs.2)
                    .unwrap();
                let gy = widen(&case.gy);
                let want = reference::batch_norm::backward_train(&x64, &w64, &want.mean, &want.inv_std, &gy);
                // Two rows are normalized to plus and minus one whatever they are: gx is all cancellation.
                assert_close(format!("{what}, gx"), &gx, &want.x, if r == 2 { 1e-3 } else { 1e-4 });
                assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-4);
                assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
            }
        }
    }

    #[test]
    fn evaluation_meets_the_reference() {
        for level in Level::available() {
            for (r, c) in SHAPES.into_iter().chain([(1, 5)]) {
                let what = format!("{level}: {r} x {c}");
                let case = case(r, c);
                let (x, w, mean, var) = (&case.x, &case.weight, &case.running_mean, &case.running_var);
                let (x64, w64, mean64, var64) = (widen(x), widen(w), widen(mean), widen(var));
                let mut y = stale(r * c);
                forward_eval(level, r, c, x, w, &case.bias, mean, var, EPS, &mut y).unwrap();
                let (bias, eps) = (widen(&case.bias), f64::from(EPS));
                let want = reference::batch_norm::forward_eval(&x64, &w64, &bias, &mean64, &var64, eps);
                assert_close(&what, &y, &want, 1e-5);
                let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
                let outputs = (Some(&mut gx[..]), Some(&mut gw[..]), Some(&mut gb[..]));
                backward_eval(level, r, c, x, w, mean, var, EPS, &case.gy, outputs.0, outputs.1, outputs.2)
                    .unwrap();
                let gy = widen(&case.gy);
                let want = reference::batch_norm::backward_eval(&x64, &w64, &mean64, &var64, eps, &gy);
                assert_close(format!("{what}, gx"), &gx, &want.x, 1e-5);
                assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-5);
                assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let case = case(5000, 36);
        let (r, c) = case.shape;
        assert_thread_count_free("batch_norm", || {
            let level = Level::best();
            let (mut running_mean, mut running_var) = (case.running_mean.clone(), case.running_var.clone());
            let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(c), stale(c));
            let running = (&mut running_mean[..], &mut running_var[..]);
            let (x, w, b) = (&case.x, &case.weight, &case.bias);
            let saved = (&mut mean[..], &mut inv_std[..]);
            forward_train(level, r, c, x, w, b, EPS, 0.1, running.0, running.1, &mut y, saved.0, saved.1)
                .unwrap();
            let (mut gx, mut gw) = (stale(r * c), stale(c));
            let outputs = (Some(&mut gx[..]), Some(&mut gw[..]));
            backward_train(level, r, c, x, w, &mean, &inv_std, &case.gy, outputs.0, outputs.1, None).unwrap();
            [y, mean, inv_std, running_mean, running_var, gx, gw].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, x, c) = (Level::PORTABLE, [0.0; 6], [0.0; 3]);
        let (mut m, mut v, mut mean, mut inv_std) = ([0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]);
        let mut y = [0.0; 6];
        let mut train = |rows: usize, x: &[f32], weight: &[f32], y: &mut [f32]| {
            forward_train(level, rows, 3, x, weight, &c, EPS, 0.1, &mut m, &mut v, y, &mut mean, &mut inv_std)
        };
        assert!(train(2, &x, &c, &mut y).is_ok());
        assert!(train(2, &x, &c[..2], &mut y).is_err());
        assert!(train(2, &x[..5], &c, &mut y).is_err());
        assert!(train(0, &[], &c, &mut []).is_err());
        let error = train(1, &x[..3], &c, &mut y[..3]).unwrap_err();
        assert!(error.to_string().contains("no variance"), "{error}");
        assert!(forward_eval(level, 2, 3, &x, &c, &c, &c, &c[..1], EPS, &mut y).is_err());
        let gy = [0.0; 6];
        assert!(backward_train(level, 2, 3, &x, &c, &c, &c[..1], &gy, None, None, None).is_err());
        assert!(backward_train(level, 2, 3, &x, &c, &c, &c, &gy, None, None, Some(&mut y)).is_err());
        assert!(backward_eval(level, 2, 3, &x, &c, &c, &c, EPS, &gy[1..], None, None, None).is_err());
    }
}
