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

impl ScheduleConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(TrainError::value("schedule.epochs", "is 0, must be at least 1"));
        }
        // The number of epochs of a run that counts steps depends on its data.
        let longest = if self.steps == 0 { self.epochs as f64 } else { f64::MAX };
        if !(0.0..=longest).contains(&self.warmup_epochs) {
            let reason =
                format!("is {}, must be between 0 and schedule.epochs = {}", self.warmup_epochs, self.epochs);
            return Err(TrainError::value("schedule.warmup_epochs", reason));
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

    /// Steps of the whole run.
    pub fn total_steps(&self, steps_per_epoch: u64) -> u64 {
        if self.steps > 0 { self.steps } else { self.epochs * steps_per_epoch }
    }

    /// Whether the network is evaluated after `step` steps.
    pub fn evaluates_after(&self, step: u64, steps_per_epoch: u64) -> bool {
        step == self.total_steps(steps_per_epoch)
            || step.is_multiple_of(self.evaluation_interval(steps_per_epoch))
    }

    /// Steps up to `step` since the last evaluation before it.
    pub fn steps_since_evaluation(&self, step: u64, steps_per_epoch: u64) -> u64 {
        let interval = self.evaluation_interval(steps_per_epoch);
        step - (step.max(1) - 1) / interval * interval
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
        let (step, warmup) = (step as f64, warmup.min(total));
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
}
