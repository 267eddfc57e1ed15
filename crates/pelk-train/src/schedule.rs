//! The learning rate over a run.

use crate::error::{Result, TrainError};
use serde::{Deserialize, Serialize};

/// Linear warm-up, then half a cosine, a value a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Passes over the training set.
    pub epochs: u64,
    /// Epochs over which the learning rate rises from 0; may be a fraction.
    pub warmup_epochs: f64,
    /// Learning rate at the end, as a share of the highest.
    pub final_fraction: f64,
}

impl Default for ScheduleConfig {
    fn default() -> ScheduleConfig {
        ScheduleConfig { epochs: 5, warmup_epochs: 0.5, final_fraction: 0.01 }
    }
}

impl ScheduleConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(TrainError::value("schedule.epochs", "is 0, must be at least 1"));
        }
        if !(0.0..=self.epochs as f64).contains(&self.warmup_epochs) {
            let reason =
                format!("is {}, must be between 0 and schedule.epochs = {}", self.warmup_epochs, self.epochs);
            return Err(TrainError::value("schedule.warmup_epochs", reason));
        }
        if !(0.0..=1.0).contains(&self.final_fraction) {
            let reason = format!("is {}, must be between 0 and 1", self.final_fraction);
            return Err(TrainError::value("schedule.final_fraction", reason));
        }
        Ok(())
    }

    /// The factor on the learning rate in `step`, counted from 0, of `steps_per_epoch * epochs`.
    pub fn factor(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let total = (self.epochs * steps_per_epoch) as f64;
        let warmup = (self.warmup_epochs * steps_per_epoch as f64).min(total);
        // The first step of a warm-up already moves: its rate is one step's share, not 0.
        let step = step as f64;
        if step + 1.0 < warmup {
            return (step + 1.0) / warmup;
        }
        let progress = ((step - warmup) / (total - warmup).max(1.0)).clamp(0.0, 1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.final_fraction + (1.0 - self.final_fraction) * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_one_and_falls_to_the_final_share() {
        let schedule = ScheduleConfig { epochs: 10, warmup_epochs: 2.0, final_fraction: 0.01 };
        let factors: Vec<f64> = (0..1000).map(|step| schedule.factor(step, 100)).collect();
        assert!((factors[0] - 1.0 / 200.0).abs() < 1e-12);
        assert!(factors[..200].is_sorted() && factors[200..].is_sorted_by(|a, b| a >= b));
        assert!((factors[200] - 1.0).abs() < 1e-4);
        assert!((factors[999] - 0.01).abs() < 1e-4);
    }

    #[test]
    fn without_warmup_it_starts_at_one() {
        let schedule = ScheduleConfig { epochs: 1, warmup_epochs: 0.0, final_fraction: 0.0 };
        assert_eq!(schedule.factor(0, 10), 1.0);
    }
}
