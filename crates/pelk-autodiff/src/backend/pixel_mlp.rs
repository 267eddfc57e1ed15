//! The pixel MLP as one operator.

use super::activation::ActivationOps;
use super::linear::LinearOps;
use super::normalization::NormalizationOps;
use super::residual::ResidualOps;
use super::storage::{Gradients, T};
use crate::{Error, Result};
use pelk_ops::{Normalized, PixelMlp, PixelMlpParameters};

/// The pixel MLP as one operator.
pub trait PixelMlpOps: LinearOps + NormalizationOps + ActivationOps + ResidualOps {
    /// See [`PixelMlp`]. By default a composition of other operators; a backend with a faster way overrides
    /// it together with its gradient. Returns the output and the tensors to keep for the gradient besides the
    /// inputs.
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &T<Self>,
        shortcut: &T<Self>,
        parameters: &PixelMlpParameters<'_, T<Self>>,
    ) -> Result<(T<Self>, Vec<T<Self>>)> {
        compose(self, op, x, shortcut, parameters)
    }

    /// Gradients of x, the parameters in the order of the inputs, and gamma; the gradient of the shortcut is
    /// `gy`. `kept` holds the tensors that the forward kept, if any.
    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &T<Self>,
        parameters: &PixelMlpParameters<'_, T<Self>>,
        kept: &[T<Self>],
        gy: &T<Self>,
        needs: [bool; 8],
    ) -> Result<Gradients<T<Self>, 8>> {
        let _ = kept; // the forward above keeps nothing
        compose_backward(self, op, x, parameters, gy, needs)
    }
}

/// The values between x and the output of the second layer.
struct Hidden<T> {
    normalized: Normalized<T>,
    expanded: T,
    active: T,
    projected: T,
}

fn hidden<B: LinearOps + NormalizationOps + ActivationOps + ResidualOps>(
    backend: &B,
    op: &PixelMlp,
    x: &T<B>,
    parameters: &PixelMlpParameters<'_, T<B>>,
) -> Result<Hidden<T<B>>> {
    let PixelMlpParameters { norm, expand, project, .. } = parameters;
    let normalized = backend.layer_norm(x, norm[0], norm[1], op.eps)?;
    let expanded = backend.linear(&normalized.y, expand[0], Some(expand[1]))?;
    let active = backend.gelu(&expanded)?;
    let projected = backend.linear(&active, project[0], Some(project[1]))?;
    Ok(Hidden { normalized, expanded, active, projected })
}

/// The operator as a composition of simpler ones, which keeps nothing.
///
/// # Errors
/// When the backend returns an error.
pub fn compose<B: LinearOps + NormalizationOps + ActivationOps + ResidualOps>(
    backend: &B,
    op: &PixelMlp,
    x: &T<B>,
    shortcut: &T<B>,
    parameters: &PixelMlpParameters<'_, T<B>>,
) -> Result<(T<B>, Vec<T<B>>)> {
    let mut y = hidden(backend, op, x, parameters)?.projected;
    if let Some(gamma) = parameters.gamma {
        y = backend.scale_channels(&y, gamma)?;
    }
    if let Some(factors) = &op.factors {
        y = backend.scale_samples(&y, factors)?;
    }
    Ok((backend.add(&y, shortcut)?, Vec::new()))
}

/// The gradients of [`compose`] by x, the parameters in the order of the inputs, and gamma.
///
/// # Errors
/// When the backend returns an error.
pub fn compose_backward<B: LinearOps + NormalizationOps + ActivationOps + ResidualOps>(
    backend: &B,
    op: &PixelMlp,
    x: &T<B>,
    parameters: &PixelMlpParameters<'_, T<B>>,
    gy: &T<B>,
    needs: [bool; 8],
) -> Result<Gradients<T<B>, 8>> {
    let PixelMlpParameters { norm, expand, project, gamma, .. } = parameters;
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
    let Hidden { normalized, expanded, active, projected } = hidden(backend, op, x, parameters)?;
    let mut g = match &op.factors {
        Some(factors) => backend.scale_samples(gy, factors)?,
        None => gy.clone(),
    };
    let mut ggamma = None;
    if let Some(gamma) = gamma {
        let [scaled, gradient] =
            backend.scale_channels_backward(&projected, gamma, &g, [true, gamma_wanted])?;
        (g, ggamma) = (expect(scaled)?, gradient);
    }
    let [g, project_weight, project_bias] =
        backend.linear_backward(&active, project[0], &g, [true, project_weight, project_bias])?;
    let g = backend.gelu_backward(&expanded, &expect(g)?)?;
    let [g, expand_weight, expand_bias] =
        backend.linear_backward(&normalized.y, expand[0], &g, [true, expand_weight, expand_bias])?;
    let Normalized { mean, inv_std, .. } = &normalized;
    let g = expect(g)?;
    let [gx, norm_weight, norm_bias] =
        backend.layer_norm_backward(x, norm[0], mean, inv_std, &g, [x_wanted, norm_weight, norm_bias])?;
    Ok([gx, norm_weight, norm_bias, expand_weight, expand_bias, project_weight, project_bias, ggamma])
}

fn expect<T>(gradient: Option<T>) -> Result<T> {
    gradient.ok_or_else(|| Error::Shape {
        operator: "pixel_mlp",
        reason: "the backend returned no gradient where one was needed".to_owned(),
    })
}
