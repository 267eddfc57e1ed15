//! Layer normalization over the channels of each row.
//!
//! `x` is `[rows, channels]`: an image in N, H, W, C order is one of pixels by channels, so this is the
//! "channels last" normalization of ConvNeXt without a permutation.

use crate::parameters::{Affine, AffineGradients, Moments};
use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::{CHUNK, Values, column_sums, mask};
use crate::shape::{ShapeError, expect_len};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// `y[r, c] = (x[r, c] - mean[r]) inv_std[r] weight[c] + bias[c]`, `inv_std = 1 / sqrt(variance + eps)`, with
/// the mean and the biased variance of row `r`.
///
/// `affine` has `[channels]` each. `moments`, `[rows]` each, are outputs that [`backward`] needs.
///
/// ```
/// use pelk_cpu::{Affine, Moments, Rows, RowsMut, layer_norm};
/// use pelk_simd::Level;
/// let (mut y, mut mean, mut inv_std) = ([0.0; 2], [0.0], [0.0]);
/// let affine = Affine { weight: &[1.0, 1.0][..], bias: &[0.0, 0.0] };
/// let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std };
/// let (x, out) = (Rows::new(&[1.0, 5.0], 2)?, RowsMut::new(&mut y, 2)?);
/// layer_norm::forward(Level::best(), x, affine, 1e-6, out, moments)?;
/// assert_eq!(mean, [3.0]);
/// assert!((y[0] + 1.0).abs() < 1e-6 && (y[1] - 1.0).abs() < 1e-6);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together.
pub fn forward(
    level: Level,
    x: Rows<'_>,
    affine: Affine<&[f32]>,
    eps: f32,
    y: RowsMut<'_>,
    moments: Moments<&mut [f32]>,
) -> Result<(), ShapeError> {
    const NAME: &str = "layer_norm";
    let ([rows, channels], Affine { weight, bias }) = (x.shape(), affine);
    expect_len(NAME, "weight", weight.len(), channels)?;
    expect_len(NAME, "bias", bias.len(), channels)?;
    expect_shape(NAME, "y", y.shape(), x.shape())?;
    expect_len(NAME, "mean", moments.mean.len(), rows)?;
    expect_len(NAME, "inv_std", moments.inv_std.len(), rows)?;
    let task = task_rows(channels);
    let moments = moments.mean.par_chunks_mut(task).zip(moments.inv_std.par_chunks_mut(task));
    y.into_values()
        .par_chunks_mut(task * channels)
        .zip(x.values().par_chunks(task * channels))
        .zip(moments)
        .for_each(|((y, x), (mean, inv_std))| {
            dispatch(level, Forward { x, affine, eps, y, moments: Moments { mean, inv_std } });
        });
    Ok(())
}

/// The gradients of [`forward`] that are needed, from `gy` (`[rows, channels]`) and the moments that it
/// saved.
///
/// With `n = (x - mean) inv_std` and `g = gy weight`: `gx = inv_std (g - average(g) - n average(g n))` over
/// each row, the weight's gradient is the sum of `gy n` over the rows, the bias's is the sum of `gy`.
///
/// # Errors
/// When the shapes do not fit together.
pub fn backward(
    level: Level,
    x: Rows<'_>,
    weight: &[f32],
    moments: Moments<&[f32]>,
    gy: Rows<'_>,
    gx: Option<RowsMut<'_>>,
    gradients: AffineGradients<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "layer_norm backward";
    let [rows, channels] = x.shape();
    expect_len(NAME, "weight", weight.len(), channels)?;
    expect_len(NAME, "mean", moments.mean.len(), rows)?;
    expect_len(NAME, "inv_std", moments.inv_std.len(), rows)?;
    expect_shape(NAME, "gy", gy.shape(), x.shape())?;
    expect_shape(NAME, "gx", gx.as_ref().map(RowsMut::shape), x.shape())?;
    expect_len(NAME, "the weight's gradient", gradients.lens().weight, channels)?;
    expect_len(NAME, "the bias's gradient", gradients.lens().bias, channels)?;
    let task = task_rows(channels);
    let tasks = rows.div_ceil(task);
    let mut gx: Vec<Option<&mut [f32]>> = match gx {
        Some(gx) => gx.into_values().chunks_mut(task * channels).map(Some).collect(),
        None => std::iter::repeat_with(|| None).take(tasks).collect(),
    };
    // Each task's sums of the weight's gradient and of the bias's, side by side.
    let mut sums = vec![0.0; tasks * 2 * channels];
    gx.par_iter_mut()
        .zip(sums.par_chunks_mut(2 * channels))
        .zip(x.values().par_chunks(task * channels).zip(gy.values().par_chunks(task * channels)))
        .zip(moments.mean.par_chunks(task).zip(moments.inv_std.par_chunks(task)))
        .for_each(|(((gx, sums), (x, gy)), (mean, inv_std))| {
            let (weight_sums, bias_sums) = sums.split_at_mut(channels);
            let sums = Affine { weight: weight_sums, bias: bias_sums };
            let (moments, gx) = (Moments { mean, inv_std }, gx.as_deref_mut());
            dispatch(level, Backward { x, weight, moments, gy, gx, sums });
        });
    let mut total = vec![0.0; 2 * channels];
    column_sums(level, 2 * channels, [&sums], [], [&mut total], Values);
    for (out, total) in [gradients.weight, gradients.bias].into_iter().zip(total.chunks_exact(channels)) {
        if let Some(out) = out {
            out.copy_from_slice(total);
        }
    }
    Ok(())
}

/// Rows of a task. At least 16, so that the sums of the tasks are few beside the rows.
fn task_rows(channels: usize) -> usize {
    (CHUNK / channels).max(16)
}

struct Forward<'a> {
    x: &'a [f32],
    affine: Affine<&'a [f32]>,
    eps: f32,
    y: &'a mut [f32],
    moments: Moments<&'a mut [f32]>,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Affine { weight, bias } = self.affine;
        let channels = weight.len();
        for row in 0..self.moments.mean.len() {
            let x = &self.x[row * channels..(row + 1) * channels];
            let mut sum = simd.zero();
            for c in (0..channels).step_by(S::LANES) {
                sum = simd.add(sum, simd.load_partial(&x[c..channels.min(c + S::LANES)]));
            }
            let mean = simd.reduce_sum(sum) / channels as f32;
            // A second pass, over a row that is in the level-1 cache: the mean of squares would cancel.
            let (m, mut squares) = (simd.splat(mean), simd.zero());
            for c in (0..channels).step_by(S::LANES) {
                let x = &x[c..channels.min(c + S::LANES)];
                let d = simd.mul(simd.sub(simd.load_partial(x), m), mask(simd, x));
                squares = simd.mul_add(d, d, squares);
            }
            let inv_std = 1.0 / (simd.reduce_sum(squares) / channels as f32 + self.eps).sqrt();
            let s = simd.splat(inv_std);
            let y = &mut self.y[row * channels..(row + 1) * channels];
            for c in (0..channels).step_by(S::LANES) {
                let lanes = c..channels.min(c + S::LANES);
                let n = simd.mul(simd.sub(simd.load_partial(&x[lanes.clone()]), m), s);
                let (w, b) = (&weight[lanes.clone()], &bias[lanes.clone()]);
                let v = simd.mul_add(n, simd.load_partial(w), simd.load_partial(b));
                simd.store_partial(v, &mut y[lanes]);
            }
            (self.moments.mean[row], self.moments.inv_std[row]) = (mean, inv_std);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    moments: Moments<&'a [f32]>,
    gy: &'a [f32],
    gx: Option<&'a mut [f32]>,
    /// The gradients summed over the rows, zero at first.
    sums: Affine<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let channels = self.weight.len();
        for row in 0..self.moments.mean.len() {
            let place = row * channels..(row + 1) * channels;
            let (x, gy) = (&self.x[place.clone()], &self.gy[place.clone()]);
            let (m, s) = (simd.splat(self.moments.mean[row]), simd.splat(self.moments.inv_std[row]));
            // Past the end of a row gy is loaded as zero, and so are g and all sums.
            let (mut sum_g, mut sum_gn) = (simd.zero(), simd.zero());
            for c in (0..channels).step_by(S::LANES) {
                let lanes = c..channels.min(c + S::LANES);
                let gy = simd.load_partial(&gy[lanes.clone()]);
                let n = simd.mul(simd.sub(simd.load_partial(&x[lanes.clone()]), m), s);
                let g = simd.mul(gy, simd.load_partial(&self.weight[lanes.clone()]));
                sum_g = simd.add(sum_g, g);
                sum_gn = simd.mul_add(g, n, sum_gn);
                let weight = &mut self.sums.weight[lanes.clone()];
                simd.store_partial(simd.mul_add(gy, n, simd.load_partial(weight)), weight);
                let bias = &mut self.sums.bias[lanes];
                simd.store_partial(simd.add(gy, simd.load_partial(bias)), bias);
            }
            let Some(gx) = self.gx.as_deref_mut() else { continue };
            let average_g = simd.splat(simd.reduce_sum(sum_g) / channels as f32);
            let average_gn = simd.splat(simd.reduce_sum(sum_gn) / channels as f32);
            let gx = &mut gx[place];
            for c in (0..channels).step_by(S::LANES) {
                let lanes = c..channels.min(c + S::LANES);
                let n = simd.mul(simd.sub(simd.load_partial(&x[lanes.clone()]), m), s);
                let gy = simd.load_partial(&gy[lanes.clone()]);
                let g = simd.mul(gy, simd.load_partial(&self.weight[lanes.clone()]));
                let centered = simd.sub(simd.sub(g, average_g), simd.mul(n, average_gn));
                simd.store_partial(simd.mul(s, centered), &mut gx[lanes]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

    #[test]
    fn forward_and_backward_meet_the_reference() {
        for level in Level::available() {
            for (r, c) in [(1, 2), (3, 3), (10, 12), (7, 124), (5, 16), (701, 36), (3, 20_001)] {
                let what = format!("{level}: {r} x {c}");
                let x: Vec<f32> = values(1, r * c).iter().map(|x| 2.0 * x + 3.0).collect();
                let (weight, bias, gy) = (values(2, c), values(3, c), values(4, r * c));
                let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(r), stale(r));
                let affine = Affine { weight: &weight[..], bias: &bias[..] };
                let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
                forward(level, rows(&x, c), affine, 1e-5, rows_mut(&mut y, c), moments).unwrap();
                let (x64, weight64, gy64) = (widen(&x), widen(&weight), widen(&gy));
                let eps = f64::from(1e-5f32);
                let exact = reference::layer_norm::forward(c, &x64, &weight64, &widen(&bias), eps);
                assert_close(&what, &y, &exact.y, 1e-5);
                let (mut gx, mut gw, mut gb) = (stale(r * c), stale(c), stale(c));
                let (x, gy, gx_out) = (rows(&x, c), rows(&gy, c), Some(rows_mut(&mut gx, c)));
                let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
                let gradients = Affine { weight: Some(&mut gw[..]), bias: Some(&mut gb[..]) };
                backward(level, x, &weight, moments, gy, gx_out, gradients).unwrap();
                let want =
                    reference::layer_norm::backward(c, &x64, &weight64, &exact.mean, &exact.inv_std, &gy64);
                assert_close(format!("{what}, gx"), &gx, &want.x, 1e-4);
                assert_close(format!("{what}, gweight"), &gw, &want.weight, 1e-5);
                assert_close(format!("{what}, gbias"), &gb, &want.bias, 1e-5);
                let mut alone = stale(c);
                let gradients = Affine { weight: Some(&mut alone[..]), bias: None };
                backward(level, x, &weight, moments, gy, None, gradients).unwrap();
                assert_eq!(alone, gw, "{what}: gweight alone");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (r, c) = (3001, 36);
        let (x, gy) = (values(1, r * c), values(2, r * c));
        let (weight, bias) = (values(3, c), values(4, c));
        assert_thread_count_free("layer_norm", || {
            let level = Level::best();
            let (mut y, mut mean, mut inv_std) = (stale(r * c), stale(r), stale(r));
            let affine = Affine { weight: &weight[..], bias: &bias[..] };
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            forward(level, rows(&x, c), affine, 1e-6, rows_mut(&mut y, c), moments).unwrap();
            let (mut gx, mut gw) = (stale(r * c), stale(c));
            let gradients = Affine { weight: Some(&mut gw[..]), bias: None };
            let (gy, gx_out) = (rows(&gy, c), Some(rows_mut(&mut gx, c)));
            let moments = Moments { mean: &mean[..], inv_std: &inv_std[..] };
            backward(level, rows(&x, c), &weight, moments, gy, gx_out, gradients).unwrap();
            [y, mean, inv_std, gx, gw].concat()
        });
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, six, three) = (Level::PORTABLE, [0.0; 6], [0.0; 3]);
        let (mut y, mut mean, mut inv_std) = ([0.0; 6], [0.0; 2], [0.0; 2]);
        let mut run = |columns, x: &[f32], weight: &[f32], bias: &[f32]| {
            let y = RowsMut::new(&mut y[..x.len()], columns)?;
            let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
            forward(level, Rows::new(x, columns)?, Affine { weight, bias }, 1e-6, y, moments)
        };
        assert!(run(3, &six, &three, &three).is_ok());
        assert!(run(3, &[], &three, &three).is_err());
        assert!(run(2, &six, &three[..2], &three[..2]).is_err(), "mean is too short");
        assert!(run(3, &six, &three, &six).is_err());
        let (x, none) = (rows(&six, 3), Affine { weight: None, bias: None });
        let moments = Moments { mean: &three[..], inv_std: &three[..2] };
        assert!(backward(level, x, &three, moments, x, None, none).is_err());
    }
}
