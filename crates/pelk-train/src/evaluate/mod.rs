//! The results of a network on a dataset.

mod groups;
mod labels;
mod objects;

pub use groups::{GroupResult, GroupScores};
pub use labels::{LabelEvaluation, ranked};
pub use objects::{ObjectEvaluation, objects_of, results_of};

use crate::error::{Result, TrainError};
use crate::inference::InferenceConfig;
use pelk_autodiff::{Backend, Parameters};
use pelk_data::{Dataset, LoaderConfig};
use pelk_models::{Head, Network};
use std::sync::Arc;

/// The results of a network on a dataset.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one per evaluation")]
pub enum Evaluation {
    /// Of a network that classifies images or pixels.
    Labels(LabelEvaluation),
    /// Of a detector.
    Objects(ObjectEvaluation),
}

impl Evaluation {
    /// The results of classification; `None` for those of a detector.
    pub fn labels(&self) -> Option<&LabelEvaluation> {
        match self {
            Evaluation::Labels(labels) => Some(labels),
            Evaluation::Objects(_) => None,
        }
    }

    /// The results of detection; `None` for those of classification.
    pub fn objects(&self) -> Option<&ObjectEvaluation> {
        match self {
            Evaluation::Labels(_) => None,
            Evaluation::Objects(objects) => Some(objects),
        }
    }

    /// The results of each of the dataset's groups of labels or objects.
    pub fn groups(&self) -> &[GroupResult] {
        match self {
            Evaluation::Labels(labels) => &labels.groups,
            Evaluation::Objects(objects) => &objects.groups,
        }
    }
}

/// What to evaluate.
pub struct EvaluationTask<'a, B: Backend> {
    /// The device.
    pub backend: &'a B,
    /// The network.
    pub network: &'a Network,
    /// Its parameters.
    pub parameters: &'a Parameters<B>,
    /// The images.
    pub dataset: Arc<dyn Dataset>,
    /// How to load them, for instance [`LoaderConfig::evaluation`].
    pub loading: LoaderConfig,
}

/// Runs a network in evaluation mode over a dataset; calls `on_batch` with the number of images done so far,
/// which returns whether to go on. Neither the batch size nor the number of workers changes results.
///
/// # Errors
/// When the data have another number of classes than the network (see [`for_network`](crate::for_network)) or
/// cannot be read, the network gives NaN or infinity, or the backend fails; [`TrainError::Stopped`] when
/// `on_batch` says so.
pub fn evaluate<B: Backend>(
    task: EvaluationTask<'_, B>,
    inference: &InferenceConfig,
    on_batch: impl FnMut(usize) -> bool,
) -> Result<Evaluation> {
    let (data, network) = (task.dataset.classes().len(), task.network.config().classes);
    if data != network {
        let (data, network) = (data.to_string(), network.to_string());
        return Err(TrainError::OtherData { property: "the number of classes", network, data, remedy: "" });
    }
    match task.network.config().head {
        Head::CascadeMaskRcnn(_) => objects::evaluate(task, on_batch).map(Evaluation::Objects),
        _ => labels::evaluate(task, inference, on_batch).map(Evaluation::Labels),
    }
}

/// The answer to whether to go on, as a result.
fn go_on(answer: bool) -> Result<()> {
    if answer { Ok(()) } else { Err(TrainError::Stopped) }
}
