//! The masks that a run starts with.

use super::config::{Densities, SparsityConfig};
use super::masks::{Masks, is_maskable};
use super::scores::snip;
use crate::error::{Result, TrainError};
use pelk_autodiff::{Backend, ParameterSpec, Parameters, to_host};
use std::collections::BTreeMap;

/// Decides which weights are absent. `gradients` are those of the first batch, computed only if SNIP needs
/// them.
///
/// # Errors
/// When the backend or `gradients` fails, or the weights should be sparse and are not.
pub(crate) fn draw<B: Backend>(
    backend: &B,
    config: &SparsityConfig,
    seed: u64,
    specs: &[ParameterSpec],
    parameters: &Parameters<B>,
    gradients: impl FnOnce() -> Result<BTreeMap<String, B::Tensor>>,
) -> Result<Masks<B>> {
    let density = 1.0 - config.sparsity;
    let maskable = specs.iter().filter(|spec| is_maskable(spec));
    let densities = match config.densities {
        Densities::Weights => None,
        Densities::Uniform => Some(maskable.map(|spec| (spec.name.clone(), density)).collect()),
        Densities::Snip => {
            let gradients = gradients()?;
            let score = |spec| sensitivity(backend, spec, parameters, &gradients);
            Some(snip(&maskable.map(score).collect::<Result<_>>()?, density))
        }
    };
    let masks = Masks::draw(backend, seed, specs, parameters, densities.as_ref())?;
    if densities.is_none() && masks.is_empty() {
        let reason = "is weights, but no initial weight is zero: set `weights` to the checkpoint of a \
                      sparse network, or sparsity.densities to snip";
        return Err(TrainError::value("sparsity.densities", reason));
    }
    Ok(masks)
}

/// The name of a parameter, and `|w dL/dw|` of each of its weights.
fn sensitivity<B: Backend>(
    backend: &B,
    spec: &ParameterSpec,
    parameters: &Parameters<B>,
    gradients: &BTreeMap<String, B::Tensor>,
) -> Result<(String, Vec<f32>)> {
    let weights = to_host(backend, parameters.get(backend, spec)?)?;
    let scores = match gradients.get(&spec.name) {
        Some(gradient) => {
            let gradient = to_host(backend, gradient)?;
            (&weights * &gradient).iter().map(|product| product.abs()).collect()
        }
        None => vec![0.0; weights.len()],
    };
    Ok((spec.name.clone(), scores))
}
