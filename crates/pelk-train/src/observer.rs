//! The reports of the training loop, and the limits it is given.

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::metrics::MetricsRow;
use std::time::Duration;

/// When training stops and saves, and how it loads images; none of it changes results.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Last step to take; the schedule is still that of the whole run.
    pub max_steps: Option<u64>,
    /// Steps between checkpoints, besides those after each evaluation.
    pub checkpoint_every: Option<u64>,
    /// Number of threads that load images; 1 by default.
    pub loaders: Option<usize>,
}

/// A report of one step.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Steps taken, including this one.
    pub step: u64,
    /// Steps of the whole schedule.
    pub total_steps: u64,
    /// Epoch, from 1.
    pub epoch: u64,
    /// Loss of this step, the mean over its labels; `None` if none counts, and then it changed no parameter.
    pub loss: Option<f64>,
    /// Norm of the gradients before clipping, 0 without any; not finite if they overflowed, which can happen
    /// only with 16-bit floats.
    pub gradient_norm: f64,
    /// Whether the gradients overflowed: then the step changed no parameter, and the next one scales the loss
    /// less.
    pub skipped: bool,
    /// What was measured besides the loss.
    pub detail: StepDetail,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Images per step.
    pub images: usize,
    /// Time that the step took.
    pub time: Duration,
    /// Time of that spent waiting for images.
    pub waited: Duration,
}

/// What a step measured besides its loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepDetail {
    /// Share of the labels of the step's augmented images that were classified correctly, in training mode;
    /// `None` if none counts.
    Accuracy(Option<f64>),
    /// The parts of a detector's loss.
    Losses(LossParts),
}

/// The parts of a detector's loss; they add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossParts {
    /// Which anchors hold an object.
    pub proposals: f64,
    /// The boxes of the proposals.
    pub proposal_boxes: f64,
    /// The classes of all stages.
    pub classes: f64,
    /// The boxes of all stages.
    pub boxes: f64,
    /// The masks of all stages.
    pub masks: f64,
}

impl StepDetail {
    /// The values with their names in tables.
    pub fn named(self) -> Vec<(&'static str, Option<f64>)> {
        match self {
            StepDetail::Accuracy(accuracy) => vec![("accuracy", accuracy)],
            StepDetail::Losses(LossParts { proposals, proposal_boxes, classes, boxes, masks }) => vec![
                ("loss_proposals", Some(proposals)),
                ("loss_proposal_boxes", Some(proposal_boxes)),
                ("loss_classes", Some(classes)),
                ("loss_boxes", Some(boxes)),
                ("loss_masks", Some(masks)),
            ],
        }
    }
}

/// A report of one evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationReport<'a> {
    /// Row for the table of metrics.
    pub row: MetricsRow,
    /// Results of the network.
    pub evaluation: &'a Evaluation,
    /// Results of its averaged weights, if weights are averaged.
    pub ema: Option<&'a Evaluation>,
    /// The network without training state, if it is the best so far.
    pub best: Option<&'a Checkpoint>,
    /// The network with averaged weights, if it is the best of these so far.
    pub best_ema: Option<&'a Checkpoint>,
}

/// Receives the results of training and decides what happens to them: files, a progress bar, a test's
/// records.
pub trait Observer {
    /// Called after each step. Returns whether to continue; if not, training makes a checkpoint and stops.
    fn on_step(&mut self, report: &StepReport) -> bool;
    /// Called after each batch of an evaluation, with the numbers of processed and of all images. Returns
    /// whether to continue; if not, training makes a checkpoint and stops, and evaluates when it resumes.
    fn on_evaluation_batch(&mut self, _done: usize, _all: usize) -> bool {
        true
    }
    /// Called with a state from which training can resume.
    ///
    /// # Errors
    /// When it cannot be saved; ends training.
    fn on_checkpoint(&mut self, _checkpoint: &Checkpoint) -> Result<()> {
        Ok(())
    }
    /// Called after each evaluation.
    ///
    /// # Errors
    /// When its results cannot be saved; ends training.
    fn on_evaluation(&mut self, _report: &EvaluationReport<'_>) -> Result<()> {
        Ok(())
    }
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule is complete.
    Finished,
    /// [`Limits::max_steps`] was reached.
    Limited,
    /// The observer stopped it.
    Stopped,
}
