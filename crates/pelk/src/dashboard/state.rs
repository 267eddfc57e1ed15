//! The state that a dashboard shows.

use super::curve::Curve;
use crate::pace::Pace;
use pelk_train::{Metric, MetricsRow, StepReport};
use std::collections::VecDeque;
use std::time::Instant;

/// Most lines to keep, since a run may last for days.
const MOST_LINES: usize = 500;
/// Minimum number of seconds over which speed is measured.
const SPEED_EVERY: f64 = 1.0;

/// Information known before the first step.
#[derive(Debug, Clone)]
pub struct Headline {
    /// The network and the dataset.
    pub title: String,
    /// The run's folder and the device.
    pub place: String,
    /// The metric that ranks evaluations.
    pub metric: Metric,
    /// Steps already taken, and the last step.
    pub steps: (u64, u64),
}

/// The state that a dashboard shows.
pub struct State {
    pub headline: Headline,
    pub step: u64,
    pub epoch: u64,
    pub learning_rate: f64,
    pub pace: Pace,
    /// By step: the training loss as a running mean, the accuracy likewise, if steps measure it, the learning rate, images/s.
    pub loss: Curve,
    pub accuracy: Curve,
    pub rate: Curve,
    pub speed: Curve,
    /// Evaluations, including those before a resume.
    pub rows: Vec<MetricsRow>,
    /// Images processed and in total, during an evaluation.
    pub evaluating: Option<(usize, usize)>,
    /// Whether the run ends after this step.
    pub stopping: bool,
    /// Step and time of the last point of `speed`.
    since: (u64, Instant),
    lines: VecDeque<String>,
}

impl State {
    pub fn new(headline: Headline, rows: &[MetricsRow]) -> State {
        let (first, last) = headline.steps;
        State {
            headline,
            step: first,
            epoch: 0,
            learning_rate: f64::NAN,
            pace: Pace::new(first, last),
            loss: Curve::new(),
            accuracy: Curve::new(),
            rate: Curve::new(),
            speed: Curve::new(),
            rows: rows.to_vec(),
            evaluating: None,
            stopping: false,
            since: (first, Instant::now()),
            lines: VecDeque::new(),
        }
    }

    pub fn step(&mut self, report: &StepReport) {
        (self.step, self.epoch, self.learning_rate) = (report.step, report.epoch, report.learning_rate);
        self.pace.add(report);
        if let Some(loss) = self.pace.loss {
            self.loss.add(report.step, loss);
        }
        if let Some((_, Some(accuracy))) = self.pace.details.iter().find(|(name, _)| *name == "accuracy") {
            self.accuracy.add(report.step, *accuracy);
        }
        self.rate.add(report.step, report.learning_rate);
        let (first, start) = self.since;
        let seconds = start.elapsed().as_secs_f64();
        if seconds >= SPEED_EVERY {
            self.speed.add(report.step, ((report.step - first) as usize * report.images) as f64 / seconds);
            self.since = (report.step, Instant::now());
        }
    }

    pub fn evaluated(&mut self, row: &MetricsRow) {
        self.rows.push(*row);
        self.evaluating = None;
        // The evaluation's time does not count as training.
        self.since = (self.step, Instant::now());
    }

    pub fn line(&mut self, text: &str) {
        self.lines.extend(text.lines().map(str::to_owned));
        let excess = self.lines.len().saturating_sub(MOST_LINES);
        self.lines.drain(..excess);
    }

    /// The lines so far, the latest last.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(String::as_str)
    }

    /// The best evaluation by the run's metric.
    pub fn best(&self) -> Option<&MetricsRow> {
        let rated = self.rows.iter().filter_map(|row| Some((row, self.headline.metric.of(&row.test)?)));
        rated.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
    }
}
