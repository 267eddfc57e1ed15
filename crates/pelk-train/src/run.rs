//! The folder of a run.
//!
//! `config.toml` (resolved), `metrics.csv` (a row an evaluation), `groups.csv` (a row an evaluation and group of labels,
//! where the dataset has groups), `curves.svg`, `last.safetensors` (everything needed to
//! go on), `best.safetensors` (the network with the best accuracy, or mIoU, on the test images). Each file is replaced as a whole.
//! Event files for TensorBoard stand beside them and grow, see [`tensorboard`](crate::tensorboard).

use crate::atomic::{remove_unfinished, write_atomically};
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
use crate::curves;
use crate::error::{Result, TrainError};
use crate::evaluate::Evaluation;
use crate::metrics::{self, GroupRow, Metric, MetricsRow};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.toml";

/// A run's folder and its tables of metrics.
pub struct Run {
    folder: PathBuf,
    metric: Metric,
    rows: Vec<MetricsRow>,
    groups: Vec<GroupRow>,
}

impl Run {
    /// Makes a folder for a new run and writes its configuration.
    ///
    /// # Errors
    /// When the folder holds a run already, or cannot be written.
    pub fn create(folder: &Path, config: &TrainConfig) -> Result<Run> {
        if Run::exists(folder) {
            return Err(TrainError::Config {
                origin: folder.display().to_string(),
                reason: "holds a run already: add --resume to go on with it, or give another --out".into(),
            });
        }
        std::fs::create_dir_all(folder).map_err(|source| TrainError::Io {
            action: "create",
            path: folder.to_owned(),
            source,
            consequence: "; give another --out",
        })?;
        let run = Run::empty(folder, config);
        write_atomically(&run.config(), config.to_toml()?.as_bytes())?;
        Ok(run)
    }

    /// Opens the folder of a run that is to go on: its configuration, and its last checkpoint, if it had come to
    /// one. Rows of metrics after the checkpoint are dropped, since their epochs run again.
    ///
    /// # Errors
    /// When there is no run, or a file of it is damaged.
    pub fn open(folder: &Path) -> Result<(Run, TrainConfig, Option<Checkpoint>)> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => TrainError::Config {
                origin: folder.display().to_string(),
                reason: "holds no run to resume (there is no config.toml)".into(),
            },
            _ => TrainError::read(&path, source),
        })?;
        let config = TrainConfig::parse(&path.display().to_string(), &text, &[])?;
        let mut run = Run::empty(folder, &config);
        let last = run.last();
        let checkpoint = if last.exists() { Some(Checkpoint::read(&last)?) } else { None };
        let step = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.description.step);
        run.rows = metrics::read(&run.metrics())?;
        run.rows.retain(|row| row.step <= step);
        run.groups = metrics::read_groups(&run.group_metrics())?;
        run.groups.retain(|row| row.step <= step);
        remove_unfinished(folder).map_err(|source| TrainError::read(folder, source))?;
        Ok((run, config, checkpoint))
    }

    fn empty(folder: &Path, config: &TrainConfig) -> Run {
        Run { folder: folder.to_owned(), metric: config.metric(), rows: Vec::new(), groups: Vec::new() }
    }

    /// Whether a folder holds a run, or a checkpoint of one.
    pub fn exists(folder: &Path) -> bool {
        [CONFIG, "last.safetensors", "best.safetensors"].iter().any(|file| folder.join(file).exists())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// The checkpoint to go on from.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The network with the best accuracy, or mIoU, on the test images.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The table of evaluations.
    pub fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.csv")
    }

    /// The table of evaluations by group of labels.
    pub fn group_metrics(&self) -> PathBuf {
        self.folder.join("groups.csv")
    }

    /// The picture of the evaluations.
    pub fn curves(&self) -> PathBuf {
        self.folder.join("curves.svg")
    }

    /// The evaluations so far.
    pub fn rows(&self) -> &[MetricsRow] {
        &self.rows
    }

    /// The evaluations so far, by group of labels.
    pub fn groups(&self) -> &[GroupRow] {
        &self.groups
    }

    /// Keeps an evaluation: the network where it is the `best` so far, the rows of the tables, the curves drawn anew.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&mut self, row: MetricsRow, evaluation: &Evaluation, best: Option<&Checkpoint>) -> Result<()> {
        if let Some(best) = best {
            best.write(&self.best())?;
        }
        self.rows.push(row);
        let (epoch, step) = (row.epoch, row.step);
        self.groups.extend(evaluation.groups.iter().map(|group| GroupRow {
            epoch,
            step,
            group: group.clone(),
        }));
        if !self.groups.is_empty() {
            metrics::write_groups(&self.group_metrics(), &self.groups)?;
        }
        metrics::write(&self.metrics(), &self.rows)?;
        write_atomically(&self.curves(), curves::draw(self.metric, &self.rows)?.as_bytes())
    }
}
