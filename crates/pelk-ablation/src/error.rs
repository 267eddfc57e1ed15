//! The crate's error type.

use pelk_report::ReportError;
use pelk_train::TrainError;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AblationError {
    /// Unknown study or task.
    #[error("there is no {what} {name:?}: did you mean {nearest:?}? Known: {known}")]
    Unknown {
        /// `study` or `task`.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The most similar known name.
        nearest: String,
        /// All known names.
        known: String,
    },
    /// The task has no arms for the study.
    #[error("study {study} has no arms on task {task}; tasks that have them: {able}")]
    NoArms {
        /// The study.
        study: String,
        /// The task.
        task: &'static str,
        /// The tasks that have arms for it.
        able: String,
    },
    /// The task does not have this arm.
    #[error("task {task} has no arm {arm:?}")]
    NoArm {
        /// The task.
        task: &'static str,
        /// The arm.
        arm: String,
    },
    /// The plan has no runs.
    #[error("the sweep has no runs: it needs at least one study, task, seed and budget")]
    NoRuns,
    /// The folder holds the plan of another sweep.
    #[error("{} holds another sweep", folder.display())]
    OtherSweep {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds no sweep.
    #[error("{} holds no sweep: there is no sweep.toml in it or in its subfolders", folder.display())]
    NoSweep {
        /// The folder.
        folder: PathBuf,
    },
    /// Results of these two folders cannot be combined.
    #[error("{} and {} hold different sweeps", first.display(), second.display())]
    DifferentSweeps {
        /// A folder.
        first: PathBuf,
        /// A folder with another plan.
        second: PathBuf,
    },
    /// A run's folder holds a run with another configuration, or one without results.
    #[error("{} {reason}; move it away", folder.display())]
    RunFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An invalid configuration, or a failed run.
    #[error("{run}: {source}")]
    Run {
        /// The run or the arm.
        run: String,
        /// What is wrong.
        source: TrainError,
    },
    /// The threads of a run cannot be started.
    #[error("cannot start the threads of a run: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A file that cannot be read, written or created.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A damaged file of a sweep.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A plan or costs that cannot be written as TOML.
    #[error("cannot write the sweep's files: {0}")]
    Toml(#[from] toml::ser::Error),
    /// An error from a run's files or from a preset.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A chart that cannot be drawn.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, AblationError>;

impl AblationError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> AblationError {
        AblationError::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> AblationError {
        AblationError::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}
