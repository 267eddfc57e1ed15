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
/// `affine` has `[channels]` each. `moments`, `[channels]` each, are outputs that [`backward_train`] needs.
/// The running statistics are updated in place, `running = (1 - momentum) running + momentum batch`, where
/// the batch's variance is the unbiased one, as in PyTorch.
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

/// The gradients of the weight and of the bias, which are also written to those of the outputs that are
/// there.
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
mod tests;
