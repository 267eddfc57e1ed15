//! Progress of a run: a bar on a terminal, plain lines elsewhere, or the dashboard of `--tui`.

use crate::output::note;
use crate::pace::{Pace, detail, duration};
use crate::values;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pelk_report::table::significant;
use pelk_train::{MetricsRow, StepReport};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What shows the progress of training.
pub trait Display {
    /// A step was taken.
    fn step(&mut self, report: &StepReport);

    /// An evaluation has processed `done` of `all` images.
    fn evaluation(&self, done: usize, all: usize);

    /// An evaluation is done; [`line`](Display::line) shows its result in words.
    fn evaluated(&self, row: &MetricsRow);

    /// Shows a line that stays.
    fn line(&self, text: &str);

    /// Removes what changes; lines stay.
    fn finish(&mut self);
}

/// The progress of training as a bar, or as lines without a terminal.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    last_line: Instant,
    last_step: u64,
    pace: Pace,
}

impl Progress {
    /// Shows the steps from `first_step` (done already) to `last_step`.
    pub fn new(first_step: u64, last_step: u64) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(last_step), target);
        let template = "{bar:30} {pos}/{len} steps  {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_position(first_step);
        let pace = Pace::new(first_step, last_step);
        Progress { bar, terminal, last_line: Instant::now(), last_step, pace }
    }
}

impl Display for Progress {
    fn step(&mut self, report: &StepReport) {
        self.pace.add(report);
        let Pace { loss, images_per_second, seconds_left, .. } = self.pace;
        let details = self.pace.details.iter().map(|&(name, value)| detail(name, value).join(" ") + "  ");
        let line = format!(
            "epoch {}  loss {}  {}{} images/s  {} left",
            report.epoch,
            values::loss(loss, 3),
            details.collect::<String>(),
            significant(images_per_second),
            duration(seconds_left),
        );
        if self.terminal {
            self.bar.set_position(report.step);
            self.bar.set_message(line);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note!("step {}/{}  {line}", report.step, self.last_step);
        }
    }

    fn evaluation(&self, done: usize, all: usize) {
        self.bar.set_message(format!("evaluating {done}/{all}"));
    }

    // `line` has already printed one.
    fn evaluated(&self, _: &MetricsRow) {}

    fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            note!("{text}");
        }
    }

    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The progress of an evaluation as a bar; nothing without a terminal.
pub struct Evaluating(ProgressBar);

impl Evaluating {
    /// An evaluation of `images` images.
    pub fn new(images: usize) -> Evaluating {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(images as u64), target);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Evaluating(bar)
    }

    /// `done` images have been processed.
    pub fn show(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
