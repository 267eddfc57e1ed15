//! Writes and shows the results of training.

use super::step_log::StepLog;
use crate::progress::Display;
use crate::values::{loss, percent};
use pelk_report::table::significant;
use pelk_train::{Checkpoint, EvaluationReport, EventLog, Metric, Observer, Run, Scores, StepReport};
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

    fn on_evaluation_batch(&mut self, done: usize, all: usize) -> bool {
        self.progress.evaluation(done, all);
        !self.stop.load(Ordering::Relaxed)
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> pelk_train::Result<()> {
        if let Some(log) = &mut self.step_log {
            log.flush();
        }
        self.run.save(checkpoint, self.keep)
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> pelk_train::Result<()> {
        self.run.add(report)?;
        self.events.evaluation(report);
        let row = &report.row;
        self.progress.evaluated(row);
        let ema = row.ema.map(|scores| format!(" (EMA {})", percent(self.metric.of(&scores))));
        let test = match row.test {
            Scores::Labels(scores) => format!("test loss {}, ", loss(scores.loss, 4)),
            Scores::Objects(_) => String::new(),
        };
        self.progress.line(&format!(
            "epoch {:>3}, step {:>6}: train loss {}, {test}test {} {}{}, {} images/s",
            row.epoch,
            row.step,
            loss(row.train_loss, 4),
            self.metric.name(),
            percent(self.metric.of(&row.test)),
            ema.unwrap_or_default(),
            significant(row.images_per_second),
        ));
        if !report.evaluation.groups().is_empty() {
            let groups = report.evaluation.groups().iter();
            let parts: Vec<_> =
                groups.map(|group| format!("{} {}", group.name, percent(group.score()))).collect();
            self.progress.line(&format!("           by group: {}", parts.join(", ")));
        }
        Ok(())
    }
}
