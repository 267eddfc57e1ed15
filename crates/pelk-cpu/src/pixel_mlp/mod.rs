//! The pixel MLP of ConvNeXt and its descendants with what surrounds it in a block, as one operator:
//!
//! ```text
//! y = shortcut + factor[sample] gamma * (project(GELU(expand(LayerNorm(x)))))
//! ```
//!
//! where `expand` and `project` are linear layers over the channels of each pixel, gamma is the layer scale,
//! and the factors are those of stochastic depth.
//!
//! The hidden layer is four times as wide as everything else. It is computed for a piece of the pixels at a
//! time, which fits a cache; bias, GELU, scale and residual are applied to the products while they are
//! written. The backward reads what the forward kept of the hidden layer, two tensors four times as large as
//! x, or computes it again, to the same bits: one more product in six.

mod check;
mod finish;
#[cfg(test)]
mod tests;

use crate::elementwise::{add_into, column_sum};
use crate::gemm::{Matrix, Output, Plain, Start, multiply};
use crate::layer_norm;
use crate::linear::PackedWeight;
use crate::parameters::{Affine, Moments};
use crate::rows::{Rows, RowsMut};
use crate::scratch;
use crate::shape::ShapeError;
use check::{check, check_gradients, check_hidden};
use finish::{Factors, Gelu, GeluAndSlope, Residual, Times};
use pelk_ops::{PixelMlpParameters, PixelMlpShape};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Most hidden values of a piece: 4 MiB, which a level-3 cache holds beside the weights.
const PIECE: usize = 1 << 20;
/// Fewest pixels of a piece, however wide the hidden layer: with fewer, the weights would be packed too
/// often.
const LEAST_ROWS: usize = 480;

type Parameters<'a> = PixelMlpParameters<'a, [f32]>;

/// Where the gradients of the parameters are written, in the same shapes.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of LayerNorm's weight and bias.
    pub norm: [&'a mut [f32]; 2],
    /// Of the first layer's weight and bias.
    pub expand: [&'a mut [f32]; 2],
    /// Of the second layer's weight and bias.
    pub project: [&'a mut [f32]; 2],
    /// Of the layer scale; required if there is a layer scale.
    pub gamma: Option<&'a mut [f32]>,
}

/// What the backward needs of the forward.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The input, `[rows, channels]`.
    pub x: &'a [f32],
    /// The hidden layer, where the forward kept it.
    pub hidden: Option<Hidden<&'a [f32]>>,
}

/// What the forward may keep of the hidden layer for the backward, `[rows, hidden]` each.
#[derive(Clone, Copy, Debug)]
pub struct Hidden<T> {
    /// GELU's values.
    pub active: T,
    /// GELU's derivatives.
    pub slope: T,
}

/// Computes `y` from `x` and `shortcut`, `[rows, channels]` each, and the hidden layer if `keep` has buffers
/// for it.
///
/// # Errors
/// When a dimension is zero, a slice has the wrong length, or the samples do not divide the rows.
pub fn forward(
    level: Level,
    shape: &PixelMlpShape,
    x: &[f32],
    shortcut: &[f32],
    parameters: &Parameters<'_>,
    y: &mut [f32],
    keep: Option<Hidden<&mut [f32]>>,
) -> Result<(), ShapeError> {
    walk(level, shape, x, shortcut, Weights { parameters, packed: [None, None] }, y, keep)
}

/// [`forward`], to the same bits, with weights that were packed before: those of the first and the second
/// layer, where they were.
///
/// # Errors
/// Same as [`forward`].
pub fn forward_packed(
    level: Level,
    shape: &PixelMlpShape,
    x: &[f32],
    shortcut: &[f32],
    parameters: &Parameters<'_>,
    packed: [Option<&PackedWeight>; 2],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    walk(level, shape, x, shortcut, Weights { parameters, packed }, y, None)
}

/// The parameters, and those weights that were packed before.
#[derive(Clone, Copy)]
struct Weights<'a> {
    parameters: &'a Parameters<'a>,
    packed: [Option<&'a PackedWeight>; 2],
}

fn walk(
    level: Level,
    shape: &PixelMlpShape,
    x: &[f32],
    shortcut: &[f32],
    Weights { parameters, packed }: Weights<'_>,
    y: &mut [f32],
    mut keep: Option<Hidden<&mut [f32]>>,
) -> Result<(), ShapeError> {
    const NAME: &str = "pixel_mlp";
    check(shape, NAME, parameters, &[("x", x.len()), ("shortcut", shortcut.len()), ("y", y.len())])?;
    check_hidden(shape, NAME, keep.as_ref().map(|keep| [keep.active.len(), keep.slope.len()]))?;
    let (c, h) = (shape.channels, shape.hidden);
    let expand = PackedWeight::factor(Matrix::new(parameters.expand[0], h, c), packed[0]);
    let project = PackedWeight::factor(Matrix::new(parameters.project[0], c, h), packed[1]);
    let most = piece_rows(shape);
    let scratch = if keep.is_some() { 0 } else { most * h };
    scratch::with_parts([most * c, scratch, 2 * most], |[normed, scratch, statistics]| {
        for piece in pieces(shape) {
            let rows = piece.len();
            let values = piece.start * c..piece.end * c;
            let normed = &mut normed[..rows * c];
            normalize(level, shape, &x[values.clone()], parameters, normed, &mut statistics[..2 * rows])?;
            let (normed, bias) = (Matrix::new(normed, rows, c), parameters.expand[1]);
            let middle = match &mut keep {
                Some(Hidden { active, slope }) => {
                    let hidden = piece.start * h..piece.end * h;
                    let (active, slope) = (&mut active[hidden.clone()], &mut slope[hidden]);
                    let finish = GeluAndSlope { bias, slope: Output::new(slope, h) };
                    multiply(level, normed, expand, Start::Zero, finish, active);
                    &*active
                }
                None => {
                    let middle = &mut scratch[..rows * h];
                    multiply(level, normed, expand, Start::Zero, Gelu { bias }, middle);
                    &*middle
                }
            };
            let residual = Residual {
                bias: parameters.project[1],
                gamma: parameters.gamma,
                shortcut: &shortcut[values.clone()],
                factors: factors(shape, parameters, piece.start),
            };
            let middle = Matrix::new(middle, rows, h);
            multiply(level, middle, project, Start::Zero, residual, &mut y[values]);
        }
        Ok(())
    })
}

/// The gradients from `gy`, that of `y`: `gx`, and those of the parameters where they are needed. The
/// shortcut's is `gy` itself. Where the forward did not keep the hidden layer, it is computed again.
///
/// # Errors
/// Same as [`forward`], and when a gradient does not have the length of its parameter.
pub fn backward(
    level: Level,
    shape: &PixelMlpShape,
    saved: Saved<'_>,
    parameters: &Parameters<'_>,
    gy: &[f32],
    gx: &mut [f32],
    mut gradients: Option<Gradients<'_>>,
) -> Result<(), ShapeError> {
    const NAME: &str = "pixel_mlp backward";
    let Saved { x, hidden: kept } = saved;
    check(shape, NAME, parameters, &[("x", x.len()), ("gy", gy.len()), ("gx", gx.len())])?;
    check_hidden(shape, NAME, kept.as_ref().map(|kept| [kept.active.len(), kept.slope.len()]))?;
    if let Some(gradients) = &gradients {
        check_gradients(NAME, parameters, gradients)?;
    }
    let (c, h) = (shape.channels, shape.hidden);
    let expand = Matrix::new(parameters.expand[0], h, c);
    let project = Matrix::new(parameters.project[0], c, h);
    if let Some(Gradients { norm: [weight, norm_bias], expand: [_, bias], .. }) = &mut gradients {
        for sums in [weight, norm_bias, bias] {
            sums.fill(0.0);
        }
    }
    let most = piece_rows(shape);
    // The hidden layer's gradient may overwrite a hidden layer that was computed again.
    let again = if kept.is_some() { 0 } else { most * h };
    let lens = [most * c, most * c, most * c, most * h, again, 2 * most, h.max(2 * c)];
    scratch::with_parts(lens, |[normed, branch, scaled, middle, slope, statistics, sums]| {
        // The sum of `branch` over all rows.
        let mut branch_sum = vec![0.0; c];
        let mut start = Start::Zero;
        for piece in pieces(shape) {
            let rows = piece.len();
            let values = piece.start * c..piece.end * c;
            let (x, gy) = (&x[values.clone()], &gy[values.clone()]);
            let [normed, branch, scaled] =
                [&mut *normed, &mut *branch, &mut *scaled].map(|part| &mut part[..rows * c]);
            let middle = &mut middle[..rows * h];
            let statistics = &mut statistics[..2 * rows];

            normalize(level, shape, x, parameters, normed, statistics)?;
            let normed = Matrix::new(normed, rows, c);
            let hidden = piece.start * h..piece.end * h;
            let slope = match &kept {
                Some(kept) => &kept.slope[hidden.clone()],
                None => {
                    let slope = &mut slope[..rows * h];
                    let finish = GeluAndSlope { bias: parameters.expand[1], slope: Output::new(slope, h) };
                    multiply(level, normed, expand.transposed(), Start::Zero, finish, middle);
                    &*slope
                }
            };

            // The gradient before and after the layer scale.
            let factors = factors(shape, parameters, piece.start);
            let before = factors.scale(level, c, None, gy, branch);
            let after = factors.scale(level, c, parameters.gamma, gy, scaled);
            let (before, after) = (Matrix::new(before, rows, c), Matrix::new(after, rows, c));
            if let Some(gradients) = &mut gradients {
                let active = kept.as_ref().map_or(&*middle, |kept| &kept.active[hidden]);
                let active = Matrix::new(active, rows, h);
                multiply(level, before.transposed(), active, start, Plain, gradients.project[0]);
                column_sum(level, Rows::new(before.values(), c)?, &mut sums[..c])?;
                add_into(level, &mut branch_sum, &sums[..c]);
            }

            multiply(level, after, project, Start::Zero, Times { factors: slope, columns: h }, middle);
            let ghidden = Matrix::new(middle, rows, h);
            if let Some(gradients) = &mut gradients {
                multiply(level, ghidden.transposed(), normed, start, Plain, gradients.expand[0]);
                column_sum(level, Rows::new(ghidden.values(), h)?, &mut sums[..h])?;
                add_into(level, gradients.expand[1], &sums[..h]);
            }

            // In the buffer of the branch's gradient, which is no longer needed.
            let gnormed = branch;
            multiply(level, ghidden, expand, Start::Zero, Plain, gnormed);
            let (gweight, gbias) = sums[..2 * c].split_at_mut(c);
            let (mean, inv_std) = statistics.split_at(rows);
            let (x, moments) = (Rows::new(x, c)?, Moments { mean, inv_std });
            let (gnormed, gx) = (Rows::new(gnormed, c)?, Some(RowsMut::new(&mut gx[values], c)?));
            let norm = Affine { weight: Some(&mut *gweight), bias: Some(&mut *gbias) };
            layer_norm::backward(level, x, parameters.norm[0], moments, gnormed, gx, norm)?;
            if let Some(gradients) = &mut gradients {
                add_into(level, gradients.norm[0], gweight);
                add_into(level, gradients.norm[1], gbias);
            }
            start = Start::Keep;
        }
        if let Some(gradients) = gradients {
            gradients.scale_back(level, parameters, &branch_sum);
        }
        Ok(())
    })
}

/// LayerNorm of some rows of `x`; `statistics` takes their means, then their inverse deviations.
fn normalize(
    level: Level,
    shape: &PixelMlpShape,
    x: &[f32],
    parameters: &Parameters<'_>,
    normed: &mut [f32],
    statistics: &mut [f32],
) -> Result<(), ShapeError> {
    let rows = statistics.len() / 2;
    let (mean, inv_std) = statistics.split_at_mut(rows);
    let [weight, bias] = parameters.norm;
    let (x, normed) = (Rows::new(x, shape.channels)?, RowsMut::new(normed, shape.channels)?);
    let (affine, moments) = (Affine { weight, bias }, Moments { mean, inv_std });
    layer_norm::forward(level, x, affine, shape.eps, normed, moments)
}

/// Cuts the rows into pieces of nearly equal size.
fn pieces(shape: &PixelMlpShape) -> impl Iterator<Item = Range<usize>> + use<> {
    let (rows, piece) = (shape.rows, piece_rows(shape));
    (0..rows).step_by(piece).map(move |first| first..rows.min(first + piece))
}

/// Rows of the largest piece.
fn piece_rows(shape: &PixelMlpShape) -> usize {
    let most = (PIECE / shape.hidden).max(LEAST_ROWS);
    shape.rows.div_ceil(shape.rows.div_ceil(most))
}

fn factors<'a>(shape: &PixelMlpShape, parameters: &Parameters<'a>, first_row: usize) -> Factors<'a> {
    let samples = parameters.factors.map_or(1, <[f32]>::len);
    Factors { factors: parameters.factors, first_row, rows: shape.rows / samples }
}

impl Gradients<'_> {
    /// Turns the second layer's gradients without a layer scale into those with it, and computes gamma's from
    /// them: with z the layer's output, the sum over the rows of `branch z` is that of `branch (W hidden +
    /// b)`, so `W` times the weight's gradient, plus `b` times the bias's. No z is needed.
    fn scale_back(self, level: Level, parameters: &Parameters<'_>, branch_sum: &[f32]) {
        let ([weight, bias], [gweight, gbias]) = (parameters.project, self.project);
        gbias.copy_from_slice(branch_sum);
        let (Some(gamma), Some(ggamma)) = (parameters.gamma, self.gamma) else { return };
        let hidden = weight.len() / gamma.len();
        let rows = weight.par_chunks_exact(hidden).zip(gweight.par_chunks_exact_mut(hidden));
        rows.zip(ggamma).enumerate().for_each(|(c, ((weight, gweight), ggamma))| {
            let dot = dispatch(level, DotAndScale { weight, gweight, factor: gamma[c] });
            *ggamma = dot + bias[c] * branch_sum[c];
        });
        for (gbias, gamma) in gbias.iter_mut().zip(gamma) {
            *gbias *= gamma;
        }
    }
}

/// The product of two rows; the second is scaled after.
struct DotAndScale<'a> {
    weight: &'a [f32],
    gweight: &'a mut [f32],
    factor: f32,
}

impl Kernel for DotAndScale<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (mut sum, factor) = (simd.zero(), simd.splat(self.factor));
        for (w, g) in self.weight.chunks(S::LANES).zip(self.gweight.chunks_mut(S::LANES)) {
            let v = simd.load_partial(g);
            sum = simd.mul_add(simd.load_partial(w), v, sum);
            simd.store_partial(simd.mul(v, factor), g);
        }
        simd.reduce_sum(sum)
    }
}
