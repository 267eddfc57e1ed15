//! Errors of training.

use crate::config::error::{ConfigError, Origin};
use pelk_data::DataError;
use pelk_models::ModelError;
use std::path::{Path, PathBuf};

/// An error of training, evaluation or a run's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A configuration or a setting that cannot be read.
    #[error("{origin}: {source}")]
    Configuration {
        /// Where it comes from.
        origin: Origin,
        /// What is wrong and how to fix it.
        source: Box<ConfigError>,
    },
    /// A table of metrics that does not parse.
    #[error("{}: {reason}", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to fix it.
        reason: String,
    },
    /// An evaluation was stopped on request.
    #[error("the evaluation was stopped")]
    Stopped,
    /// Detections that cannot be evaluated.
    #[error("cannot evaluate the detections: {0}")]
    Objects(String),
    /// A configuration value outside its range, or one that does not fit the others or the data.
    #[error("configuration key `{key}`: {reason}")]
    Value {
        /// Dotted path of the key.
        key: &'static str,
        /// What is wrong and how to fix it.
        reason: String,
    },
    /// A preset that does not exist.
    #[error("there is no preset {name:?}: did you mean {nearest:?}? Known presets: {known}")]
    UnknownPreset {
        /// The name that was given.
        name: String,
        /// The known name that is nearest to it.
        nearest: String,
        /// All known names.
        known: String,
    },
    /// A network that takes neither gray nor color images was given a picture.
    #[error("the network takes {channels} channels; images have 1 or 3")]
    ImageChannels {
        /// Channels that the network takes.
        channels: usize,
    },
    /// A network that gives no single class to an image was used as a classifier.
    #[error("the network gives a class to places of an image and not to the image")]
    NotAClassifier,
    /// Data with other classes or labels than those that a network was trained on, or of another number.
    #[error(
        "the data differ from those of the training in {property}: here {data}; in training {network}{remedy}"
    )]
    OtherData {
        /// What differs.
        property: &'static str,
        /// Its value in the training.
        network: String,
        /// Its value in the data.
        data: String,
        /// What to do about it; may be empty.
        remedy: &'static str,
    },
    /// A network that gives NaN or infinity instead of a score.
    #[error(
        "the network's output for image {image} is {value}, so it has no order of classes: the weights or the \
         image are unusable, or the training has diverged; use an earlier checkpoint"
    )]
    Logits {
        /// The image: its number in the dataset, or in the batch outside of evaluations.
        image: usize,
        /// The value.
        value: f32,
    },
    /// An error of the dataset.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An error of the network, its weights or its operators.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The loss, a gradient or a tensor of the state became infinite or NaN. The step was not saved.
    #[error(
        "{what} is not finite at step {step} (epoch {epoch}, learning rate {learning_rate:.3e}). This step \
         was not saved; {}. Try a lower optimizer.learning_rate, a longer schedule.warmup_epochs or \
         optimizer.clip_norm",
        match saved {
            Some(step) => format!("the last checkpoint, of step {step}, is good"),
            None => "there is no checkpoint yet".to_owned(),
        }
    )]
    NotFinite {
        /// The loss, or the name of the gradient or tensor.
        what: String,
        /// Step, from 1.
        step: u64,
        /// Epoch, from 1.
        epoch: u64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Step of the last checkpoint, whose values are all finite, if there is one.
        saved: Option<u64>,
    },
    /// A new run was to be created in a folder that already holds one.
    #[error("{} already holds a run", folder.display())]
    RunExists {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder was to be written that another run, of this process or another one, is writing.
    #[error("{} is in use by {owner}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who is using it.
        owner: String,
    },
    /// A run was to be opened in a folder that does not hold one.
    #[error("{} holds no run to resume: it has no config.toml", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder of a new run cannot be created.
    #[error("cannot create {}: {source}", folder.display())]
    RunFolder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file of the run cannot be read or written.
    #[error("cannot {action} {path}: {source}{consequence}", path = path.display())]
    Io {
        /// `read`, `write`, `create`, `remove` or `lock`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
        /// The state of what was there before; empty if nothing was.
        consequence: &'static str,
    },
    /// A checkpoint is damaged, or belongs to another program, network or run.
    #[error("{path} cannot be used as a checkpoint: {reason}", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint without averaged weights beside the network's own.
    #[error(
        "{} has no averaged weights beside the network's own: last.safetensors of a run with ema.decay has \
         both, and in best-ema.safetensors all weights are averaged",
        path.display()
    )]
    NoAverage {
        /// The file.
        path: PathBuf,
    },
    /// The curves of a run could not be drawn, with the feature `curves`.
    #[error("cannot draw the training curves: {0}")]
    Curves(String),
}

impl From<pelk_autodiff::Error> for TrainError {
    fn from(error: pelk_autodiff::Error) -> TrainError {
        TrainError::Model(error.into())
    }
}

impl TrainError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> TrainError {
        TrainError::io("read", path, source)
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> TrainError {
        TrainError::Io { action, path: path.to_owned(), source, consequence: "" }
    }

    pub(crate) fn value(key: &'static str, reason: impl Into<String>) -> TrainError {
        TrainError::Value { key, reason: reason.into() }
    }
}

/// The result of an operation of training.
pub type Result<T> = std::result::Result<T, TrainError>;
