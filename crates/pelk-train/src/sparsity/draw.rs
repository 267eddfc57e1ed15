//! The masks that a run starts with.

use super::config::{Densities, SparsityConfig};
use super::masks::{Masks, is_maskable};
use super::scores::snip;
use crate::error::{Result, TrainError};
use pelk_autodiff::{Backend, ParameterSpec, Parameters, to_host};
use pelk_models::HostMasks;
use std::collections::BTreeMap;

/// The weights at the start of a run.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a, B: Backend> {
    /// What they are.
    pub specs: &'a [ParameterSpec],
    /// Their values.
    pub parameters: &'a Parameters<B>,
    /// Masks of the network that they come from, by name. A weight that has just regrown there is present,
    /// although it is still zero.
    pub masks: &'a HostMasks,
}

/// Decides which weights are absent. `gradients` are those of the first batch, computed only if SNIP needs
/// them.
///
/// # Errors
/// When the backend or `gradients` fails, or the weights should be sparse and are not.
pub(crate) fn draw<B: Backend>(
    backend: &B,
    config: &SparsityConfig,
    seed: u64,
    weights: Weights<'_, B>,
    gradients: impl FnOnce() -> Result<BTreeMap<String, B::Tensor>>,
) -> Result<Masks<B>> {
    let Weights { specs, parameters, masks } = weights;
    let density = 1.0 - config.sparsity;
    let maskable = specs.iter().filter(|spec| is_maskable(spec));
    let densities = match config.densities {
        Densities::Weights => {
            let masks = Masks::of_weights(backend, seed, specs, parameters, masks)?;
            if masks.is_empty() {
                let reason = "is weights, but no initial weight is zero: set `weights` to the checkpoint of \
                              a sparse network, or sparsity.densities to snip";
                return Err(TrainError::value("sparsity.densities", reason));
            }
            return Ok(masks);
        }
        Densities::Uniform => maskable.map(|spec| (spec.name.clone(), density)).collect(),
        Densities::Snip => {
            let gradients = gradients()?;
            let score = |spec| sensitivity(backend, spec, parameters, &gradients);
            snip(&maskable.map(score).collect::<Result<_>>()?, density)
        }
    };
    Masks::draw(backend, seed, specs, &densities)
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
