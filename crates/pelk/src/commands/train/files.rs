//! Writes and shows the results of training.

use crate::progress::Display;
use anyhow::{Context, Result};
use pelk_report::table::significant;
use pelk_train::{Checkpoint, EvaluationReport, EventLog, Metric, Observer, Run, StepReport};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Writes the results of training into the run's folder and shows progress.
pub struct Files<'a> {
    pub run: &'a mut Run,
    pub metric: Metric,
    /// Number of checkpoints to keep.
    pub keep: usize,
    pub progress: Box<dyn Display>,
    pub stop: Arc<AtomicBool>,
    pub step_log: Option<StepLog>,
    pub events: EventLog,
    pub waited: Waited,
}

/// The time that steps took, and the part spent waiting for images.
#[derive(Default)]
pub struct Waited {
    all: Duration,
    waited: Duration,
}

impl Waited {
    fn add(&mut self, report: &StepReport) {
        self.all += report.time;
        self.waited += report.waited;
    }

    /// The share of time spent waiting.
    pub fn share(&self) -> f64 {
        self.waited.as_secs_f64() / self.all.as_secs_f64().max(1e-9)
    }
}

/// A file with one line per step.
pub struct StepLog {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether it has no heading yet, which depends on what steps measure.
    empty: bool,
    /// The first write error: reported at the end, since a log is no reason to stop.
    failure: Option<std::io::Error>,
}

impl StepLog {
    /// A new file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> Result<StepLog> {
        let create = || Ok::<_, std::io::Error>(BufWriter::new(File::create(path)?));
        let file = create().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(StepLog { path: path.to_owned(), file, empty: true, failure: None })
    }

    fn add(&mut self, report: &StepReport) {
        let StepReport { step, loss, gradient_norm, detail, learning_rate, time, waited, .. } = report;
        let (seconds, waited) = (time.as_secs_f64(), waited.as_secs_f64());
        let (names, details): (String, String) =
            detail.named().iter().map(|(name, value)| (format!("{name},"), format!("{value},"))).unzip();
        let mut text = String::new();
        if std::mem::take(&mut self.empty) {
            text += &format!("step,loss,gradient_norm,{names}learning_rate,seconds,waited\n");
        }
        text += &format!("{step},{loss},{gradient_norm},{details}{learning_rate},{seconds:.6},{waited:.6}\n");
        let written = self.file.write_all(text.as_bytes());
        self.failure = self.failure.take().or(written.err());
    }

    /// Closes the file and reports the first failure, if any.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn close(mut self) -> Result<()> {
        let flushed = self.file.flush();
        self.failure
            .take()
            .map_or(flushed, Err)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Observer for Files<'_> {
    fn on_step(&mut self, report: &StepReport) -> bool {
        self.progress.step(report);
        self.waited.add(report);
        self.events.step(report);
        if let Some(log) = &mut self.step_log {
            log.add(report);
        }
        if report.skipped {
            let step = report.step;
            self.progress.line(&format!(
                "step {step:>6}: a gradient overflowed its 16 bits; lowering the scale of the loss"
            ));
        }
        !self.stop.load(Ordering::Relaxed)
    }

    fn on_evaluation_batch(&mut self, done: usize, all: usize) {
        self.progress.evaluation(done, all);
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> pelk_train::Result<()> {
        self.run.save(checkpoint, self.keep)
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> pelk_train::Result<()> {
        self.run.add(report)?;
        self.events.evaluation(report);
        let row = &report.row;
        self.progress.evaluated(row);
        let ema = row.ema.map(|scores| format!(" (EMA {:.2} %)", 100.0 * self.metric.of(&scores)));
        let loss = row.test.loss().map_or(String::new(), |loss| format!("test loss {loss:.4}, "));
        self.progress.line(&format!(
            "epoch {:>3}, step {:>6}: train loss {:.4}, {loss}test {} {:.2} %{}, {} images/s",
            row.epoch,
            row.step,
            row.train_loss,
            self.metric.name(),
            100.0 * self.metric.of(&row.test),
            ema.unwrap_or_default(),
            significant(row.images_per_second),
        ));
        if !report.evaluation.groups().is_empty() {
            let groups = report.evaluation.groups().iter();
            let parts: Vec<_> =
                groups.map(|group| format!("{} {:.2} %", group.name, 100.0 * group.score())).collect();
            self.progress.line(&format!("           by group: {}", parts.join(", ")));
        }
        Ok(())
    }
}
