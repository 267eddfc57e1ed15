//! Timing of repeated runs, and the peak rate of the processor.

use anyhow::Result;
use pelk_simd::{Level, multiply_adds_in_registers};
use std::time::{Duration, Instant};

/// Warm-up before the first timed run: caches fill, pages are mapped, the clock speeds up.
const WARM_UP: Duration = Duration::from_millis(100);
/// Minimum total time of the runs, so that the median of very short runs is reliable.
const FILL: Duration = Duration::from_millis(300);

/// Times of several runs of one computation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// The median, in milliseconds.
    pub median_ms: f64,
    /// The shortest, in milliseconds.
    pub min_ms: f64,
    /// Number of runs.
    pub runs: usize,
}

impl Timing {
    /// The summary of these times, in milliseconds; there must be at least one.
    pub fn of(mut times: Vec<f64>) -> Timing {
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        let median =
            if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 };
        // To the nanosecond: clocks are no more precise.
        let rounded = |ms: f64| (ms * 1e6).round() / 1e6;
        Timing { median_ms: rounded(median), min_ms: rounded(times[0]), runs: times.len() }
    }
}

/// Times one run, in milliseconds.
///
/// # Errors
/// When the run fails.
pub fn once(run: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(1e3 * start.elapsed().as_secs_f64())
}

/// Warms up, then times at least `runs` runs, more if they are short.
///
/// # Errors
/// When a run fails.
pub fn repeat(runs: usize, mut run: impl FnMut() -> Result<()>) -> Result<Timing> {
    repeat_timed(runs, || once(&mut run))
}

/// Same as [`repeat`], for runs that return their own time in milliseconds.
///
/// # Errors
/// When a run fails.
pub fn repeat_timed(runs: usize, mut run: impl FnMut() -> Result<f64>) -> Result<Timing> {
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        run()?;
    }
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < runs.max(1) || start.elapsed() < FILL {
        times.push(run()?);
    }
    Ok(Timing::of(times))
}

/// Peak multiply-adds per second of one core, with this processor's best instructions.
#[derive(Debug, Clone, Copy)]
pub struct PeakRate(f64);

impl PeakRate {
    /// Measures it, in a few tenths of a second.
    pub fn measure() -> PeakRate {
        // Each takes a millisecond or less; the shortest was disturbed the least.
        const ROUNDS: usize = 100_000;
        let start = Instant::now();
        let mut best = 0.0_f64;
        while start.elapsed() < WARM_UP + FILL {
            let start = Instant::now();
            let count = multiply_adds_in_registers(Level::best(), ROUNDS);
            best = best.max(count as f64 / start.elapsed().as_secs_f64());
        }
        PeakRate(best)
    }

    /// Whether each core of the current thread pool reaches nine tenths of it just now: whether nothing else
    /// runs there, nor on the other hardware thread of the core. Takes ten microseconds.
    pub fn is_reached(self) -> bool {
        const ROUNDS: usize = 4000;
        let reached = rayon::broadcast(|_| {
            let start = Instant::now();
            let count = multiply_adds_in_registers(Level::best(), ROUNDS);
            count as f64 / start.elapsed().as_secs_f64() >= 0.9 * self.0
        });
        reached.into_iter().all(|reached| reached)
    }

    /// Billions of multiply-adds per second.
    pub fn giga(self) -> f64 {
        self.0 / 1e9
    }

    /// The minimum time for this many multiply-adds, in milliseconds.
    pub fn floor_ms(self, multiply_adds: u64, threads: usize) -> f64 {
        let ms = 1e3 * multiply_adds as f64 / (self.0 * threads as f64);
        (ms * 1e6).round() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_times() {
        assert_eq!(Timing::of(vec![3.0, 1.0, 8.0]), Timing { median_ms: 3.0, min_ms: 1.0, runs: 3 });
        assert_eq!(Timing::of(vec![4.0, 1.0, 3.0, 9.0]), Timing { median_ms: 3.5, min_ms: 1.0, runs: 4 });
        assert_eq!(Timing::of(vec![0.25]), Timing { median_ms: 0.25, min_ms: 0.25, runs: 1 });
    }

    #[test]
    fn long_runs_are_repeated_as_often_as_asked_and_errors_come_out() {
        let mut calls = 0;
        let timing = repeat(3, || {
            calls += 1;
            std::thread::sleep(FILL / 2);
            Ok(())
        });
        let timing = timing.unwrap();
        assert!(timing.runs == 3 && calls == 4, "{timing:?} in {calls} calls");
        assert!(timing.min_ms >= 150.0 && timing.median_ms >= timing.min_ms, "{timing:?}");
        assert!(repeat(3, || anyhow::bail!("no")).is_err());
    }

    #[test]
    fn the_floor_falls_with_the_threads() {
        let peak = PeakRate(5e10);
        assert_eq!(peak.floor_ms(100_000_000, 1), 2.0);
        assert_eq!(peak.floor_ms(100_000_000, 2), 1.0);
        assert!(PeakRate::measure().giga() > 0.01);
        assert!(PeakRate(1.0).is_reached() && !PeakRate(1e18).is_reached());
    }
}
