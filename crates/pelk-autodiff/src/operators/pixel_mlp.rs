//! The pixel MLP of a block with its normalization, scale and residual, as one operator.

use super::{
    Context, Cost, Forward, InputGradients, Operator, expect_shape, misfit, needs, output_gradient,
    with_optional,
};
use crate::{Backend, Gradients, Normalized, Result, Shape};
use std::sync::Arc;

/// `y = shortcut + factor gamma project(GELU(expand(LayerNorm(x))))`.
///
/// Inputs: x `[.., C]`, shortcut `[.., C]`, LayerNorm's weight `[C]` and bias `[C]`, the first layer's weight `[H, C]`
/// and bias `[H]`, the second layer's weight `[C, H]` and bias `[C]`, optionally the layer scale gamma `[C]`. Output: `[.., C]`.
///
/// A composite: every backend has it by way of simpler operators ([`compose`], [`compose_backward`]), and may
/// override it. Its gradient needs `x` alone, from which the rest is computed again, or what the backend kept of it.
#[derive(Debug, Clone)]
pub struct PixelMlp {
    /// Let the backend keep for the gradient what lies between the layers, H channels, if it can: faster, for more memory.
    pub keep: bool,
    /// Added to the variance in LayerNorm.
    pub eps: f32,
    /// Stochastic depth: one factor a sample, the first axis of x; `None` is 1.
    pub factors: Option<Arc<[f32]>>,
}

/// The parameters of a [`PixelMlp`], a weight and a bias each.
#[derive(Debug)]
pub struct PixelMlpParameters<'a, T> {
    /// LayerNorm.
    pub norm: [&'a T; 2],
    /// The first layer.
    pub expand: [&'a T; 2],
    /// The second layer.
    pub project: [&'a T; 2],
    /// Layer scale.
    pub gamma: Option<&'a T>,
}

impl<'a, T> PixelMlpParameters<'a, T> {
    /// From the inputs after x and the shortcut.
    fn new(operator: &'static str, inputs: &[&'a T]) -> Result<Self> {
        let ([a, b, c, d, e, f], gamma) = with_optional(operator, inputs)?;
        Ok(Self { norm: [a, b], expand: [c, d], project: [e, f], gamma })
    }
}

/// Index of the first parameter among the inputs.
const PARAMETERS: usize = 2;

impl PixelMlp {
    fn parts<'a, T>(&self, inputs: &[&'a T]) -> Result<([&'a T; PARAMETERS], PixelMlpParameters<'a, T>)> {
        let Some((&[x, shortcut], parameters)) = inputs.split_first_chunk() else {
            return Err(misfit(self.name(), format!("takes 8 or 9 inputs, was given {}", inputs.len())));
        };
        Ok(([x, shortcut], PixelMlpParameters::new(self.name(), parameters)?))
    }
}

impl Operator for PixelMlp {
    fn name(&self) -> &'static str {
        "pixel_mlp"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, shortcut], parameters) = self.parts(inputs)?;
        let PixelMlpParameters { norm, expand, project, gamma } = parameters;
        let c = if x.is_empty() { 0 } else { x.channels() };
        let &[h, _] = &expand[0][..] else {
            let reason = format!("the first weight has shape {}, wanted [H, {c}]", expand[0]);
            return Err(misfit(self.name(), reason));
        };
        expect_shape(self.name(), "the shortcut", shortcut, x)?;
        let vectors = [("the norm's weight", norm[0]), ("the norm's bias", norm[1])];
        for (what, shape) in vectors.into_iter().chain(gamma.map(|gamma| ("gamma", gamma))) {
            expect_shape(self.name(), what, shape, &[c])?;
        }
        expect_shape(self.name(), "the first weight", expand[0], &[h, c])?;
        expect_shape(self.name(), "the first bias", expand[1], &[h])?;
        expect_shape(self.name(), "the second weight", project[0], &[c, h])?;
        expect_shape(self.name(), "the second bias", project[1], &[c])?;
        match &self.factors {
            Some(factors) if x.first() != Some(&factors.len()) => {
                Err(misfit(self.name(), format!("{} factors do not fit x {x}", factors.len())))
            }
            _ => Ok(vec![x.clone()]),
        }
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        Cost::plain(2 * inputs[0].rows() * inputs[PARAMETERS + 2].elements())
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, shortcut], parameters) = self.parts(inputs)?;
        let Forward { outputs, saved: kept } = backend.pixel_mlp(self, x, shortcut, &parameters)?;
        let saved = [x].into_iter().chain(inputs[PARAMETERS..].iter().copied()).cloned();
        Ok(Forward { outputs, saved: saved.chain(kept).collect() })
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        // Without the shortcut, which no gradient needs.
        let Some((inputs, kept)) = context.saved.split_at_checked(context.shapes.len() - 1) else {
            return Err(misfit(self.name(), "its inputs were not saved"));
        };
        let inputs: Vec<&B::Tensor> = inputs.iter().collect();
        let (x, parameters) = (inputs[0], PixelMlpParameters::new(self.name(), &inputs[1..])?);
        let [x_wanted, shortcut_wanted, a, b, c, d, e, f, g]: [bool; 9] = needs(context);
        let wanted = [x_wanted, a, b, c, d, e, f, g];
        let mut gradients: Vec<_> =
            backend.pixel_mlp_backward(self, x, &parameters, kept, gy, wanted)?.into();
        gradients.insert(1, shortcut_wanted.then(|| gy.clone()));
        gradients.truncate(context.shapes.len());
        Ok(gradients)
    }
}

/// What leads from x to the sum of the second layer.
struct Middle<T> {
    normalized: Normalized<T>,
    expanded: T,
    active: T,
    projected: T,
}

fn middle<B: Backend>(
    backend: &B,
    op: &PixelMlp,
    x: &B::Tensor,
    parameters: &PixelMlpParameters<'_, B::Tensor>,
) -> Result<Middle<B::Tensor>> {
    let PixelMlpParameters { norm, expand, project, .. } = parameters;
    let normalized = backend.layer_norm(x, norm[0], norm[1], op.eps)?;
    let expanded = backend.linear(&normalized.y, expand[0], Some(expand[1]))?;
    let active = backend.gelu(&expanded)?;
    let projected = backend.linear(&active, project[0], Some(project[1]))?;
    Ok(Middle { normalized, expanded, active, projected })
}

/// The operator as a composition of simpler ones, which keeps nothing.
///
/// # Errors
/// When the backend refuses.
pub fn compose<B: Backend>(
    backend: &B,
    op: &PixelMlp,
    x: &B::Tensor,
    shortcut: &B::Tensor,
    parameters: &PixelMlpParameters<'_, B::Tensor>,
) -> Result<Forward<B::Tensor>> {
    let mut y = middle(backend, op, x, parameters)?.projected;
    if let Some(gamma) = parameters.gamma {
        y = backend.scale_channels(&y, gamma)?;
    }
    if let Some(factors) = &op.factors {
        y = backend.scale_samples(&y, factors)?;
    }
    Ok(Forward::one(backend.add(&y, shortcut)?, Vec::new()))
}

/// The gradients of [`compose`] by x, the parameters in the order of the inputs, and gamma.
///
/// # Errors
/// When the backend refuses.
pub fn compose_backward<B: Backend>(
    backend: &B,
    op: &PixelMlp,
    x: &B::Tensor,
    parameters: &PixelMlpParameters<'_, B::Tensor>,
    gy: &B::Tensor,
    needs: [bool; 8],
) -> Result<Gradients<B::Tensor, 8>> {
    let PixelMlpParameters { norm, expand, project, gamma } = parameters;
    let [
        x_wanted,
        norm_weight,
        norm_bias,
        expand_weight,
        expand_bias,
        project_weight,
        project_bias,
        gamma_wanted,
    ] = needs;
    let Middle { normalized, expanded, active, projected } = middle(backend, op, x, parameters)?;
    let mut g = match &op.factors {
        Some(factors) => backend.scale_samples(gy, factors)?,
        None => gy.clone(),
    };
    let mut ggamma = None;
    if let Some(gamma) = gamma {
        let [scaled, gradient] =
            backend.scale_channels_backward(&projected, gamma, &g, [true, gamma_wanted])?;
        (g, ggamma) = (expect(op, scaled)?, gradient);
    }
    let [g, project_weight, project_bias] =
        backend.linear_backward(&active, project[0], &g, [true, project_weight, project_bias])?;
    let g = backend.gelu_backward(&expanded, &expect(op, g)?)?;
    let [g, expand_weight, expand_bias] =
        backend.linear_backward(&normalized.y, expand[0], &g, [true, expand_weight, expand_bias])?;
    let Normalized { mean, inv_std, .. } = &normalized;
    let g = expect(op, g)?;
    let [gx, norm_weight, norm_bias] =
        backend.layer_norm_backward(x, norm[0], mean, inv_std, &g, [x_wanted, norm_weight, norm_bias])?;
    Ok([gx, norm_weight, norm_bias, expand_weight, expand_bias, project_weight, project_bias, ggamma])
}

fn expect<T>(op: &PixelMlp, gradient: Option<T>) -> Result<T> {
    gradient.ok_or_else(|| misfit(op.name(), "the backend gave no gradient where one was asked for"))
}
