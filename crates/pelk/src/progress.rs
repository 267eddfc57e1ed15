//! Progress of a run: a bar on a terminal, plain lines elsewhere, or a dashboard where it was asked for.

use crate::dashboard::Dashboard;
use crate::output::note;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pelk_train::{MetricsRow, StepReport};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Without a terminal, a line at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Shown values are running means over about this many steps.
const SMOOTHING: f64 = 50.0;

/// What training is shown on.
pub enum Display {
    /// A bar or lines.
    Lines(Progress),
    /// The whole terminal.
    Dashboard(Dashboard),
}

impl Display {
    /// A step was taken.
    pub fn step(&mut self, report: &StepReport) {
        match self {
            Display::Lines(progress) => progress.step(report),
            Display::Dashboard(dashboard) => dashboard.step(report),
        }
    }

    /// An evaluation has done so many images.
    pub fn evaluation(&self, done: usize, all: usize) {
        match self {
            Display::Lines(progress) => progress.evaluation(done, all),
            Display::Dashboard(dashboard) => dashboard.evaluation(done, all),
        }
    }

    /// An evaluation is done.
    pub fn evaluated(&self, row: &MetricsRow) {
        match self {
            // The line of it is all.
            Display::Lines(_) => {}
            Display::Dashboard(dashboard) => dashboard.evaluated(row),
        }
    }

    /// Shows a line that stays.
    pub fn line(&self, text: &str) {
        match self {
            Display::Lines(progress) => progress.line(text),
            Display::Dashboard(dashboard) => dashboard.line(text),
        }
    }

    /// Takes the bar or the dashboard away; lines stay.
    pub fn finish(&mut self) {
        match self {
            Display::Lines(progress) => progress.finish(),
            Display::Dashboard(dashboard) => dashboard.finish(),
        }
    }
}

/// How training does of late.
#[derive(Debug, Clone)]
pub struct Pace {
    start: Instant,
    first_step: u64,
    last_step: u64,
    /// Running means; not a number before the first step.
    pub loss: f64,
    /// As `loss`.
    pub accuracy: f64,
    /// Since the start, evaluations included.
    pub images_per_second: f64,
    /// Until the last step, at this speed.
    pub seconds_left: f64,
}

impl Pace {
    /// Before the step after `first_step`, of steps up to `last_step`.
    pub fn new(first_step: u64, last_step: u64) -> Pace {
        let nothing = f64::NAN;
        Pace {
            start: Instant::now(),
            first_step,
            last_step,
            loss: nothing,
            accuracy: nothing,
            images_per_second: nothing,
            seconds_left: nothing,
        }
    }

    /// A step was taken.
    pub fn add(&mut self, report: &StepReport) {
        let done = report.step.saturating_sub(self.first_step) as f64;
        let share = 1.0 / done.clamp(1.0, SMOOTHING);
        let blend = |old: f64, new: f64| if old.is_nan() { new } else { old + share * (new - old) };
        self.loss = blend(self.loss, report.loss);
        self.accuracy = blend(self.accuracy, report.accuracy);
        let seconds = self.seconds().max(1e-9);
        self.images_per_second = done * report.images as f64 / seconds;
        self.seconds_left = seconds / done * self.last_step.saturating_sub(report.step) as f64;
    }

    /// Since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Shows how far training has come on a bar, or in lines where there is no terminal.
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

    /// A step was taken.
    pub fn step(&mut self, report: &StepReport) {
        self.pace.add(report);
        let Pace { loss, accuracy, images_per_second, seconds_left, .. } = self.pace;
        let line = format!(
            "epoch {}  loss {loss:.3}  accuracy {:.1} %  {images_per_second:.0} images/s  {} left",
            report.epoch,
            100.0 * accuracy,
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
    fn the_pace_is_a_running_mean_of_the_steps_since_the_start() {
        let mut pace = Pace::new(100, 200);
        let report = |step: u64, loss: f64| StepReport {
            step,
            total_steps: 200,
            epoch: 1,
            loss,
            gradient_norm: 1.0,
            skipped: false,
            accuracy: 0.5,
            learning_rate: 1e-3,
            images: 8,
            time: Duration::from_millis(10),
            waited: Duration::ZERO,
        };
        pace.add(&report(101, 4.0));
        assert_eq!((pace.loss, pace.accuracy), (4.0, 0.5));
        pace.add(&report(102, 2.0));
        assert_eq!(pace.loss, 3.0);
        (103..=200).for_each(|step| pace.add(&report(step, 1.0)));
        assert!(pace.loss > 1.0 && pace.loss < 1.5, "{}", pace.loss);
        assert_eq!(pace.seconds_left, 0.0);
        assert!(pace.images_per_second > 0.0);
    }

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(65.4), "1:05");
        assert_eq!(duration(7389.0), "2:03:09");
        assert_eq!(duration(-1.0), "0:00");
    }
}
