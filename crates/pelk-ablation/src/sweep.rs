//! Trains the runs of a plan, several at a time, each into a normal run folder.

use crate::error::{AblationError, Result};
use crate::plan::PlannedRun;
use pelk_autodiff::Backend;
use pelk_train::{
    Checkpoint, DataConfig, Datasets, EvaluationReport, Limits, Observer, Outcome, Run, StepReport, Trainer,
    TrainingState,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Progress callbacks of a sweep; called from the threads of several runs.
pub trait Watcher: Sync {
    /// A run starts, or resumes after `steps_done` steps.
    fn on_start(&self, run: &PlannedRun, steps_done: u64);
    /// A run has completed one step.
    fn on_step(&self, run: &PlannedRun);
    /// A run has finished with this value of its metric; `None` where nothing was counted.
    fn on_end(&self, run: &PlannedRun, value: Option<f64>);
}

/// How runs are trained. Does not change results.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    /// Number of runs at a time.
    pub jobs: usize,
    /// Threads per run.
    pub threads: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// Opens the images of a run; runs with the same data share them.
pub type OpenDatasets<'a> = &'a (dyn Fn(&DataConfig) -> pelk_train::Result<Datasets> + Sync);

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All runs are finished.
    Finished,
    /// Stopped on request; all runs have saved their state.
    Stopped,
}

/// Trains `runs` into `folder` on `backend`. Finished runs are skipped, others resume from their checkpoints.
/// If a run fails, the others save their state and the sweep ends.
///
/// # Errors
/// When a run fails, or its folder holds another run.
pub fn train<B: Backend>(
    backend: &B,
    runs: &[PlannedRun],
    folder: &Path,
    workers: &Workers,
    open: OpenDatasets<'_>,
    stop: &AtomicBool,
    watcher: &impl Watcher,
) -> Result<Ending> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<AblationError>> = Mutex::new(None);
    let failed = AtomicBool::new(false);
    let data = SharedData { open, read: Mutex::default() };
    let sweep = Sweep { folder, workers, data: &data };
    let work = || -> Result<()> {
        // Each job has its own threads, so that no run waits for another.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers.threads).build()?;
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let stopping = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
            let Some(run) = runs.get(i).filter(|_| !stopping()) else { return Ok(()) };
            pool.install(|| train_one(backend.clone(), run, sweep, &stopping, watcher)).map_err(|error| {
                match error {
                    AblationError::Train(source) => AblationError::Run { run: run.describe(), source },
                    other => other,
                }
            })?;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.jobs.min(runs.len()) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    failed.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None if stop.load(Ordering::Relaxed) => Ok(Ending::Stopped),
        None => Ok(Ending::Finished),
    }
}

/// What all runs of a sweep share.
#[derive(Clone, Copy)]
struct Sweep<'a> {
    folder: &'a Path,
    workers: &'a Workers,
    data: &'a SharedData<'a>,
}

fn train_one<B: Backend>(
    backend: B,
    run: &PlannedRun,
    sweep: Sweep<'_>,
    stopping: &(impl Fn() -> bool + Sync),
    watcher: &impl Watcher,
) -> Result<()> {
    let folder = sweep.folder.join(run.folder());
    let (mut files, checkpoint) = match Run::exists(&folder) {
        false => (None, None),
        true => {
            let (files, config, checkpoint) = Run::open(&folder)?;
            if !config.is_same_run(&run.config) {
                return Err(AblationError::RunFolder {
                    folder,
                    reason: "holds a run of another configuration",
                });
            }
            (Some(files), checkpoint)
        }
    };
    let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.description.step);
    watcher.on_start(run, done);
    let is_due = |state: &TrainingState| state.evaluation_due;
    let due = checkpoint
        .as_ref()
        .and_then(|checkpoint| checkpoint.description.training.as_ref())
        .is_some_and(is_due);
    if done < run.steps || due {
        let mut trainer = Trainer::new(backend, run.config.clone(), sweep.data.of(run)?)?;
        match (checkpoint, &files) {
            (Some(checkpoint), Some(files)) => trainer.restore(checkpoint, &files.last())?,
            _ => _ = trainer.warm_start()?,
        }
        trainer.prepare(Limits::default())?;
        if stopping() {
            return Ok(());
        }
        // Only now, so that a run that cannot start leaves no folder.
        let mut kept = match files.take() {
            Some(files) => files,
            None => Run::create(&folder, &run.config)?,
        };
        let mut observer = Files { run, files: &mut kept, stopping, watcher };
        let limits = Limits { checkpoint_every: Some(sweep.workers.checkpoint_every), ..Limits::default() };
        match trainer.run(limits, &mut observer) {
            Ok(Outcome::Finished) => files = Some(kept),
            Ok(_) => return Ok(()),
            Err(error) => {
                // The error of the run is the one to report.
                let _ = kept.remove_if_empty();
                return Err(error.into());
            }
        }
    }
    let metric = run.config.metric();
    let value = files.iter().flat_map(|files| files.rows().last()).map(|row| metric.of(&row.test)).next();
    let missing = || AblationError::RunFolder { folder, reason: "holds a finished run without evaluations" };
    watcher.on_end(run, value.ok_or_else(missing)?);
    Ok(())
}

/// Datasets that runs share while at least one uses them.
struct SharedData<'a> {
    open: OpenDatasets<'a>,
    read: Mutex<HashMap<String, Datasets>>,
}

impl SharedData<'_> {
    fn of(&self, run: &PlannedRun) -> Result<Datasets> {
        let config = &run.config.data;
        let key = format!("{} {:?} {:?}", config.dataset, config.canvases, config.scenes);
        // Held while reading, so that two runs do not read the same files.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(datasets) = read.get(&key) {
            return Ok(datasets.clone());
        }
        let datasets = (self.open)(config)?;
        read.insert(key, datasets.clone());
        Ok(datasets)
    }
}

/// Writes a run's files to its folder.
struct Files<'a, S, W> {
    run: &'a PlannedRun,
    files: &'a mut Run,
    stopping: &'a S,
    watcher: &'a W,
}

impl<S: Fn() -> bool, W: Watcher> Observer for Files<'_, S, W> {
    fn on_step(&mut self, _: &StepReport) -> bool {
        self.watcher.on_step(self.run);
        !(self.stopping)()
    }

    fn on_evaluation_batch(&mut self, _: usize, _: usize) -> bool {
        !(self.stopping)()
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> pelk_train::Result<()> {
        self.files.save(checkpoint, 1)
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> pelk_train::Result<()> {
        self.files.add(report)
    }
}
