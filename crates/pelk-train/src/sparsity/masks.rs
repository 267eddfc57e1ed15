//! The masks of a network in training, on the host and on the device.

use super::mask::{prune_and_regrow, random};
use crate::error::{Result, TrainError};
use crate::optimizer::Optimizer;
use ndarray::{ArrayD, IxDyn};
use pelk_autodiff::{Backend, ParameterSpec, Parameters, Role, Shape, from_host, to_host};
use pelk_models::HostMasks;
use pelk_random::{Purpose, name_hash, stream};
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors of at least this density have no mask, as in SLaK.
const DENSE: f64 = 0.99;

/// Which weights are present.
pub(crate) struct Masks<B: Backend> {
    seed: u64,
    /// By the parameter's name.
    masks: BTreeMap<String, Mask<B::Tensor>>,
    /// Trained values that have no mask.
    unmasked: u64,
}

struct Mask<T> {
    present: ArrayD<bool>,
    /// 1 where a weight is present, else 0.
    factors: T,
}

/// Whether a parameter can have a mask.
pub(crate) fn is_maskable(spec: &ParameterSpec) -> bool {
    spec.role == Role::Weight
}

impl<B: Backend> Masks<B> {
    /// Masks drawn at random with the given densities, by name.
    pub fn draw(
        backend: &B,
        seed: u64,
        specs: &[ParameterSpec],
        densities: &BTreeMap<String, f64>,
    ) -> Result<Masks<B>> {
        let mut host = HostMasks::new();
        for spec in specs.iter().filter(|spec| is_maskable(spec)) {
            let density = densities.get(&spec.name).copied().unwrap_or(1.0);
            if density < DENSE {
                let mut rng = stream(seed, Purpose::Sparsity, 0, name_hash(&spec.name));
                let present = random(&mut rng, spec.shape.elements(), density);
                host.insert(spec.name.clone(), shaped(&spec.shape, present)?);
            }
        }
        Masks::upload(backend, seed, specs, host)
    }

    /// The `known` masks, by name; of other weights those that are not zero are present.
    pub fn of_weights(
        backend: &B,
        seed: u64,
        specs: &[ParameterSpec],
        weights: &Parameters<B>,
        known: &HostMasks,
    ) -> Result<Masks<B>> {
        let mut host = HostMasks::new();
        for spec in specs.iter().filter(|spec| is_maskable(spec)) {
            if let Some(mask) = known.get(&spec.name) {
                host.insert(spec.name.clone(), mask.clone());
                continue;
            }
            let weights = backend.download(weights.get(backend, spec)?)?;
            let present: Vec<bool> = weights.iter().map(|&weight| weight != 0.0).collect();
            if present.contains(&false) {
                host.insert(spec.name.clone(), shaped(&spec.shape, present)?);
            }
        }
        Masks::upload(backend, seed, specs, host)
    }

    fn upload(backend: &B, seed: u64, specs: &[ParameterSpec], mut host: HostMasks) -> Result<Masks<B>> {
        let mut masks = BTreeMap::new();
        let mut unmasked = 0;
        for spec in specs.iter().filter(|spec| spec.role != Role::Buffer) {
            match host.remove(&spec.name) {
                Some(present) => {
                    let factors = backend.upload(&spec.shape, &factors(&present))?;
                    masks.insert(spec.name.clone(), Mask { present, factors });
                }
                None => unmasked += spec.shape.elements() as u64,
            }
        }
        Ok(Masks { seed, masks, unmasked })
    }

    /// The masks of the checkpoint at `path`.
    pub fn restore(
        backend: &B,
        seed: u64,
        specs: &[ParameterSpec],
        masks: HostMasks,
        path: &Path,
    ) -> Result<Masks<B>> {
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        for (name, mask) in &masks {
            let spec = specs.iter().find(|spec| spec.name == *name);
            if spec.is_none_or(|spec| mask.shape() != &spec.shape[..]) {
                let shape = mask.shape();
                return Err(refuse(format!("its network has no {name:?} of shape {shape:?} for a mask")));
            }
        }
        Masks::upload(backend, seed, specs, masks)
    }

    /// Which weights are present, by the parameter's name.
    pub fn to_host(&self) -> HostMasks {
        self.masks.iter().map(|(name, mask)| (name.clone(), mask.present.clone())).collect()
    }

    /// Whether no parameter has a mask.
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// Whether the parameter called `name` has a mask.
    pub fn covers(&self, name: &str) -> bool {
        self.masks.contains_key(name)
    }

    /// Trained values that are present.
    pub fn nonzeros(&self) -> u64 {
        let present = |mask: &Mask<B::Tensor>| mask.present.iter().filter(|present| **present).count() as u64;
        self.unmasked + self.masks.values().map(present).sum::<u64>()
    }

    /// Sets absent weights, which a step has changed, back to 0, and with them their velocity, if the
    /// optimizer has one. Adam's moments stay, as in SLaK.
    pub fn apply(
        &self,
        backend: &B,
        parameters: &mut Parameters<B>,
        optimizer: &mut Optimizer<B>,
    ) -> Result<()> {
        for (name, mask) in &self.masks {
            if let Some(weights) = parameters.get_mut(name) {
                backend.mul_assign(weights, &mask.factors)?;
            }
            if let Some(velocity) = optimizer.velocity_mut(name) {
                backend.mul_assign(velocity, &mask.factors)?;
            }
        }
        Ok(())
    }

    /// Replaces the share `rate` of each tensor's weights after `step` steps, see [`prune_and_regrow`].
    pub fn update(
        &mut self,
        backend: &B,
        parameters: &mut Parameters<B>,
        step: u64,
        rate: f64,
    ) -> Result<()> {
        for (name, mask) in &mut self.masks {
            let Some(weights) = parameters.get_mut(name) else { continue };
            let mut host = to_host(backend, weights)?;
            let (Some(values), Some(present)) = (host.as_slice_mut(), mask.present.as_slice_mut()) else {
                continue;
            };
            let mut rng = stream(self.seed, Purpose::Sparsity, step, name_hash(name));
            prune_and_regrow(&mut rng, values, present, rate);
            mask.factors = backend.upload(backend.shape(&mask.factors), &factors(&mask.present))?;
            *weights = from_host(backend, &host)?;
        }
        Ok(())
    }
}

/// A mask in its parameter's shape.
fn shaped(shape: &Shape, present: Vec<bool>) -> Result<ArrayD<bool>> {
    let actual = present.len();
    let refuse = |_| pelk_autodiff::Error::Length { shape: shape.clone(), actual };
    Ok(ArrayD::from_shape_vec(IxDyn(shape), present).map_err(refuse)?)
}

fn factors(present: &ArrayD<bool>) -> Vec<f32> {
    present.iter().map(|&present| f32::from(u8::from(present))).collect()
}
