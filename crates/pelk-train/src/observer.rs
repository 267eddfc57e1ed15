//! What the training loop tells whoever runs it.

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::metrics::MetricsRow;
use std::time::Duration;

/// When a run pauses or saves; none of it changes results.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Stop after this step, with the schedule as it is.
    pub max_steps: Option<u64>,
    /// Save every so many steps, beside each evaluation.
    pub checkpoint_every: Option<u64>,
    /// Threads that read images, and augment those of training; one where it is not given.
    pub loaders: Option<usize>,
}

/// A step, as it is reported.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Steps taken, this one included.
    pub step: u64,
    /// Steps of the whole schedule.
    pub total_steps: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// Loss of this step.
    pub loss: f64,
    /// Norm of the gradients before clipping; not finite where they overflowed, which only 16-bit floats may.
    pub gradient_norm: f64,
    /// Whether the gradients overflowed, so that the step changed no parameter; the next one scales the loss less.
    pub skipped: bool,
    /// Share of the labels of the step's training images that were classified right, augmented and in training mode.
    pub accuracy: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Images in a step.
    pub images: usize,
    /// How long it took.
    pub time: Duration,
    /// How much of that it waited for images.
    pub waited: Duration,
}

/// An evaluation, as it is reported.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationReport<'a> {
    /// Its row in the table of metrics.
    pub row: MetricsRow,
    /// What was measured of the network.
    pub evaluation: &'a Evaluation,
    /// What was measured of the average of its weights, where one is kept.
    pub ema: Option<&'a Evaluation>,
    /// The network alone, where it is the best so far.
    pub best: Option<&'a Checkpoint>,
    /// The network with the averaged weights, where it is the best of these so far.
    pub best_ema: Option<&'a Checkpoint>,
}

/// What happens to the results of training: files, a progress bar, a test's records. What an observer does not ask for is dropped.
pub trait Observer {
    /// A step was taken. Returns whether to go on; if not, a checkpoint is made and the run ends.
    fn on_step(&mut self, report: &StepReport) -> bool;
    /// Progress of an evaluation: images done of all.
    fn on_evaluation_batch(&mut self, _done: usize, _all: usize) {}
    /// The state that training can go on from.
    ///
    /// # Errors
    /// When it cannot be saved.
    fn on_checkpoint(&mut self, _checkpoint: &Checkpoint) -> Result<()> {
        Ok(())
    }
    /// The network was evaluated.
    ///
    /// # Errors
    /// When it cannot be saved.
    fn on_evaluation(&mut self, _report: &EvaluationReport<'_>) -> Result<()> {
        Ok(())
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule is done.
    Finished,
    /// `max_steps` was reached.
    Limited,
    /// The observer asked for it.
    Stopped,
}
