//! Training the runs of a plan, several at once; each is a normal run's folder.

use super::plan::PlannedRun;
use crate::datasets;
use crate::device::{Choice, on_device};
use anyhow::{Context, Result, anyhow, ensure};
use pelk_autodiff::Backend;
use pelk_train::{
    Checkpoint, Datasets, EvaluationReport, Limits, Observer, Outcome, Run, StepReport, Trainer,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a sweep reports while it works; called from the threads of several runs.
pub trait Watcher: Sync {
    /// A run begins, or goes on, after so many steps.
    fn on_start(&self, run: &PlannedRun, steps_done: u64);
    /// A run has taken one step.
    fn on_step(&self, run: &PlannedRun);
    /// A run is done, with this value of its metric.
    fn on_end(&self, run: &PlannedRun, value: f64);
}

/// How runs are trained. None of it changes results, but for the rounding of the device.
#[derive(Debug, Clone)]
pub struct Workers {
    /// Runs at once.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
    /// What they compute on; all share one.
    pub device: Choice,
    /// Folder of the dataset's files, instead of the workspace's.
    pub data: Option<PathBuf>,
    /// Steps between the checkpoints of a run.
    pub checkpoint_every: u64,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All runs are done.
    Finished,
    /// Asked to stop; all runs have saved.
    Stopped,
}

/// Trains all `runs` into `folder`; runs that are done stay as they are, others go on from their checkpoints. A failed run
/// ends the sweep; the others save first.
///
/// # Errors
/// When a run fails, or its folder holds another one.
pub fn train(
    runs: &[PlannedRun],
    folder: &Path,
    workers: &Workers,
    stop: &AtomicBool,
    watcher: &impl Watcher,
) -> Result<Ending> {
    let device = workers.device.open()?;
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let failed = AtomicBool::new(false);
    let data = SharedData { folder: workers.data.clone(), read: Mutex::default() };
    let work = || -> Result<()> {
        // The threads of this job; runs of other jobs have their own, so that none waits for another.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers.threads).build()?;
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let stopping = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
            let Some(run) = runs.get(i).filter(|_| !stopping()) else { return Ok(()) };
            let place = Place { sweep: folder, workers, data: &data };
            pool.install(
                || on_device!(device.clone(), backend => train_one(backend, run, place, &stopping, watcher)),
            )
            .with_context(|| format!("the run failed: {}", run.describe()))?;
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

/// What the runs of a sweep have in common.
#[derive(Clone, Copy)]
struct Place<'a> {
    sweep: &'a Path,
    workers: &'a Workers,
    data: &'a SharedData,
}

fn train_one<B: Backend>(
    backend: B,
    run: &PlannedRun,
    Place { sweep, workers, data }: Place<'_>,
    stopping: &(impl Fn() -> bool + Sync),
    watcher: &impl Watcher,
) -> Result<()> {
    let folder = sweep.join(run.folder());
    let (mut files, checkpoint) = match Run::exists(&folder) {
        false => (Run::create(&folder, &run.config)?, None),
        true => {
            let (files, config, checkpoint) = Run::open(&folder)?;
            let place = folder.display();
            ensure!(config == run.config, "{place} holds a run of another configuration: move it away");
            (files, checkpoint)
        }
    };
    let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.description.step);
    watcher.on_start(run, done);
    if done < run.steps {
        let mut trainer = Trainer::new(backend, run.config.clone(), data.of(run)?)?;
        match checkpoint {
            Some(checkpoint) => trainer.restore(checkpoint, &files.last())?,
            None => _ = trainer.warm_start()?,
        }
        let mut observer = Files { run, files: &mut files, stopping, watcher };
        let limits = Limits { checkpoint_every: Some(workers.checkpoint_every), ..Limits::default() };
        if trainer.run(limits, &mut observer)? != Outcome::Finished {
            return Ok(());
        }
    }
    let metric = run.config.metric();
    let value = files.rows().last().map(|row| metric.of(&row.test));
    let missing = || anyhow!("{} has no rows: remove the folder and resume", files.metrics().display());
    watcher.on_end(run, value.ok_or_else(missing)?);
    Ok(())
}

/// Datasets that runs share while any of them uses them.
struct SharedData {
    folder: Option<PathBuf>,
    read: Mutex<HashMap<String, Datasets>>,
}

impl SharedData {
    fn of(&self, run: &PlannedRun) -> Result<Datasets> {
        let config = &run.config.data;
        let key = format!("{} {:?} {:?}", config.dataset, config.canvases, config.scenes);
        // Held while reading, so that two runs do not read the same files.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(datasets) = read.get(&key) {
            return Ok(datasets.clone());
        }
        let datasets = datasets::open_both(config, self.folder.as_deref())?;
        read.insert(key, datasets.clone());
        Ok(datasets)
    }
}

/// Writes what training makes into the run's folder.
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

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> pelk_train::Result<()> {
        self.files.save(checkpoint, 1)
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> pelk_train::Result<()> {
        self.files.add(report)
    }
}
