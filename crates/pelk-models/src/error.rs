//! What can go wrong with a model and its weights.

use pelk_grid::GridError;
use std::path::PathBuf;

/// A model that does not exist, a configuration that does not fit, or weights that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No model has this name.
    #[error("there is no model {name:?}: did you mean {nearest:?}? Known models: {known}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The known name closest to it.
        nearest: String,
        /// All names.
        known: String,
    },
    /// A field of the configuration has a value that makes no network.
    #[error("model field `{field}`: {reason}")]
    Config {
        /// The field's name.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A sharing grid that does not exist.
    #[error("model field `{field}`: {source}")]
    Grid {
        /// The field's name.
        field: &'static str,
        /// Why there is no such grid.
        source: GridError,
    },
    /// An operator refused its inputs.
    #[error(transparent)]
    Operator(#[from] pelk_autodiff::Error),
    /// A file that cannot be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that holds no usable weights.
    #[error("{path} is not a usable weights file: {reason}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ModelError {
    pub(crate) fn config(field: &'static str, reason: impl Into<String>) -> ModelError {
        ModelError::Config { field, reason: reason.into() }
    }
}

/// The result of an operation on models.
pub type Result<T> = std::result::Result<T, ModelError>;
