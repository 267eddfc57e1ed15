//! The length of a run, its evaluations and its learning rate.

use crate::error::{Result, TrainError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine, starting at the end of the warmup.
    #[default]
    Cosine,
    /// `(1 - step / steps) ^ power` over the whole run, multiplied by the warmup, as in MMSegmentation.
    Poly,
    /// Multiplied by 0.1 at each of the `milestones`, as in MMDetection.
    Steps,
}

/// The length of a run, its evaluations and its learning rate: linear warmup, then decay, with one value per
/// step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Passes over the training set, at least 1.
    pub epochs: u64,
    /// Length of the run in steps; 0 uses `epochs` instead.
    pub steps: u64,
    /// Steps between evaluations on the test set, besides the one at the end; 0 evaluates after each epoch.
    pub evaluate_every: u64,
    /// Epochs over which the learning rate rises from 0, from 0 to `epochs`; may be a fraction.
    pub warmup_epochs: f64,
    /// Steps over which the learning rate rises; 0 uses `warmup_epochs` instead.
    pub warmup_steps: u64,
    /// How the learning rate falls: `cosine`, `poly` or `steps`.
    pub decay: Decay,
    /// Exponent of `poly`, above 0.
    pub power: f64,
    /// Epochs after which `steps` multiplies the learning rate by 0.1, in rising order.
    pub milestones: Vec<f64>,
    /// Learning rate at the end, as a share of the highest, from 0 to 1.
    pub final_fraction: f64,
}

impl Default for ScheduleConfig {
    fn default() -> ScheduleConfig {
        ScheduleConfig {
            epochs: 5,
            steps: 0,
            evaluate_every: 0,
            warmup_epochs: 0.5,
            warmup_steps: 0,
            decay: Decay::Cosine,
            power: 1.0,
            milestones: Vec::new(),
            final_fraction: 0.01,
        }
    }
}

/// The most steps of a run: a 64-bit float holds every whole number up to this one.
const MOST_STEPS: u64 = 1 << 53;

impl ScheduleConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(TrainError::value("schedule.epochs", "is 0, must be at least 1"));
        }
        if !(self.warmup_epochs.is_finite() && self.warmup_epochs >= 0.0) {
            let reason = format!("is {}, must be 0 or more", self.warmup_epochs);
            return Err(TrainError::value("schedule.warmup_epochs", reason));
        }
        // Lengths in different units can be compared only with the data.
        if self.steps == 0 && self.warmup_steps == 0 {
            self.check_warmup(self.warmup_epochs, self.epochs, "epochs")?;
        }
        if self.steps > 0 && self.warmup_steps > 0 {
            self.check_warmup(self.warmup_steps as f64, self.steps, "steps")?;
        }
        if !(self.power.is_finite() && self.power > 0.0) {
            return Err(TrainError::value("schedule.power", format!("is {}, must be above 0", self.power)));
        }
        let rising = self.milestones.is_sorted() && self.milestones.iter().all(|milestone| *milestone >= 0.0);
        if !rising || self.milestones.is_empty() == (self.decay == Decay::Steps) {
            let reason = format!(
                "is {:?}, must list epochs in rising order for the decay `steps`, and be empty for others",
                self.milestones
            );
            return Err(TrainError::value("schedule.milestones", reason));
        }
        if !(0.0..=1.0).contains(&self.final_fraction) {
            let reason = format!("is {}, must be between 0 and 1", self.final_fraction);
            return Err(TrainError::value("schedule.final_fraction", reason));
        }
        Ok(())
    }

    /// Checks the length of a run, and of its warm-up, for data with this number of steps per epoch.
    pub(crate) fn validate_for(&self, steps_per_epoch: u64) -> Result<()> {
        let (key, length) = self.length();
        let total = if self.steps > 0 { Some(length) } else { length.checked_mul(steps_per_epoch) };
        let Some(total) = total.filter(|total| *total <= MOST_STEPS) else {
            let most = if self.steps > 0 { MOST_STEPS } else { MOST_STEPS / steps_per_epoch };
            return Err(TrainError::value(key, format!("is {length}, must be at most {most}")));
        };
        let warmup = match self.warmup_steps {
            0 => self.warmup_epochs * steps_per_epoch as f64,
            steps => steps as f64,
        };
        self.check_warmup(warmup, total, "steps")
    }

    /// Makes the run longer: `length` epochs in all, or steps for a run whose length is set in steps.
    ///
    /// # Errors
    /// When the run is longer than that.
    pub fn extend_to(&mut self, length: u64) -> Result<()> {
        let (key, now) = self.length();
        if length < now {
            return Err(TrainError::value(key, format!("is {now}, which cannot be extended to {length}")));
        }
        if self.steps > 0 {
            self.steps = length;
        } else {
            self.epochs = length;
        }
        Ok(())
    }

    /// Whether the other schedule is the same, but for a length that is shorter or equal.
    pub(crate) fn extends(&self, other: &ScheduleConfig) -> bool {
        let mut extended = other.clone();
        extended.extend_to(self.length().1).is_ok() && extended == *self
    }

    /// The key that sets the length of the run, and its value.
    fn length(&self) -> (&'static str, u64) {
        match self.steps {
            0 => ("schedule.epochs", self.epochs),
            steps => ("schedule.steps", steps),
        }
    }

    /// Checks that the warm-up ends before the run; both are counted in `unit`.
    fn check_warmup(&self, warmup: f64, length: u64, unit: &str) -> Result<()> {
        if warmup < length as f64 {
            return Ok(());
        }
        let (key, value) = match self.warmup_steps {
            0 => ("schedule.warmup_epochs", self.warmup_epochs.to_string()),
            steps => ("schedule.warmup_steps", steps.to_string()),
        };
        let reason = format!(
            "is {value}: the warm-up would last {warmup} {unit}, but the whole run has only {length}; make it \
             shorter (0 for none), or {} larger",
            self.length().0
        );
        Err(TrainError::value(key, reason))
    }

    /// Steps of the whole run.
    pub fn total_steps(&self, steps_per_epoch: u64) -> u64 {
        if self.steps > 0 { self.steps } else { self.epochs.saturating_mul(steps_per_epoch) }
    }

    /// Whether the network is evaluated after `step` steps.
    pub fn evaluates_after(&self, step: u64, steps_per_epoch: u64) -> bool {
        step == self.total_steps(steps_per_epoch)
            || step.is_multiple_of(self.evaluation_interval(steps_per_epoch))
    }

    /// Number of evaluations after step `from`, up to and with step `to`.
    pub fn evaluations_between(&self, from: u64, to: u64, steps_per_epoch: u64) -> u64 {
        let (interval, total) =
            (self.evaluation_interval(steps_per_epoch), self.total_steps(steps_per_epoch));
        let regular = (to / interval).saturating_sub(from / interval);
        let at_the_end = from < total && total <= to && !total.is_multiple_of(interval);
        regular + u64::from(at_the_end)
    }

    /// Steps up to `step` since the last multiple of the evaluation interval before it.
    pub fn steps_since_evaluation(&self, step: u64, steps_per_epoch: u64) -> u64 {
        let interval = self.evaluation_interval(steps_per_epoch);
        step - (step.max(1) - 1) / interval * interval
    }

    /// Steps up to `step` since the last multiple of the evaluation interval; 0 at one.
    pub(crate) fn steps_past_interval(&self, step: u64, steps_per_epoch: u64) -> u64 {
        step % self.evaluation_interval(steps_per_epoch)
    }

    fn evaluation_interval(&self, steps_per_epoch: u64) -> u64 {
        if self.evaluate_every > 0 { self.evaluate_every } else { steps_per_epoch }
    }

    /// The factor for the learning rate in a step, counted from 0.
    pub fn factor(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let total = self.total_steps(steps_per_epoch) as f64;
        let warmup = match self.warmup_steps {
            0 => self.warmup_epochs * steps_per_epoch as f64,
            steps => steps as f64,
        };
        let step = step as f64;
        // The first step of a warmup has one step's share of the rate, not 0, so that it changes something.
        let rise = if step + 1.0 < warmup { (step + 1.0) / warmup } else { 1.0 };
        let fall = match self.decay {
            Decay::Cosine => {
                let progress = ((step - warmup) / (total - warmup).max(1.0)).clamp(0.0, 1.0);
                0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Decay::Poly => (1.0 - step / total).max(0.0).powf(self.power),
            Decay::Steps => {
                let epoch = step / steps_per_epoch as f64;
                let passed = self.milestones.iter().filter(|milestone| **milestone <= epoch).count();
                0.1_f64.powi(passed as i32)
            }
        };
        rise * (self.final_fraction + (1.0 - self.final_fraction) * fall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_one_and_falls_to_the_final_share() {
        let schedule = ScheduleConfig {
            epochs: 10,
            warmup_epochs: 2.0,
            final_fraction: 0.01,
            ..ScheduleConfig::default()
        };
        let factors: Vec<f64> = (0..1000).map(|step| schedule.factor(step, 100)).collect();
        assert!((factors[0] - 1.0 / 200.0).abs() < 1e-12);
        assert!(factors[..200].is_sorted() && factors[200..].is_sorted_by(|a, b| a >= b));
        assert!((factors[200] - 1.0).abs() < 1e-4);
        assert!((factors[999] - 0.01).abs() < 1e-4);
    }

    #[test]
    fn steps_take_a_tenth_at_each_milestone() {
        let schedule = ScheduleConfig {
            epochs: 36,
            warmup_epochs: 0.0,
            decay: Decay::Steps,
            milestones: vec![27.0, 33.0],
            final_fraction: 0.0,
            ..ScheduleConfig::default()
        };
        schedule.validate().unwrap();
        let factors = [0, 269, 270, 329, 330, 359].map(|step| schedule.factor(step, 10));
        for (factor, expected) in factors.into_iter().zip([1.0, 1.0, 0.1, 0.1, 0.01, 0.01]) {
            assert!((factor - expected).abs() < 1e-12, "{factors:?}");
        }
        for wrong in [
            ScheduleConfig { milestones: vec![], ..schedule.clone() },
            ScheduleConfig { milestones: vec![3.0, 1.0], ..schedule.clone() },
            ScheduleConfig { decay: Decay::Poly, ..schedule },
        ] {
            assert!(wrong.validate().unwrap_err().to_string().contains("schedule.milestones"));
        }
    }

    #[test]
    fn without_warmup_it_starts_at_one() {
        let schedule = ScheduleConfig {
            epochs: 1,
            warmup_epochs: 0.0,
            final_fraction: 0.0,
            ..ScheduleConfig::default()
        };
        assert_eq!(schedule.factor(0, 10), 1.0);
    }

    #[test]
    fn a_polynomial_spans_the_whole_run() {
        let schedule = ScheduleConfig {
            steps: 1000,
            warmup_steps: 100,
            decay: Decay::Poly,
            final_fraction: 0.0,
            ..ScheduleConfig::default()
        };
        let factor = |schedule: &ScheduleConfig, step| schedule.factor(step, 10);
        assert!((factor(&schedule, 9) - 0.1 * 0.991).abs() < 1e-12);
        assert!((factor(&schedule, 250) - 0.75).abs() < 1e-12);
        assert!((factor(&schedule, 999) - 0.001).abs() < 1e-12);
        let squared = ScheduleConfig { power: 2.0, ..schedule };
        assert!((factor(&squared, 500) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn evaluations_come_with_epochs_or_steps_and_at_the_end() {
        let evaluations = |schedule: &ScheduleConfig| {
            let total = schedule.total_steps(10);
            (1..=total).filter(|&step| schedule.evaluates_after(step, 10)).collect::<Vec<_>>()
        };
        let epochs = ScheduleConfig { epochs: 3, ..ScheduleConfig::default() };
        assert_eq!(evaluations(&epochs), [10, 20, 30]);
        let steps = ScheduleConfig { steps: 25, ..epochs.clone() };
        assert_eq!(evaluations(&steps), [10, 20, 25]);
        let both = ScheduleConfig { evaluate_every: 7, ..steps };
        assert_eq!(evaluations(&both), [7, 14, 21, 25]);
        let since: Vec<_> = [0, 1, 7, 8, 14, 25].map(|step| both.steps_since_evaluation(step, 10)).to_vec();
        assert_eq!(since, [0, 1, 7, 1, 7, 4]);
    }

    #[test]
    fn evaluations_are_counted_without_a_loop() {
        for (epochs, steps, evaluate_every) in
            [(3, 0, 0), (3, 0, 4), (1, 25, 0), (1, 25, 7), (1, 20, 10), (1, 3, 100)]
        {
            let schedule = ScheduleConfig { epochs, steps, evaluate_every, ..ScheduleConfig::default() };
            let total = schedule.total_steps(10);
            for from in 0..=total {
                for to in from..=total {
                    let each = (from + 1..=to).filter(|&step| schedule.evaluates_after(step, 10)).count();
                    let counted = schedule.evaluations_between(from, to, 10);
                    assert_eq!(counted, each as u64, "{schedule:?} from {from} to {to}");
                }
            }
        }
        let long = ScheduleConfig { epochs: 100_000_000_000, ..ScheduleConfig::default() };
        assert_eq!(long.evaluations_between(0, long.total_steps(1000), 1000), 100_000_000_000);
    }

    #[test]
    fn a_warmup_ends_before_the_run_in_all_units() {
        let refused = |schedule: ScheduleConfig, key: &str, words: &str| {
            let result = schedule.validate().and_then(|()| schedule.validate_for(10));
            let message = result.unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}`")) && message.contains(words), "{message}");
        };
        let base = ScheduleConfig { epochs: 6, warmup_epochs: 0.0, ..ScheduleConfig::default() };
        let [epochs, steps] = ["schedule.warmup_epochs", "schedule.warmup_steps"];
        // Epochs of warm-up in a run of epochs, and of steps; then steps of warm-up in both.
        let by_epochs = |warmup_epochs| ScheduleConfig { warmup_epochs, ..base.clone() };
        let by_steps = |warmup_steps| ScheduleConfig { warmup_steps, ..base.clone() };
        let in_steps = |schedule| ScheduleConfig { steps: 60, ..schedule };
        refused(by_epochs(6.0), epochs, "last 6 epochs, but the whole run has only 6;");
        refused(in_steps(by_epochs(20.0)), epochs, "last 200 steps, but the whole run has only 60;");
        refused(by_steps(60), steps, "last 60 steps, but the whole run has only 60;");
        refused(in_steps(by_steps(500)), steps, "last 500 steps, but the whole run has only 60;");
        refused(in_steps(by_steps(60)), steps, "or schedule.steps larger");
        refused(by_epochs(f64::NAN), epochs, "0 or more");
        for good in [by_epochs(5.9), in_steps(by_epochs(5.9)), by_steps(59), in_steps(by_steps(59))] {
            good.validate().and_then(|()| good.validate_for(10)).unwrap();
        }
        // Of two lengths of a warm-up, the one in steps counts, as in the preset that sets the other.
        let both = ScheduleConfig { epochs: 2, warmup_epochs: 3.0, warmup_steps: 5, ..base };
        both.validate().and_then(|()| both.validate_for(10)).unwrap();
        refused(ScheduleConfig { warmup_steps: 20, ..both }, steps, "has only 20;");
    }

    #[test]
    fn a_run_has_as_many_steps_as_a_float_can_count() {
        let refused = |schedule: &ScheduleConfig, words: &[&str]| {
            let message = schedule.validate_for(10).unwrap_err().to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        };
        let epochs = |epochs| ScheduleConfig { epochs, ..ScheduleConfig::default() };
        let most = MOST_STEPS / 10;
        epochs(most).validate_for(10).unwrap();
        for too_many in [most + 1, u64::MAX / 10, u64::MAX / 10 + 1, i64::MAX as u64, u64::MAX] {
            refused(&epochs(too_many), &["`schedule.epochs`", &most.to_string()]);
        }
        refused(&ScheduleConfig { steps: MOST_STEPS + 1, ..epochs(1) }, &["`schedule.steps`"]);
    }
}
