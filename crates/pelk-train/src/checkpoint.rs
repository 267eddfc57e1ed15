//! Checkpoint files: the network with its weights, and optionally the state of its training.

use crate::atomic::write_atomically_with;
use crate::config::{DataConfig, TrainConfig};
use crate::error::{Result, TrainError};
use crate::identity::DataIdentity;
use crate::inference::InferenceConfig;
use crate::loss_scale::LossScale;
use crate::tensors::bad_value;
use pelk_autodiff::HostParameters;
use pelk_data::Normalization;
use pelk_models::{HostMasks, NetworkConfig, WeightsFile};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the metadata; other versions are refused.
pub(crate) const FORMAT: u32 = 4;

/// The metadata of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub(crate) format: u32,
    /// The architecture.
    pub network: NetworkConfig,
    /// The dataset of the training.
    pub data: DataConfig,
    /// Height, width and channels of the images in training, after cropping.
    pub image: [usize; 3],
    /// Normalization of pixel values.
    #[serde(alias = "normalisation")]
    pub normalization: Normalization,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// What else is known of the data; checkpoints of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<DataIdentity>,
    /// How evaluation runs the network.
    pub inference: InferenceConfig,
    /// Steps taken.
    pub step: u64,
    /// State of the training, if training can resume from the file.
    pub training: Option<TrainingState>,
}

/// The state that a run needs, besides the tensors, to continue as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingState {
    /// The run's configuration.
    pub config: TrainConfig,
    /// Sum of the losses since the last evaluation.
    pub loss_sum: f64,
    /// Steps since the last multiple of the evaluation interval whose loss is not in the sum: because no
    /// label counted, or because they ended a run that was extended later, whose last evaluation counted
    /// them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncounted_steps: u64,
    /// Best values of the run's metric on the test images so far.
    pub best: Best,
    /// Number of parameters that have a mask.
    pub masked: usize,
    /// Factor for the loss, if activations are 16-bit floats.
    #[serde(default)]
    pub loss_scale: Option<LossScale>,
    /// Whether the run was stopped in the evaluation after its last step. Absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evaluation_due: bool,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The best values of a run's metric so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Of the network.
    pub network: Option<f64>,
    /// Of its averaged weights.
    pub ema: Option<f64>,
}

/// A network with its weights, and optionally the state of its training.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Metadata.
    pub description: Description,
    /// Parameters and buffers by name; with a training state, also the optimizer's state and the averaged
    /// weights.
    pub tensors: HostParameters,
    /// With the state of a sparse training, which weights are present, by the parameter's name. Absent
    /// weights are 0.
    pub masks: HostMasks,
}

impl Description {
    /// Checks that the parts fit together, so that users of a checkpoint need not.
    fn validate(&self) -> std::result::Result<(), String> {
        self.network.validate().map_err(|error| error.to_string())?;
        let [height, width, channels] = self.image;
        if channels != self.network.in_channels {
            let wanted = self.network.in_channels;
            return Err(format!("its images have {channels} channels, but its network needs {wanted}"));
        }
        let smallest = self.network.smallest_input();
        if height.min(width) < smallest {
            let reason = format!("its network needs at least {smallest} pixels per side");
            return Err(format!("its images have {height} x {width} pixels, but {reason}"));
        }
        if self.classes.len() != self.network.classes {
            let (names, classes) = (self.classes.len(), self.network.classes);
            return Err(format!("it names {names} classes, but its network has {classes}"));
        }
        self.inference.validate().map_err(|error| error.to_string())?;
        self.normalization.validate(channels).map_err(|error| error.to_string())
    }
}

impl Checkpoint {
    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; an existing file is unchanged.
    pub fn write(&self, path: &Path) -> Result<()> {
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        let metadata = serde_json::to_string(&self.description).map_err(|error| refuse(error.to_string()))?;
        write_atomically_with(path, |file| {
            WeightsFile::write(&self.tensors, &self.masks, Some(&metadata), file)
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, contradicts itself, holds a value that no training gives (one that
    /// is not finite, or a negative variance), or is not a checkpoint of this crate.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let file = WeightsFile::read(path)?;
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        let text = file.metadata.ok_or_else(|| {
            refuse("it has tensors but no description of a network, so it is not a checkpoint of pelk".into())
        })?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or("missing".to_owned(), |format| format.to_string());
            return Err(refuse(format!("its format is {found}, but this version reads format {FORMAT}")));
        }
        let description: Description =
            serde_json::from_value(value).map_err(|error| refuse(error.to_string()))?;
        description.validate().map_err(refuse)?;
        if let Some(dtype) = file.converted.keys().chain(file.others.values()).next() {
            return Err(refuse(format!("it has tensors of {dtype}, but a checkpoint has F32 only")));
        }
        if let Some(problem) = file.tensors.iter().find_map(|(name, values)| bad_value(name, values)) {
            return Err(refuse(format!("{problem}; use an earlier checkpoint")));
        }
        Ok(Checkpoint { description, tensors: file.tensors, masks: file.masks })
    }
}
