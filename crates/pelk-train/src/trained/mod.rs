//! Loads a trained network from a checkpoint onto a device, ready to run.

pub(crate) mod classifier;

use crate::checkpoint::{Checkpoint, Description};
use crate::error::{Result, TrainError};
use crate::inference::Predictor;
use crate::tensors::EMA;
use pelk_autodiff::{Backend, HostParameters, Parameters};
use pelk_models::{Network, fold};
use std::collections::BTreeSet;
use std::path::Path;

/// A trained network and everything needed to run it: weights on a device, class names and preprocessing.
///
/// ```no_run
/// use pelk_autodiff::CpuBackend;
/// use pelk_train::{Trained, open_image};
/// use std::path::Path;
///
/// let backend = CpuBackend::new()?;
/// let trained = Trained::read(&backend, Path::new("runs/fashion-mnist/best.safetensors"), true)?;
/// let mut classifier = trained.classifier(&backend)?;
/// for (class, probability) in classifier.top(&open_image(Path::new("shirt.png"))?, 5)? {
///     println!("{:<20} {:.2} %", trained.description.classes[class], 100.0 * probability);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trained<B: Backend> {
    /// The checkpoint's description, with the configuration of `network`.
    pub description: Description,
    /// The network, possibly in its inference form.
    pub network: Network,
    /// The network's weights on the device, without the optimizer state.
    pub parameters: Parameters<B>,
}

impl<B: Backend> Trained<B> {
    /// Reads a checkpoint and puts its weights on `backend`, in the inference form if `folded`: the same
    /// function with fewer operators.
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

    /// Same as [`Trained::read`], with the averaged weights of a checkpoint from which training can resume.
    ///
    /// # Errors
    /// When the checkpoint is unusable, or has no averaged weights beside the network's own.
    pub fn read_averaged(backend: &B, path: &Path, folded: bool) -> Result<Trained<B>> {
        let checkpoint = averaged(Checkpoint::read(path)?, path)?;
        Trained::upload(backend, if folded { inference_form(&checkpoint)? } else { checkpoint })
    }

    /// Puts the network of a checkpoint on `backend`; the checkpoint must hold only its weights.
    ///
    /// # Errors
    /// When the network's configuration or weights are invalid.
    pub fn upload(backend: &B, Checkpoint { description, tensors, .. }: Checkpoint) -> Result<Trained<B>> {
        let network = Network::new(description.network.clone())?;
        let parameters = Parameters::upload(backend, &tensors)?;
        Ok(Trained { description, network, parameters })
    }

    /// A predictor that applies the configured windows, scales and mirroring, as evaluations do.
    ///
    /// # Errors
    /// When a value of the inference configuration is out of range.
    pub fn predictor<'a>(&'a self, backend: &'a B) -> Result<Predictor<'a, B>> {
        Predictor::new(backend, &self.network, &self.parameters, self.description.inference.clone())
    }
}

/// A checkpoint without the state that training needs to resume.
///
/// # Errors
/// When its network's configuration is invalid.
pub fn network_alone(mut checkpoint: Checkpoint) -> Result<Checkpoint> {
    let network = Network::new(checkpoint.description.network.clone())?;
    let wanted: BTreeSet<String> = network.parameters()?.into_iter().map(|spec| spec.name).collect();
    checkpoint.tensors.retain(|name, _| wanted.contains(name));
    checkpoint.masks.clear();
    checkpoint.description.training = None;
    Ok(checkpoint)
}

/// The checkpoint at `path` with its averaged weights in place of the network's own, without the state that
/// training needs to resume.
///
/// # Errors
/// When it has no averaged weights, or its network's configuration is invalid.
pub fn averaged(mut checkpoint: Checkpoint, path: &Path) -> Result<Checkpoint> {
    let network = Network::new(checkpoint.description.network.clone())?;
    let mut tensors = HostParameters::new();
    for spec in network.parameters()? {
        let averaged = checkpoint.tensors.remove(&format!("{EMA}{}", spec.name));
        tensors.insert(spec.name, averaged.ok_or_else(|| TrainError::NoAverage { path: path.to_owned() })?);
    }
    checkpoint.tensors = tensors;
    network_alone(checkpoint)
}

/// A checkpoint with only the network in its inference form.
///
/// # Errors
/// When a tensor is missing or has the wrong shape.
pub fn inference_form(checkpoint: &Checkpoint) -> Result<Checkpoint> {
    let mut checkpoint = network_alone(checkpoint.clone())?;
    let folded = fold(&checkpoint.description.network, &checkpoint.tensors)?;
    (checkpoint.description.network, checkpoint.tensors) = folded;
    Ok(checkpoint)
}
