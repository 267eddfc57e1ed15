//! Progress of a sweep: a bar on a terminal, and a line for each finished run.

use crate::output::note;
use crate::pace::duration;
use crate::values;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pelk_ablation::plan::PlannedRun;
use pelk_ablation::sweep::Watcher;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Shows the progress of a sweep.
pub struct SweepProgress {
    bar: ProgressBar,
    terminal: bool,
    start: Instant,
    runs: usize,
    runs_done: AtomicUsize,
    /// Steps of all runs, all counted as equally long.
    steps: u64,
    /// Steps completed before this process started.
    steps_before: AtomicU64,
    /// Steps completed by this process.
    steps_now: AtomicU64,
}

impl SweepProgress {
    /// Shows the progress of these runs.
    pub fn new(runs: &[PlannedRun]) -> SweepProgress {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let steps = runs.iter().map(|run| run.steps).sum();
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        bar.set_style(
            ProgressStyle::with_template("{bar:30} {percent} %  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        SweepProgress {
            bar,
            terminal,
            start: Instant::now(),
            runs: runs.len(),
            runs_done: AtomicUsize::new(0),
            steps,
            steps_before: AtomicU64::new(0),
            steps_now: AtomicU64::new(0),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Estimated time left, from the speed so far.
    fn left(&self) -> String {
        let (before, now) =
            (self.steps_before.load(Ordering::Relaxed), self.steps_now.load(Ordering::Relaxed));
        let left = self.steps.saturating_sub(before + now) as f64;
        duration(self.start.elapsed().as_secs_f64() * left / now.max(1) as f64)
    }

    fn show(&self) {
        let (before, now) =
            (self.steps_before.load(Ordering::Relaxed), self.steps_now.load(Ordering::Relaxed));
        self.bar.set_position(before + now);
        let done = self.runs_done.load(Ordering::Relaxed);
        self.bar.set_message(format!("{done} of {} runs, {} left", self.runs, self.left()));
    }
}

impl Watcher for SweepProgress {
    fn on_start(&self, _: &PlannedRun, steps_done: u64) {
        self.steps_before.fetch_add(steps_done, Ordering::Relaxed);
    }

    fn on_step(&self, _: &PlannedRun) {
        self.steps_now.fetch_add(1, Ordering::Relaxed);
        if self.terminal {
            self.show();
        }
    }

    fn on_end(&self, run: &PlannedRun, value: Option<f64>) {
        let done = self.runs_done.fetch_add(1, Ordering::Relaxed) + 1;
        let line = format!(
            "[{done:>3}/{}] {}: {}  ({} left)",
            self.runs,
            run.describe(),
            values::percent(value),
            self.left()
        );
        if self.terminal { self.bar.println(line) } else { note!("{line}") }
    }
}
