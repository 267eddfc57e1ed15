//! A trained network, out of a checkpoint and onto the device.

use anyhow::Result;
use pelk_autodiff::{Backend, Parameters};
use pelk_models::{Network, fold};
use pelk_train::{Checkpoint, Description};
use std::collections::BTreeSet;
use std::path::Path;

/// A network that is ready to run.
pub struct Trained<B: Backend> {
    /// What the checkpoint says about itself.
    pub description: Description,
    /// The network, perhaps in its inference form.
    pub network: Network,
    /// The network's weights on the device; the optimiser's state stays in the file.
    pub parameters: Parameters<B>,
}

impl<B: Backend> Trained<B> {
    /// Reads a checkpoint, and folds its network if asked to; its weights go to `backend`.
    ///
    /// # Errors
    /// When the checkpoint is unusable.
    pub fn read(backend: &B, path: &Path, folded: bool) -> Result<Trained<B>> {
        let Checkpoint { description, mut tensors, .. } = Checkpoint::read(path)?;
        let mut config = description.network.clone();
        if folded {
            (config, tensors) = fold(&config, &tensors)?;
        }
        let network = Network::new(config)?;
        let wanted: BTreeSet<String> = network.parameters()?.into_iter().map(|spec| spec.name).collect();
        tensors.retain(|name, _| wanted.contains(name));
        let parameters = Parameters::upload(backend, &tensors)?;
        Ok(Trained { description, network, parameters })
    }
}
