//! Batch normalization of each channel over all rows (the pixels of all images of a batch).
//!
//! Training normalizes by the batch's own mean and variance and keeps running ones by PyTorch's rule;
//! evaluation normalizes by the running ones, which makes it an affine map of each channel.

use crate::parameters::{Affine, AffineGradients, Moments, Running};
use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::{Map, Multiply, Sums, Values, column_sums, map};
use crate::shape::{ShapeError, expect_len};
use pelk_simd::{Level, Simd};

/// `y = (x - mean) inv_std weight + bias` for each channel of `x`, `[rows, channels]`, with the mean and the
/// biased variance over the rows, `inv_std = 1 / sqrt(variance + eps)`.
///
/// `affine` has `[channels]` each. `moments`, `[channels]` each, are outputs that [`backward_train`] needs. The
/// running statistics are updated in place, `running = (1 - momentum) running + momentum batch`, where the batch's
/// variance is the unbiased one, as in PyTorch.
///
/// The variance is the mean square distance from the mean, in a pass of its own, so it does not cancel.
///
/// ```
/// use pelk_cpu::{Affine, Moments, Rows, RowsMut, Running, batch_norm};
/// use pelk_simd::Level;
/// let (mut y, mut mean, mut inv_std) = ([0.0; 2], [0.0], [0.0]);
/// let (mut running_mean, mut running_variance) = ([0.0], [1.0]);
/// let affine = Affine { weight: &[1.0][..], bias: &[0.0] };
/// let running = Running { mean: &mut running_mean[..], variance: &mut running_variance, eps: 1e-5 };
/// let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std };
/// let (x, out) = (Rows::new(&[1.0, 5.0], 1)?, RowsMut::new(&mut y, 1)?);
/// batch_norm::forward_train(Level::best(), x, affine, running, 0.1, out, moments)?;
/// assert_eq!(mean, [3.0]);
/// assert!((running_mean[0] - 0.3).abs() < 1e-6 && (running_variance[0] - 1.7).abs() < 1e-6);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, or there is only one row, whose variance is not defined.
pub fn forward_train(
    level: Level,
    x: Rows<'_>,
    affine: Affine<&[f32]>,
    running: Running<&mut [f32]>,
    momentum: f32,
    y: RowsMut<'_>,
    moments: Moments<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm in training";
    let [rows, channels] = x.shape();
    let (Affine { weight, bias }, Moments { mean, inv_std }) = (affine, moments);
    if rows == 1 {
        let reason =
            "one value for each channel has no variance: use more images, larger maps, or evaluation";
        return Err(ShapeError::Invalid { operator: NAME, reason: reason.to_owned() });
    }
    expect_shape(NAME, "y", y.shape(), x.shape())?;
    let per_channel = [
        ("weight", weight.len()),
        ("bias", bias.len()),
        ("the running mean", running.mean.len()),
        ("the running variance", running.variance.len()),
        ("mean", mean.len()),
        ("inv_std", inv_std.len()),
    ];
    per_channel.iter().try_for_each(|(argument, actual)| expect_len(NAME, argument, *actual, channels))?;

    let x = x.values();
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
        let std = (squares / rows + f64::from(running.eps)).sqrt();
        mean[c] = exact_mean as f32;
        inv_std[c] = (1.0 / std) as f32;
        slope[c] = inv_std[c] * weight[c];
        running.mean[c] += momentum * (mean[c] - running.mean[c]);
        running.variance[c] += momentum * ((squares / (rows - 1.0)) as f32 - running.variance[c]);
    }
    map(level, channels, [x], [mean, &slope, bias], y.into_values(), Normalize);
    Ok(())
}

/// `y = (x - running mean) weight / sqrt(running variance + eps) + bias` for each channel of `x`,
/// `[rows, channels]`.
///
/// # Errors
/// When the shapes do not fit together.
pub fn forward_eval(
    level: Level,
    x: Rows<'_>,
    affine: Affine<&[f32]>,
    running: Running<&[f32]>,
    y: RowsMut<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm in evaluation";
    let (channels, Affine { weight, bias }) = (x.columns(), affine);
    expect_len(NAME, "weight", weight.len(), channels)?;
    expect_len(NAME, "bias", bias.len(), channels)?;
    check_running(NAME, running, channels)?;
    expect_shape(NAME, "y", y.shape(), x.shape())?;
    let slope: Vec<f32> = inverse_std(running).iter().zip(weight).map(|(s, w)| s * w).collect();
    map(level, channels, [x.values()], [running.mean, &slope, bias], y.into_values(), Normalize);
    Ok(())
}

/// The gradients of [`forward_train`] that are needed, from `gy` (`[rows, channels]`) and the moments that it
/// saved.
///
/// With `n = (x - mean) inv_std`, for each channel: the bias's gradient is the sum of `gy` over the rows, the
/// weight's is the sum of `gy n`, and `gx = weight inv_std (gy - gbias / rows - n gweight / rows)`.
///
/// # Errors
/// When the shapes do not fit together.
pub fn backward_train(
    level: Level,
    x: Rows<'_>,
    weight: &[f32],
    moments: Moments<&[f32]>,
    gy: Rows<'_>,
    gx: Option<RowsMut<'_>>,
    gradients: AffineGradients<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm backward in training";
    let ([rows, channels], Moments { mean, inv_std }) = (x.shape(), moments);
    expect_len(NAME, "mean", mean.len(), channels)?;
    expect_len(NAME, "inv_std", inv_std.len(), channels)?;
    check_backward(NAME, x, weight, gy, &gx, &gradients)?;
    let by = parameter_gradients(level, x, moments, gy, gradients);
    if let Some(gx) = gx {
        let average = |c: usize, sum: f32| -inv_std[c] * weight[c] * sum / rows as f32;
        let by_gy: Vec<f32> = weight.iter().zip(inv_std).map(|(w, s)| w * s).collect();
        let by_x: Vec<f32> = (0..channels).map(|c| inv_std[c] * average(c, by.weight[c])).collect();
        let constant: Vec<f32> = (0..channels).map(|c| average(c, by.bias[c])).collect();
        let parameters = [mean, &by_gy, &by_x, &constant];
        map(level, channels, [x.values(), gy.values()], parameters, gx.into_values(), ThroughStatistics);
    }
    Ok(())
}

/// The gradients of [`forward_eval`] that are needed, from `gy` (`[rows, channels]`).
///
/// # Errors
/// When the shapes do not fit together.
pub fn backward_eval(
    level: Level,
    x: Rows<'_>,
    weight: &[f32],
    running: Running<&[f32]>,
    gy: Rows<'_>,
    gx: Option<RowsMut<'_>>,
    gradients: AffineGradients<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "batch_norm backward in evaluation";
    check_running(NAME, running, x.columns())?;
    check_backward(NAME, x, weight, gy, &gx, &gradients)?;
    let inv_std = inverse_std(running);
    if gradients.weight.is_some() || gradients.bias.is_some() {
        parameter_gradients(level, x, Moments { mean: running.mean, inv_std: &inv_std }, gy, gradients);
    }
    if let Some(gx) = gx {
        let slope: Vec<f32> = weight.iter().zip(&inv_std).map(|(w, s)| w * s).collect();
        map(level, x.columns(), [gy.values()], [&slope], gx.into_values(), Multiply);
    }
    Ok(())
}

fn check_running(
    operator: &'static str,
    running: Running<&[f32]>,
    channels: usize,
) -> Result<(), ShapeError> {
    expect_len(operator, "the running mean", running.mean.len(), channels)?;
    expect_len(operator, "the running variance", running.variance.len(), channels)
}

fn check_backward(
    operator: &'static str,
    x: Rows<'_>,
    weight: &[f32],
    gy: Rows<'_>,
    gx: &Option<RowsMut<'_>>,
    gradients: &AffineGradients<'_>,
) -> Result<(), ShapeError> {
    let channels = x.columns();
    expect_len(operator, "weight", weight.len(), channels)?;
    expect_shape(operator, "gy", gy.shape(), x.shape())?;
    expect_shape(operator, "gx", gx.as_ref().map(RowsMut::shape), x.shape())?;
    expect_len(operator, "the weight's gradient", gradients.lens().weight, channels)?;
    expect_len(operator, "the bias's gradient", gradients.lens().bias, channels)
}

fn inverse_std(running: Running<&[f32]>) -> Vec<f32> {
    let eps = f64::from(running.eps);
    running.variance.iter().map(|v| (1.0 / (f64::from(*v) + eps).sqrt()) as f32).collect()
}

/// The gradients of the weight and of the bias, which are also written to those of the outputs that are there.
fn parameter_gradients(
    level: Level,
    x: Rows<'_>,
    moments: Moments<&[f32]>,
    gy: Rows<'_>,
    gradients: AffineGradients<'_>,
) -> Affine<Vec<f32>> {
    let channels = x.columns();
    let mut sums = Affine { weight: vec![0.0; channels], bias: vec![0.0; channels] };
    let (x, parameters) = ([x.values(), gy.values()], [moments.mean, moments.inv_std]);
    column_sums(level, channels, x, parameters, [&mut sums.weight, &mut sums.bias], Gradients);
    for (out, sums) in [(gradients.weight, &sums.weight), (gradients.bias, &sums.bias)] {
        if let Some(out) = out {
            out.copy_from_slice(sums);
        }
    }
    sums
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
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

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

    impl Case {
        fn affine(&self) -> Affine<&[f32]> {
            Affine { weight: &self.weight, bias: &self.bias }
        }

        fn running(&self) -> Running<&[f32]> {
            Running { mean: &self.running_mean, variance: &self.running_var, eps: EPS }
        }
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
                let running =
                    Running { mean: &mut running_mean[..], variance: &mut running_var[..], eps: EPS };
                let (x, w) = (rows(&case.x, c), &case.weight);
                let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
                let out = rows_mut(&mut y, c);
                forward_train(level, x, case.affine(), running, 0.1, out, moments).unwrap();
                let (x64, w64) = (widen(&case.x), widen(w));
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
                let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
                let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
                let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
                backward_train(level, x, w, moments, gy, gx_out, gradients).unwrap();
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
                let (input, out) = (rows(x, c), rows_mut(&mut y, c));
                forward_eval(level, input, case.affine(), case.running(), out).unwrap();
                let (bias, eps) = (widen(&case.bias), f64::from(EPS));
                let want = reference::batch_norm::forward_eval(&x64, &w64, &bias, &mean64, &var64, eps);
                assert_close(&what, &y, &want, 1e-5);
                let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
                let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
                let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
                backward_eval(level, input, w, case.running(), gy, gx_out, gradients).unwrap();
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
            let running = Running { mean: &mut running_mean[..], variance: &mut running_var[..], eps: EPS };
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            let x = rows(&case.x, c);
            forward_train(level, x, case.affine(), running, 0.1, rows_mut(&mut y, c), moments).unwrap();
            let (mut gx, mut gw) = (stale(r * c), stale(c));
            let gradients = Affine { weight: Some(&mut gw[..]), bias: None };
            let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
            let (gy, gx_out) = (rows(&case.gy, c), Some(rows_mut(&mut gx, c)));
            backward_train(level, x, &case.weight, moments, gy, gx_out, gradients).unwrap();
            [y, mean, inv_std, running_mean, running_var, gx, gw].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, x, c) = (Level::PORTABLE, [0.0; 6], [0.0; 3]);
        let (mut m, mut v, mut mean, mut inv_std) = ([0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]);
        let mut y = [0.0; 6];
        let mut train = |x: &[f32], weight: &[f32], y: &mut [f32]| {
            let (affine, momentum) = (Affine { weight, bias: &c[..] }, 0.1);
            let running = Running { mean: &mut m[..], variance: &mut v[..], eps: EPS };
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            forward_train(level, Rows::new(x, 3)?, affine, running, momentum, RowsMut::new(y, 3)?, moments)
        };
        assert!(train(&x, &c, &mut y).is_ok());
        assert!(train(&x, &c[..2], &mut y).is_err());
        assert!(train(&x[..5], &c, &mut y).is_err());
        assert!(train(&[], &c, &mut []).is_err());
        let error = train(&x[..3], &c, &mut y[..3]).unwrap_err();
        assert!(error.to_string().contains("no variance"), "{error}");
        let (x, affine) = (rows(&x, 3), Affine { weight: &c[..], bias: &c[..] });
        let running = |variance| Running { mean: &c[..], variance, eps: EPS };
        assert!(forward_eval(level, x, affine, running(&c[..1]), rows_mut(&mut y, 3)).is_err());
        let moments = |inv_std| Moments { mean: &c[..], inv_std };
        let none = || Affine { weight: None, bias: None };
        assert!(backward_train(level, x, &c, moments(&c[..1]), x, None, none()).is_err());
        let long = Affine { bias: Some(&mut y[..]), ..none() };
        assert!(backward_train(level, x, &c, moments(&c), x, None, long).is_err());
        let short = rows(&x.values()[..3], 3);
        assert!(backward_eval(level, x, &c, running(&c), short, None, none()).is_err());
    }
}
