//! A trained network, out of a checkpoint and onto the device.

use anyhow::Result;
use pelk_autodiff::{Backend, Parameters};
use pelk_models::{Network, fold};
use pelk_train::{Checkpoint, Description};
use std::collections::BTreeSet;
use std::path::Path;

/// A network that is ready to run.
pub struct Trained<B: Backend> {
    /// What the checkpoint says about itself; its network is the one below.
    pub description: Description,
    /// The network, perhaps in its inference form.
    pub network: Network,
    /// The network's weights on the device; the optimizer's state stays in the file.
    pub parameters: Parameters<B>,
}

impl<B: Backend> Trained<B> {
    /// Reads a checkpoint, and folds its network if asked to; its weights go to `backend`.
    ///
    /// # Errors
    /// When the checkpoint is unusable.
    pub fn read(backend: &B, path: &Path, folded: bool) -> Result<Trained<B>> {
        let checkpoint = Checkpoint::read(path)?;
        Trained::upload(
            backend,
            if folded { inference_form(&checkpoint)? } else { network_alone(checkpoint)? },
        )
    }

    /// The network of a checkpoint that holds nothing else.
    ///
    /// # Errors
    /// When it makes no network.
    pub fn upload(backend: &B, Checkpoint { description, tensors, .. }: Checkpoint) -> Result<Trained<B>> {
        let network = Network::new(description.network.clone())?;
        let parameters = Parameters::upload(backend, &tensors)?;
        Ok(Trained { description, network, parameters })
    }
}

/// A checkpoint without what training needs to go on.
///
/// # Errors
/// When it makes no network.
pub fn network_alone(mut checkpoint: Checkpoint) -> Result<Checkpoint> {
    let network = Network::new(checkpoint.description.network.clone())?;
    let wanted: BTreeSet<String> = network.parameters()?.into_iter().map(|spec| spec.name).collect();
    checkpoint.tensors.retain(|name, _| wanted.contains(name));
    checkpoint.masks.clear();
    checkpoint.description.training = None;
    Ok(checkpoint)
}

/// A checkpoint's network in its inference form, and nothing else.
///
/// # Errors
/// When a tensor is missing or does not have its shape.
pub fn inference_form(checkpoint: &Checkpoint) -> Result<Checkpoint> {
    let mut checkpoint = network_alone(checkpoint.clone())?;
    let folded = fold(&checkpoint.description.network, &checkpoint.tensors)?;
    (checkpoint.description.network, checkpoint.tensors) = folded;
    Ok(checkpoint)
}
