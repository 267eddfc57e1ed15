//! The folder of a run.
//!
//! | file | content |
//! | --- | --- |
//! | `config.toml` | the configuration, with every value written out |
//! | `metrics.csv` | one row per evaluation |
//! | `groups.csv` | one row per evaluation and group of labels or objects, if the dataset has groups |
//! | `curves.svg` | loss and metric over the run, drawn by the feature `curves` |
//! | `last.safetensors` | the checkpoint to resume from |
//! | `best.safetensors` | the network with the best accuracy, or mIoU, on the test images |
//! | `best-ema.safetensors` | the same for averaged weights |
//! | `checkpoints` | earlier checkpoints, if they are kept |
//!
//! While a run is written, `.lock` shows who its owner is, see [`FolderLock`]. Each file is replaced as a
//! whole. Event files for TensorBoard are in the same folder and grow, see
//! [`tensorboard`](crate::tensorboard).

use crate::atomic::{remove_unfinished, write_atomically};
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
#[cfg(feature = "curves")]
use crate::curves;
use crate::error::{Result, TrainError};
use crate::lock::FolderLock;
use crate::metrics::{self, GroupRow, MetricsRow};
use crate::observer::EvaluationReport;
use crate::tensorboard;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.toml";
/// Parts of the names of earlier checkpoints, before and after the step.
const STEP: &str = "step-";
const SAFETENSORS: &str = ".safetensors";

/// The folder of a run, with its tables of metrics. It belongs to this value alone until that is dropped.
pub struct Run {
    folder: PathBuf,
    #[cfg(feature = "curves")]
    settings: TrainConfig,
    rows: Vec<MetricsRow>,
    groups: Vec<GroupRow>,
    /// The step of `last.safetensors`.
    saved: Option<u64>,
    /// What existed before the run, if this process created it.
    before: Option<Before>,
    lock: FolderLock,
}

/// The state of the disk before a run.
struct Before {
    /// Folders that did not exist, the innermost first.
    missing: Vec<PathBuf>,
    /// Names of the files in the run's folder.
    files: Vec<OsString>,
}

impl Run {
    /// Creates the folder of a new run and writes its configuration.
    ///
    /// # Errors
    /// When the folder already holds a run, is in use, or cannot be written.
    pub fn create(folder: &Path, config: &TrainConfig) -> Result<Run> {
        let exists = || TrainError::RunExists { folder: folder.to_owned() };
        if Run::exists(folder) {
            return Err(exists());
        }
        let refuse = |source| TrainError::RunFolder { folder: folder.to_owned(), source };
        let missing = folder.ancestors().take_while(|path| is_missing(path)).map(Path::to_owned).collect();
        std::fs::create_dir_all(folder).map_err(refuse)?;
        let entries = std::fs::read_dir(folder).map_err(refuse)?;
        let files = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>().map_err(refuse)?;
        let lock = FolderLock::take(folder)?;
        // Another process may have created a run since, and even finished it.
        if Run::exists(folder) {
            return Err(exists());
        }
        let run = Run { before: Some(Before { missing, files }), ..Run::empty(folder, config, lock) };
        match write_atomically(&run.config(), config.to_toml()?.as_bytes()) {
            Ok(()) => Ok(run),
            Err(error) => {
                // The error of the write is the one to report.
                let _ = run.remove_if_empty();
                Err(error)
            }
        }
    }

    /// Removes a new run that has saved neither a checkpoint nor an evaluation: its configuration, its event
    /// files, and the folders that [`Run::create`] made, unless they have other files. Does nothing for any
    /// other run.
    ///
    /// # Errors
    /// When a file or folder cannot be removed.
    pub fn remove_if_empty(self) -> Result<()> {
        let Run { folder, before, saved, rows, lock, .. } = self;
        let Some(Before { missing, files }) = before else { return Ok(()) };
        if saved.is_some() || !rows.is_empty() {
            return Ok(());
        }
        let refuse = |source| TrainError::read(&folder, source);
        for entry in std::fs::read_dir(&folder).map_err(refuse)? {
            let name = entry.map_err(refuse)?.file_name();
            let is_event_file = name.to_string_lossy().starts_with(tensorboard::PREFIX);
            if !files.contains(&name) && (is_event_file || name == CONFIG) {
                let path = folder.join(name);
                std::fs::remove_file(&path).map_err(|source| TrainError::io("remove", &path, source))?;
            }
        }
        // The lock goes last: what is removed below is empty, or another run's by now.
        drop(lock);
        for folder in &missing {
            match std::fs::remove_dir(folder) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => break,
                removed => removed.map_err(|source| TrainError::io("remove", folder, source))?,
            }
        }
        Ok(())
    }

    /// Opens the folder of a run to resume it: its configuration, and its last checkpoint if it has one. Rows
    /// of metrics after the checkpoint are dropped, since their epochs run again.
    ///
    /// # Errors
    /// When the folder holds no run, is in use, or one of its files is damaged.
    pub fn open(folder: &Path) -> Result<(Run, TrainConfig, Option<Checkpoint>)> {
        let path = folder.join(CONFIG);
        let absent = |source: io::Error| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => TrainError::NoRun { folder: folder.to_owned() },
            _ => TrainError::read(&path, source),
        };
        // Before the lock, which would leave its file in a folder without a run.
        std::fs::metadata(&path).map_err(absent)?;
        let lock = FolderLock::take(folder)?;
        let text = std::fs::read_to_string(&path).map_err(absent)?;
        let config = TrainConfig::parse(&path.display().to_string(), &text, &[])?;
        let mut run = Run::empty(folder, &config, lock);
        let last = run.last();
        let checkpoint = if last.exists() { Some(Checkpoint::read(&last)?) } else { None };
        run.saved = checkpoint.as_ref().map(|checkpoint| checkpoint.description.step);
        let step = run.saved.unwrap_or(0);
        run.rows = metrics::read(&run.metrics())?;
        run.rows.retain(|row| row.step <= step);
        run.groups = metrics::read_groups(&run.group_metrics())?;
        run.groups.retain(|row| row.step <= step);
        for folder in [folder, &run.checkpoints()] {
            remove_unfinished(folder).map_err(|source| TrainError::read(folder, source))?;
        }
        Ok((run, config, checkpoint))
    }

    fn empty(folder: &Path, config: &TrainConfig, lock: FolderLock) -> Run {
        Run {
            folder: folder.to_owned(),
            #[cfg(feature = "curves")]
            settings: config.clone(),
            rows: Vec::new(),
            groups: Vec::new(),
            saved: None,
            before: None,
            lock,
        }
    }

    /// Whether a folder holds a run, or a checkpoint of one.
    pub fn exists(folder: &Path) -> bool {
        [CONFIG, "last.safetensors", "best.safetensors"].iter().any(|file| folder.join(file).exists())
    }

    /// Path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of the configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Replaces the configuration, such as by one with a longer schedule.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is unchanged.
    pub fn replace_config(&mut self, config: &TrainConfig) -> Result<()> {
        write_atomically(&self.config(), config.to_toml()?.as_bytes())?;
        #[cfg(feature = "curves")]
        self.settings.clone_from(config);
        Ok(())
    }

    /// Path of the checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// Path of the folder of earlier checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Saves a checkpoint to resume from as `last.safetensors`. Earlier checkpoints are kept as
    /// `checkpoints/step-NUMBER.safetensors`, at most `keep` checkpoints in all. To resume from an earlier
    /// one, copy it over `last.safetensors`.
    ///
    /// # Errors
    /// When a file cannot be written; existing files stay.
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

    /// Keeps `last.safetensors`, the checkpoint after `step`, under another name.
    fn set_aside(&self, step: u64) -> Result<()> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder).map_err(|source| TrainError::io("create", &folder, source))?;
        let path = folder.join(format!("{STEP}{step:08}{SAFETENSORS}"));
        // A second link costs nothing, and the next checkpoint replaces only the first one.
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

    /// Steps and paths of the earlier checkpoints, in order.
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

    /// Path of the network with the best accuracy, or mIoU, on the test images.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// Path of the network with the averaged weights that were best on the test images.
    pub fn best_ema(&self) -> PathBuf {
        self.folder.join("best-ema.safetensors")
    }

    /// Path of the table of evaluations.
    pub fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.csv")
    }

    /// Path of the table of evaluations by group.
    pub fn group_metrics(&self) -> PathBuf {
        self.folder.join("groups.csv")
    }

    /// Path of the plot of the evaluations, which the feature `curves` draws.
    pub fn curves(&self) -> PathBuf {
        self.folder.join("curves.svg")
    }

    /// The evaluations so far.
    pub fn rows(&self) -> &[MetricsRow] {
        &self.rows
    }

    /// The evaluations so far, by group.
    pub fn groups(&self) -> &[GroupRow] {
        &self.groups
    }

    /// Saves an evaluation: the network and the one with averaged weights if they are the best so far, the
    /// tables and, with the feature `curves`, the curves.
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
        self.groups.extend(report.evaluation.groups().iter().map(|group| GroupRow {
            epoch,
            step,
            group: group.clone(),
        }));
        if !self.groups.is_empty() {
            metrics::write_groups(&self.group_metrics(), &self.groups)?;
        }
        metrics::write(&self.metrics(), &self.rows)?;
        #[cfg(feature = "curves")]
        write_atomically(&self.curves(), curves::draw(&self.settings, &self.rows)?.as_bytes())?;
        Ok(())
    }
}

/// Whether nothing exists at a path; the current folder, an empty path, always exists.
fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && !path.exists()
}
