//! How fast training goes, and durations as people write them.

use crate::values;
use pelk_train::StepReport;
use std::time::Instant;

/// Shown values are running means over about this many steps.
const SMOOTHING: f64 = 50.0;

/// Recent averages of training, and the time it takes.
#[derive(Debug, Clone)]
pub struct Pace {
    start: Instant,
    first_step: u64,
    last_step: u64,
    /// Running means over the steps in which something counted; `None` before the first of them.
    pub loss: Option<f64>,
    /// What else steps measure, likewise, with names.
    pub details: Vec<(&'static str, Option<f64>)>,
    /// Average since the start, evaluations included.
    pub images_per_second: f64,
    /// Seconds until the last step at this speed.
    pub seconds_left: f64,
}

impl Pace {
    /// A run after `first_step` of `last_step` steps.
    pub fn new(first_step: u64, last_step: u64) -> Pace {
        let nothing = nothing();
        Pace {
            start: Instant::now(),
            first_step,
            last_step,
            loss: None,
            details: Vec::new(),
            images_per_second: nothing,
            seconds_left: nothing,
        }
    }

    /// A step was taken.
    pub fn add(&mut self, report: &StepReport) {
        let done = report.step.saturating_sub(self.first_step) as f64;
        let share = 1.0 / done.clamp(1.0, SMOOTHING);
        let blend = |old: Option<f64>, new: Option<f64>| match (old, new) {
            (Some(old), Some(new)) => Some(old + share * (new - old)),
            (old, new) => new.or(old),
        };
        self.loss = blend(self.loss, report.loss);
        let new = report.detail.named();
        if self.details.len() != new.len() {
            self.details = new.iter().map(|(name, _)| (*name, None)).collect();
        }
        for ((_, mean), (_, value)) in self.details.iter_mut().zip(new) {
            *mean = blend(*mean, value);
        }
        let seconds = self.seconds().max(1e-9);
        self.images_per_second = done * report.images as f64 / seconds;
        self.seconds_left = seconds / done * self.last_step.saturating_sub(report.step) as f64;
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// The speed before the first step.
fn nothing() -> f64 {
    f64::NAN
}

/// A detail of a step in words: `accuracy 75.0 %`, or the loss of a part such as `masks 0.412`.
pub fn detail(name: &str, value: Option<f64>) -> [String; 2] {
    match name.strip_prefix("loss_") {
        Some(part) => [part.replace('_', " "), values::loss(value, 3)],
        None => {
            let share = value.map(|value| format!("{:.1} %", 100.0 * value));
            [name.to_owned(), share.unwrap_or_else(values::none)]
        }
    }
}

/// `14 h 05 min`, `6 min 40 s` or `45 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {:02} s", seconds % 60),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_train::StepDetail;
    use std::time::Duration;

    #[test]
    fn the_pace_is_a_running_mean_of_the_steps_since_the_start() {
        let mut pace = Pace::new(100, 200);
        let report = |step: u64, loss: f64| StepReport {
            step,
            total_steps: 200,
            epoch: 1,
            loss: Some(loss),
            gradient_norm: 1.0,
            skipped: false,
            detail: StepDetail::Accuracy(Some(0.5)),
            learning_rate: 1e-3,
            images: 8,
            time: Duration::from_millis(10),
            waited: Duration::ZERO,
        };
        pace.add(&report(101, 4.0));
        assert_eq!((pace.loss, &pace.details[..]), (Some(4.0), &[("accuracy", Some(0.5))][..]));
        pace.add(&report(102, 2.0));
        assert_eq!(pace.loss, Some(3.0));
        let nothing = StepReport { loss: None, detail: StepDetail::Accuracy(None), ..report(102, 0.0) };
        pace.add(&nothing);
        assert_eq!(
            (pace.loss, pace.details[0].1),
            (Some(3.0), Some(0.5)),
            "nothing counted, nothing changes"
        );
        let mut unlabeled = Pace::new(0, 200);
        unlabeled.add(&StepReport { step: 1, ..nothing });
        assert_eq!(detail("accuracy", unlabeled.details[0].1), ["accuracy", "none"]);
        assert!(unlabeled.loss.is_none() && unlabeled.images_per_second > 0.0);
        (103..=200).for_each(|step| pace.add(&report(step, 1.0)));
        assert!(pace.loss.is_some_and(|loss| loss > 1.0 && loss < 1.5), "{:?}", pace.loss);
        assert_eq!(pace.seconds_left, 0.0);
        assert!(pace.images_per_second > 0.0);
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        for (seconds, text) in [
            (45.2, "45 s"),
            (65.4, "1 min 05 s"),
            (400.0, "6 min 40 s"),
            (3599.6, "1 h 00 min"),
            (50_718.0, "14 h 05 min"),
            (-1.0, "0 s"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
