//! A trained network, out of a checkpoint and onto a device, ready to run.

pub(crate) mod classifier;

use crate::checkpoint::{Checkpoint, Description};
use crate::error::Result;
use crate::inference::Predictor;
use pelk_autodiff::{Backend, Parameters};
use pelk_models::{Network, fold};
use std::collections::BTreeSet;
use std::path::Path;

/// A trained network with all that it takes to run it: its weights on a device, the names of its classes, and what is done
/// to images before it sees them.
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
    /// What the checkpoint says about itself; its network is the one below.
    pub description: Description,
    /// The network, perhaps in its inference form.
    pub network: Network,
    /// The network's weights on the device; the optimizer's state stays in the file.
    pub parameters: Parameters<B>,
}

impl<B: Backend> Trained<B> {
    /// Reads a checkpoint and puts its weights on `backend`, in the inference form if `folded`: the same function with
    /// fewer operators.
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

    /// Puts the network of a checkpoint that holds nothing else on `backend`.
    ///
    /// # Errors
    /// When it makes no network.
    pub fn upload(backend: &B, Checkpoint { description, tensors, .. }: Checkpoint) -> Result<Trained<B>> {
        let network = Network::new(description.network.clone())?;
        let parameters = Parameters::upload(backend, &tensors)?;
        Ok(Trained { description, network, parameters })
    }

    /// The network as it is evaluated: by windows, scales and mirrored, as its configuration says.
    ///
    /// # Errors
    /// When the configuration of inference has a value out of its range.
    pub fn predictor<'a>(&'a self, backend: &'a B) -> Result<Predictor<'a, B>> {
        Predictor::new(backend, &self.network, &self.parameters, self.description.inference.clone())
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
