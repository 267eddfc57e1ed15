//! Errors of models and their weights.

use pelk_detection::DetectionError;
use pelk_grid::GridError;
use std::borrow::Cow;
use std::path::PathBuf;

/// A model that does not exist, a configuration that does not fit, or weights that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no model with this name.
    #[error("there is no model {name:?}: did you mean {nearest:?}? Known models: {known}")]
    UnknownModel {
        /// The name that was given.
        name: String,
        /// The known name closest to it.
        nearest: String,
        /// All names.
        known: String,
    },
    /// A field of the configuration has an invalid value.
    #[error("model field `{field}`: {reason}")]
    Config {
        /// The field's name.
        field: Cow<'static, str>,
        /// What is wrong and what is valid.
        reason: String,
    },
    /// No model has an option with this key.
    #[error("unknown field `{key}`, expected one of {known}")]
    UnknownOption {
        /// The key that was given.
        key: String,
        /// The options of this model.
        known: String,
    },
    /// An option that only kernels of other forms have.
    #[error(
        "model field `{key}`: {form} kernels do not have this option, {others} kernels do; \
         {form} kernels have {options}"
    )]
    OptionOfOtherForm {
        /// The key that was given.
        key: String,
        /// The form of this model's kernels.
        form: &'static str,
        /// The forms that have this option.
        others: String,
        /// The options that this form has.
        options: String,
    },
    /// A value of the wrong type for its option.
    #[error("model field `{key}`: {reason}")]
    Option {
        /// The option's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// An impossible sharing grid.
    #[error("model field `{field}`: {source}")]
    Grid {
        /// The field's name.
        field: &'static str,
        /// Why the grid is impossible.
        source: GridError,
    },
    /// Gradients without an effective receptive field.
    #[error("there is no receptive field: {reason}")]
    ReceptiveField {
        /// What is wrong.
        reason: String,
    },
    /// A network without boxes where a detector is needed.
    #[error("{model} is not a detector")]
    NoDetector {
        /// The network's name.
        model: String,
    },
    /// A detector's outputs or truths that no decision can be made on.
    #[error(transparent)]
    Detection(#[from] DetectionError),
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
        /// The system's error.
        source: std::io::Error,
    },
    /// A file without usable weights.
    #[error("{path} is not a usable weights file: {reason}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ModelError {
    pub(crate) fn config(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> ModelError {
        ModelError::Config { field: field.into(), reason: reason.into() }
    }
}

/// The result of an operation on models.
pub type Result<T> = std::result::Result<T, ModelError>;
