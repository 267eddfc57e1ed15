//! The folder of a run.
//!
//! `config.toml` (resolved), `metrics.csv` (a row an evaluation), `groups.csv` (a row an evaluation and group of labels,
//! where the dataset has groups), `curves.svg`, `last.safetensors` (everything needed to
//! go on), `best.safetensors` (the network with the best accuracy, or mIoU, on the test images), `best-ema.safetensors` (the same of averaged
//! weights), `checkpoints` (earlier states, where they are kept). Each file is replaced as a whole.
//! Event files for TensorBoard stand beside them and grow, see [`tensorboard`](crate::tensorboard).

use crate::atomic::{remove_unfinished, write_atomically};
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
use crate::curves;
use crate::error::{Result, TrainError};
use crate::metrics::{self, GroupRow, Metric, MetricsRow};
use crate::observer::EvaluationReport;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.toml";
/// What the names of earlier states are made of, around the step.
const STEP: &str = "step-";
const SAFETENSORS: &str = ".safetensors";

/// A run's folder and its tables of metrics.
pub struct Run {
    folder: PathBuf,
    metric: Metric,
    rows: Vec<MetricsRow>,
    groups: Vec<GroupRow>,
    /// The step of the state in `last.safetensors`.
    saved: Option<u64>,
}

impl Run {
    /// Makes a folder for a new run and writes its configuration.
    ///
    /// # Errors
    /// When the folder holds a run already, or cannot be written.
    pub fn create(folder: &Path, config: &TrainConfig) -> Result<Run> {
        if Run::exists(folder) {
            return Err(TrainError::RunExists { folder: folder.to_owned() });
        }
        let refuse = |source| TrainError::RunFolder { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(refuse)?;
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
            ErrorKind::NotFound | ErrorKind::NotADirectory => TrainError::NoRun { folder: folder.to_owned() },
            _ => TrainError::read(&path, source),
        })?;
        let config = TrainConfig::parse(&path.display().to_string(), &text, &[])?;
        let mut run = Run::empty(folder, &config);
        let last = run.last();
        let checkpoint = if last.exists() { Some(Checkpoint::read(&last)?) } else { None };
        run.saved = checkpoint.as_ref().map(|checkpoint| checkpoint.description.step);
        let step = run.saved.unwrap_or(0);
        run.rows = metrics::read(&run.metrics())?;
        run.rows.retain(|row| row.step <= step);
        run.groups = metrics::read_groups(&run.group_metrics())?;
        run.groups.retain(|row| row.step <= step);
        remove_unfinished(folder).map_err(|source| TrainError::read(folder, source))?;
        Ok((run, config, checkpoint))
    }

    fn empty(folder: &Path, config: &TrainConfig) -> Run {
        Run {
            folder: folder.to_owned(),
            metric: config.metric(),
            rows: Vec::new(),
            groups: Vec::new(),
            saved: None,
        }
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

    /// The folder of earlier states.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Saves the state to go on from as `last.safetensors`. Of those before it the latest are kept as
    /// `checkpoints/step-NUMBER.safetensors`, so that there are `keep` in all; a copy of one over `last.safetensors` makes the run
    /// go on from there.
    ///
    /// # Errors
    /// When a file cannot be written; what was there before stays.
    pub fn save(&mut self, checkpoint: &Checkpoint, keep: usize) -> Result<()> {
        let step = checkpoint.description.step;
        if let Some(before) = self.saved.filter(|before| keep > 1 && *before != step) {
            self.set_aside(before)?;
        }
        checkpoint.write(&self.last())?;
        self.saved = Some(step);
        let mut kept = self.set_aside_steps()?;
        kept.retain(|(earlier, _)| *earlier < step);
        let surplus = kept.len().saturating_sub(keep.saturating_sub(1));
        for (_, path) in &kept[..surplus] {
            let remove = std::fs::remove_file(path);
            remove.map_err(|source| TrainError::io("remove", path, source))?;
        }
        Ok(())
    }

    /// Keeps `last.safetensors`, the state after `step`, under a name of its own.
    fn set_aside(&self, step: u64) -> Result<()> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder).map_err(|source| TrainError::io("create", &folder, source))?;
        let path = folder.join(format!("{STEP}{step:08}{SAFETENSORS}"));
        // A second name costs nothing; the file that comes over the first one is another.
        match std::fs::hard_link(self.last(), &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(_) => {
                let bytes =
                    std::fs::read(self.last()).map_err(|error| TrainError::read(&self.last(), error))?;
                write_atomically(&path, &bytes)
            }
            Ok(()) => Ok(()),
        }
    }

    /// The earlier states that were kept, by their steps.
    fn set_aside_steps(&self) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.checkpoints();
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| TrainError::read(&folder, source))?,
        };
        let mut steps = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| TrainError::read(&folder, source))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let step = name.strip_prefix(STEP).and_then(|name| name.strip_suffix(SAFETENSORS));
            steps.extend(step.and_then(|step| step.parse().ok()).map(|step| (step, path.clone())));
        }
        steps.sort();
        Ok(steps)
    }

    /// The network with the best accuracy, or mIoU, on the test images.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The network with the averaged weights that did best on the test images.
    pub fn best_ema(&self) -> PathBuf {
        self.folder.join("best-ema.safetensors")
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

    /// Keeps an evaluation: the network, and that of averaged weights, where they are the best so far, the rows of the tables,
    /// the curves drawn anew.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&mut self, report: &EvaluationReport<'_>) -> Result<()> {
        for (best, path) in [(report.best, self.best()), (report.best_ema, self.best_ema())] {
            best.map_or(Ok(()), |best| best.write(&path))?;
        }
        let row = report.row;
        self.rows.push(row);
        let (epoch, step) = (row.epoch, row.step);
        self.groups.extend(report.evaluation.groups.iter().map(|group| GroupRow {
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
