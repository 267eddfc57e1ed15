//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use crate::output::note;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pelk_train::StepReport;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Without a terminal, a line at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Shown values are running means over about this many steps.
const SMOOTHING: f64 = 50.0;

/// Shows how far training has come.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    start: Instant,
    last_line: Instant,
    first_step: u64,
    last_step: u64,
    loss: f64,
    accuracy: f64,
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
        let now = Instant::now();
        Progress {
            bar,
            terminal,
            start: now,
            last_line: now,
            first_step,
            last_step,
            loss: f64::NAN,
            accuracy: f64::NAN,
        }
    }

    /// A step was taken.
    pub fn step(&mut self, report: &StepReport) {
        let share = 1.0 / SMOOTHING.min((report.step - self.first_step) as f64).max(1.0);
        let blend = |old: f64, new: f64| if old.is_nan() { new } else { old + share * (new - old) };
        self.loss = blend(self.loss, report.loss);
        self.accuracy = blend(self.accuracy, report.accuracy);
        let done = (report.step - self.first_step) as f64;
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        let left = seconds / done * self.last_step.saturating_sub(report.step) as f64;
        let line = format!(
            "epoch {}  loss {:.3}  accuracy {:.1} %  {:.0} images/s  {} left",
            report.epoch,
            self.loss,
            100.0 * self.accuracy,
            done * report.images as f64 / seconds,
            duration(left),
        );
        if self.terminal {
            self.bar.set_position(report.step);
            self.bar.set_message(line);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note!("step {}/{}  {line}", report.step, self.last_step);
        }
    }

    /// An evaluation has done so many images.
    pub fn evaluation(&self, done: usize, all: usize) {
        self.bar.set_message(format!("evaluating {done}/{all}"));
    }

    /// Prints a line that stays, above the bar.
    pub fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            note!("{text}");
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows how far an evaluation has come, on a terminal.
pub struct Evaluating(ProgressBar);

impl Evaluating {
    /// An evaluation of so many images.
    pub fn new(images: usize) -> Evaluating {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(images as u64), target);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Evaluating(bar)
    }

    /// So many are done.
    pub fn show(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// `1:05` or `2:03:09`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(65.4), "1:05");
        assert_eq!(duration(7389.0), "2:03:09");
        assert_eq!(duration(-1.0), "0:00");
    }
}
