//! The pixel MLP of a block with its normalization, scale and residual:
//! `y = shortcut + factor gamma project(GELU(expand(LayerNorm(x))))`.
//!
//! Two matrix products with the rest fused in: bias and GELU at the end of the first; bias, scale and
//! residual at the end of the second. The gradient takes four: for the hidden layer, x, and each weight.
//! Factors and gamma are applied while values are loaded. The gradient of gamma needs no product of its own:
//! if z is what gamma scales, the sum of `gy z` over the pixels is that of the second weight times its
//! gradient.

use crate::check::{expect_len, wanted};
use crate::gemm::{Layout, Product, ROWS};
use crate::kernel::{Each, Operand, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Columns;
use crate::{Gpu, Result, rows};
use pelk_ops::{Normalized, PixelMlpParameters, PixelMlpShape};

type Parameters<'a> = PixelMlpParameters<'a, Buffer>;

/// What the forward may keep for the gradient, as buffers or references to them.
#[derive(Debug, Clone, Copy)]
pub struct Kept<B> {
    /// The hidden layer before GELU, `[rows, H]`.
    pub expanded: B,
    /// The mean of each row of x.
    pub mean: B,
    /// `1 / sqrt(variance + eps)` of each row of x.
    pub inv_std: B,
}

/// The samples' factors on the device.
struct Factors {
    values: Option<Buffer>,
    /// Pixels of a sample.
    sample: usize,
}

impl Factors {
    fn new(gpu: &Gpu, rows: usize, factors: Option<&[f32]>) -> Result<Factors> {
        let sample = factors.map_or(rows, |factors| rows / factors.len().max(1));
        if let Some(factors) = factors {
            expect_len("pixel_mlp", "x", rows, factors.len() * sample)?;
        }
        Ok(Factors { values: factors.map(|factors| gpu.upload(factors)).transpose()?, sample })
    }

    /// The shader of `by_factor`.
    fn text(&self) -> &'static str {
        match self.values {
            Some(_) => include_str!("with_factors.wgsl"),
            None => include_str!("without_factors.wgsl"),
        }
    }

    fn operands(&self) -> impl Iterator<Item = Operand<'_>> {
        let sample = Operand::Number("sample", self.sample.into());
        self.values.iter().flat_map(move |values| [Operand::Tensor("factors", values, Whole), sample])
    }
}

/// The shader of `by_gamma`.
fn gamma_text(gamma: Option<&Buffer>) -> &'static str {
    match gamma {
        Some(_) => include_str!("with_gamma.wgsl"),
        None => include_str!("without_gamma.wgsl"),
    }
}

impl Gpu {
    /// y, and with `keep` the tensors that save the gradient a product.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn pixel_mlp(
        &self,
        shape: &PixelMlpShape,
        x: &Buffer,
        shortcut: &Buffer,
        parameters: &Parameters<'_>,
        keep: bool,
    ) -> Result<(Buffer, Option<Kept<Buffer>>)> {
        check(shape, "pixel_mlp", x, parameters)?;
        expect_len("pixel_mlp", "shortcut", shortcut.len(), x.len())?;
        let PixelMlpShape { rows, channels: c, hidden: h, eps } = *shape;
        let Parameters { norm, expand, project, gamma, factors } = *parameters;
        let factors = Factors::new(self, rows, factors)?;

        let Normalized { y: normal, mean, inv_std } = self.layer_norm(x, norm[0], norm[1], eps)?;
        let active = self.activation(rows * h)?;
        let expanded = keep.then(|| self.activation(rows * h)).transpose()?;
        let mut operands = vec![Operand::Tensor("bias", expand[1], Whole)];
        operands.extend(expanded.as_ref().map(|buffer| Operand::Output("expanded", buffer, Each(ROWS * h))));
        let finish = if keep { include_str!("expand_and_keep.wgsl") } else { include_str!("expand.wgsl") };
        let product = Product { finish, ..Product::plain(rows, h, c) };
        product.record(self, &normal, (expand[0], Layout::Transposed), &active, &operands)?;
        drop(normal);

        let y = self.activation(rows * c)?;
        let helpers = [gamma_text(gamma), factors.text()].concat();
        let finish = include_str!("project.wgsl");
        let mut operands = vec![
            Operand::Tensor("bias", project[1], Whole),
            Operand::Tensor("shortcut", shortcut, Each(ROWS * c)),
        ];
        operands.extend(gamma.map(|gamma| Operand::Tensor("gamma", gamma, Whole)));
        operands.extend(factors.operands());
        let product = Product { finish, helpers: &helpers, ..Product::plain(rows, c, h) };
        product.record(self, &active, (project[0], Layout::Transposed), &y, &operands)?;
        Ok((y, expanded.map(|expanded| Kept { expanded, mean, inv_std })))
    }

    /// The gradients of x, the weights and biases in the order of [`PixelMlpParameters`], and gamma, where
    /// `needs` is true; that of the shortcut is `gy`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn pixel_mlp_backward(
        &self,
        shape: &PixelMlpShape,
        x: &Buffer,
        parameters: &Parameters<'_>,
        kept: Option<Kept<&Buffer>>,
        gy: &Buffer,
        needs: [bool; 8],
    ) -> Result<[Option<Buffer>; 8]> {
        check(shape, "pixel_mlp backward", x, parameters)?;
        expect_len("pixel_mlp backward", "gy", gy.len(), x.len())?;
        let PixelMlpShape { rows, channels: c, hidden: h, .. } = *shape;
        let Parameters { norm, expand, project, gamma, factors } = *parameters;
        let factors = Factors::new(self, rows, factors)?;
        let again;
        let Kept { expanded, mean, inv_std } = match kept {
            Some(kept) => kept,
            None => {
                again = keep_again(self, shape, x, parameters)?;
                Kept { expanded: &again.expanded, mean: &again.mean, inv_std: &again.inv_std }
            }
        };

        // The gradient of the hidden layer; also recomputes the hidden layer after GELU.
        let (gexpanded, active) = (self.activation(rows * h)?, self.activation(rows * h)?);
        let helpers = [gamma_text(gamma), factors.text()].concat();
        let (a, finish) = (include_str!("scaled_gy.wgsl"), include_str!("hidden_gradient.wgsl"));
        let mut operands = vec![
            Operand::Tensor("expanded", expanded, Each(ROWS * h)),
            Operand::Output("activated", &active, Each(ROWS * h)),
        ];
        operands.extend(gamma.map(|gamma| Operand::Tensor("gamma", gamma, Whole)));
        operands.extend(factors.operands());
        let product = Product { a, finish, helpers: &helpers, ..Product::plain(rows, h, c) };
        product.record(self, gy, (project[0], Layout::Plain), &gexpanded, &operands)?;

        let second =
            second_layer(self, shape, parameters, &factors, &active, gy, [needs[5], needs[6], needs[7]])?;
        drop(active);
        let [gproject, gproject_bias, ggamma] = second;

        let gexpand = || {
            let product = Product { b: include_str!("normalized_x.wgsl"), ..Product::plain(h, c, rows) };
            product.over_rows(self, &gexpanded, x, |k_part| {
                vec![
                    Operand::Tensor("mean", mean, Each(k_part)),
                    Operand::Tensor("inv_std", inv_std, Each(k_part)),
                    Operand::Tensor("weight", norm[0], Whole),
                    Operand::Tensor("shift", norm[1], Whole),
                ]
            })
        };
        let gexpand = wanted(needs[3], gexpand)?;
        let gexpand_bias = wanted(needs[4], || self.column_sum(&gexpanded, h))?;
        let [gx, gnorm, gnorm_bias] = if needs[..3].contains(&true) {
            let gnormal = self.activation(rows * c)?;
            let product = Product::plain(rows, c, h);
            product.record(self, &gexpanded, (expand[0], Layout::Plain), &gnormal, &[])?;
            self.layer_norm_backward(x, norm[0], mean, inv_std, &gnormal, [needs[0], needs[1], needs[2]])?
        } else {
            [None, None, None]
        };
        Ok([gx, gnorm, gnorm_bias, gexpand, gexpand_bias, gproject, gproject_bias, ggamma])
    }
}

fn check(
    shape: &PixelMlpShape,
    operator: &'static str,
    x: &Buffer,
    parameters: &Parameters<'_>,
) -> Result<()> {
    let PixelMlpShape { rows, channels: c, hidden: h, .. } = *shape;
    let Parameters { norm, expand, project, gamma, .. } = *parameters;
    let lengths = [
        ("x", x, rows * c),
        ("the norm's weight", norm[0], c),
        ("the norm's bias", norm[1], c),
        ("the first weight", expand[0], h * c),
        ("the first bias", expand[1], h),
        ("the second weight", project[0], c * h),
        ("the second bias", project[1], c),
        ("gamma", gamma.unwrap_or(norm[0]), c),
    ];
    lengths.into_iter().try_for_each(|(name, buffer, len)| expect_len(operator, name, buffer.len(), len))
}

/// Recomputes what the gradient needs from the forward.
fn keep_again(
    gpu: &Gpu,
    shape: &PixelMlpShape,
    x: &Buffer,
    parameters: &Parameters<'_>,
) -> Result<Kept<Buffer>> {
    let PixelMlpShape { rows, channels: c, hidden: h, eps } = *shape;
    let Parameters { norm, expand, .. } = *parameters;
    let Normalized { y: normal, mean, inv_std } = gpu.layer_norm(x, norm[0], norm[1], eps)?;
    let expanded = gpu.linear([rows, c, h], &normal, expand[0], Some(expand[1]))?;
    Ok(Kept { expanded, mean, inv_std })
}

/// The gradients of the second layer's weight and bias, and of gamma.
fn second_layer(
    gpu: &Gpu,
    shape: &PixelMlpShape,
    parameters: &Parameters<'_>,
    factors: &Factors,
    active: &Buffer,
    gy: &Buffer,
    needs: [bool; 3],
) -> Result<[Option<Buffer>; 3]> {
    let PixelMlpShape { rows, channels: c, hidden: h, .. } = *shape;
    let Parameters { project, gamma, .. } = *parameters;
    // Before the scaling by gamma, whose gradient needs both.
    let weight = || {
        let (a, helpers) = (include_str!("gy_by_factor.wgsl"), factors.text());
        let product = Product { a, helpers, ..Product::plain(c, h, rows) };
        product.over_rows(gpu, gy, active, |_| factors.operands().collect())
    };
    let weight = wanted(needs[0] || needs[2], weight)?;
    let bias = || {
        let term = [factors.text(), include_str!("bias_gradient.wgsl")].concat();
        let operands: Vec<_> = factors.operands().collect();
        Columns { rows, columns: c }.sum(gpu, &term, &[gy], &operands)
    };
    let bias = wanted(needs[1] || needs[2], bias)?;
    let Some(gamma) = gamma else { return Ok([weight, bias, None]) };
    let ggamma = match (&weight, &bias) {
        (Some(weight), Some(bias)) if needs[2] => {
            let ggamma = gpu.empty(c, Element::F32)?;
            let call = gpu
                .rows("pixel_mlp_gamma", c, include_str!("gamma_gradient.wgsl"))
                .read("weight", project[0], Each(rows::ROWS * h))
                .read("gweight", weight, Each(rows::ROWS * h))
                .read("bias", project[1], Each(rows::ROWS))
                .read("gbias", bias, Each(rows::ROWS))
                .write("ggamma", &ggamma, Each(rows::ROWS))
                .scalar("h", h);
            rows::run(call, c, h)?;
            Some(ggamma)
        }
        _ => None,
    };
    let scaled = |buffer: Option<Buffer>, row: usize, needed: bool| -> Result<Option<Buffer>> {
        let Some(buffer) = buffer.filter(|_| needed) else { return Ok(None) };
        gpu.items("scale_rows", include_str!("scale_rows.wgsl"))
            .write("y", &buffer, Each(row))
            .read("gamma", gamma, Whole)
            .scalar("row", row)
            .run(c, row, row)?;
        Ok(Some(buffer))
    };
    Ok([scaled(weight, h, needs[0])?, scaled(bias, 1, needs[1])?, ggamma])
}
