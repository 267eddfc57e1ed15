//! What is saved of a run: the network with its weights, and what training needs to go on.

use crate::atomic::write_atomically;
use crate::config::{DataConfig, TrainConfig};
use crate::error::{Result, TrainError};
use crate::inference::InferenceConfig;
use crate::loss_scale::LossScale;
use pelk_autodiff::HostParameters;
use pelk_data::Normalization;
use pelk_models::{HostMasks, NetworkConfig, WeightsFile};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of the metadata; readers refuse what they do not know.
const FORMAT: u32 = 4;

/// What a checkpoint says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    format: u32,
    /// The architecture.
    pub network: NetworkConfig,
    /// The dataset that it was trained on.
    pub data: DataConfig,
    /// Height, width and channels of the images that it was trained on, or of the parts that were cut out of them.
    pub image: [usize; 3],
    /// What was done to pixel values.
    #[serde(alias = "normalisation")]
    pub normalization: Normalization,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How it is asked.
    pub inference: InferenceConfig,
    /// Steps taken.
    pub step: u64,
    /// Where training stood, if the file holds what it needs to go on.
    pub training: Option<TrainingState>,
}

/// What a run needs to go on as if it had never stopped, beside the tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingState {
    /// The run's configuration.
    pub config: TrainConfig,
    /// Sum of the losses of the steps since the last evaluation.
    pub loss_sum: f64,
    /// The best accuracy, or mIoU, on the test images so far.
    pub best: Best,
    /// How many parameters have a mask.
    pub masked: usize,
    /// The loss's factor, where activations are 16-bit floats.
    #[serde(default)]
    pub loss_scale: Option<LossScale>,
}

/// The best values of a run's metric so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Of the network.
    pub network: Option<f64>,
    /// Of the average of its weights.
    pub ema: Option<f64>,
}

/// A network with its weights, and perhaps the state of its training.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What the tensors are.
    pub description: Description,
    /// Parameters and buffers by name; with `training`, also the optimizer's state and the averaged weights.
    pub tensors: HostParameters,
    /// With `training`, which weights are present, by the parameter's name, where training is sparse. Absent weights are 0.
    pub masks: HostMasks,
}

impl Description {
    /// A description in the current format.
    pub fn new(
        network: NetworkConfig,
        data: DataConfig,
        image: [usize; 3],
        normalization: Normalization,
        classes: Vec<String>,
        inference: InferenceConfig,
        step: u64,
        training: Option<TrainingState>,
    ) -> Description {
        Description {
            format: FORMAT,
            network,
            data,
            image,
            normalization,
            classes,
            inference,
            step,
            training,
        }
    }

    /// Checks that the parts belong together, so that who uses them need not.
    fn validate(&self) -> std::result::Result<(), String> {
        self.network.validate().map_err(|error| error.to_string())?;
        let [height, width, channels] = self.image;
        if channels != self.network.in_channels {
            let wanted = self.network.in_channels;
            return Err(format!("its images have {channels} channels, but its network wants {wanted}"));
        }
        let smallest = self.network.smallest_input();
        if height.min(width) < smallest {
            let reason = format!("its network wants at least {smallest} pixels a side");
            return Err(format!("its images are of {height} x {width} pixels, but {reason}"));
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
    /// When it cannot be written; what was there before stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        let metadata = serde_json::to_string(&self.description).map_err(|error| refuse(error.to_string()))?;
        let bytes = WeightsFile::encode(&self.tensors, &self.masks, Some(&metadata));
        write_atomically(path, &bytes.map_err(|error| refuse(error.to_string()))?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, contradicts itself, or was not written by this program.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let file = WeightsFile::read(path)?;
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        let text = file.metadata.ok_or_else(|| {
            refuse(
                "it holds tensors but no description of a network; only files that `train` wrote are read"
                    .into(),
            )
        })?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or("none".to_owned(), |format| format.to_string());
            return Err(refuse(format!("its format is {found}, this program reads {FORMAT}")));
        }
        let description: Description =
            serde_json::from_value(value).map_err(|error| refuse(error.to_string()))?;
        description.validate().map_err(refuse)?;
        Ok(Checkpoint { description, tensors: file.tensors, masks: file.masks })
    }
}
