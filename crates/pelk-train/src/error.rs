//! What can end a run.

use pelk_data::DataError;
use pelk_models::ModelError;
use std::path::{Path, PathBuf};

/// An error of training, evaluation or a run's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration does not parse.
    #[error("{origin}: {reason}")]
    Config {
        /// The file or argument it came from.
        origin: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A value that makes no run.
    #[error("configuration key `{key}`: {reason}")]
    Value {
        /// The key's dotted path.
        key: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The dataset.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network, its weights or its operators.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The loss, a gradient or a tensor of the state is not a number any more. Nothing of it was saved.
    #[error(
        "{what} is not finite at step {step} (epoch {epoch}, learning rate {learning_rate:.3e}); nothing of it was \
         saved, the last checkpoint is good. Try a lower optimizer.learning_rate, a longer schedule.warmup_epochs or \
         optimizer.clip_norm"
    )]
    NotFinite {
        /// The loss, which gradient or which tensor.
        what: String,
        /// The step, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// The step's learning rate.
        learning_rate: f64,
    },
    /// A new run was to be created in a folder that already holds one.
    #[error("{} already holds a run", folder.display())]
    RunExists {
        /// The folder.
        folder: PathBuf,
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
        /// `read`, `write`, `create` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What this means for what was there before; empty where nothing was.
        consequence: &'static str,
    },
    /// A checkpoint that is damaged, of another program or of another network.
    #[error("{path} cannot be used as a checkpoint: {reason}", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A picture of the curves could not be drawn.
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
