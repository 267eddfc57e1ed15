//! Settings of dynamic sparsity.

use crate::error::{Result, TrainError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of absent weights, and how often the masks change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SparsityConfig {
    /// Share of the weights that are absent, from 0 (a dense network) to below 1; 0.4 in SLaK and PeLK.
    pub sparsity: f64,
    /// How sparsity is distributed over tensors: `snip` (by sensitivity), `uniform`, or `weights` (keep the
    /// masks of the initial weights).
    pub densities: Densities,
    /// Steps between changes of the masks; 0 never changes them.
    pub update_every: u64,
    /// Share of the present weights that a change removes at the start of the run; falls with half a cosine.
    pub prune_rate: f64,
    /// Share of the present weights that a change removes at the end of the run.
    pub final_prune_rate: f64,
}

/// How sparsity is distributed over tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Densities {
    /// By the sensitivity of the loss to each weight on the first batch (SNIP, Lee et al., 2019): tensors
    /// that matter most are the densest.
    #[default]
    Snip,
    /// The same density for all tensors.
    Uniform,
    /// The initial weights are already sparse: the masks in their file hold; without masks, weights that are
    /// not zero are present. For fine-tuning, with `update_every = 0`.
    Weights,
}

impl Default for SparsityConfig {
    fn default() -> SparsityConfig {
        // As in SLaK's command line; its tiny model changes half of the weights every 2000 steps instead.
        SparsityConfig {
            sparsity: 0.0,
            densities: Densities::Snip,
            update_every: 100,
            prune_rate: 0.3,
            final_prune_rate: 0.005,
        }
    }
}

impl SparsityConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        for (key, share) in [
            ("sparsity.sparsity", self.sparsity),
            ("sparsity.prune_rate", self.prune_rate),
            ("sparsity.final_prune_rate", self.final_prune_rate),
        ] {
            if !(0.0..1.0).contains(&share) {
                return Err(TrainError::value(key, format!("is {share}, must be at least 0 and below 1")));
            }
        }
        Ok(())
    }

    /// Whether weights are masked at all.
    pub fn is_on(&self) -> bool {
        self.sparsity > 0.0 || self.densities == Densities::Weights
    }

    /// Whether the masks change after this many steps.
    pub(crate) fn updates_after(&self, step: u64) -> bool {
        self.update_every > 0 && step.is_multiple_of(self.update_every)
    }

    /// The share of the present weights that a change after `step` of `total` steps removes.
    pub(crate) fn rate(&self, step: u64, total: u64) -> f64 {
        let progress = step as f64 / total.max(1) as f64;
        let fall = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        self.final_prune_rate + (self.prune_rate - self.final_prune_rate) * fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_from_the_first_to_the_last_value() {
        let config = SparsityConfig { prune_rate: 0.5, ..SparsityConfig::default() };
        assert_eq!(config.rate(0, 1000), 0.5);
        assert!((config.rate(500, 1000) - (0.5 + 0.005) / 2.0).abs() < 1e-12);
        assert!((config.rate(1000, 1000) - 0.005).abs() < 1e-12);
        let rates: Vec<f64> = (0..=1000).map(|step| config.rate(step, 1000)).collect();
        assert!(rates.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn shares_outside_their_range_are_named() {
        let base = SparsityConfig::default;
        for (config, key) in [
            (SparsityConfig { sparsity: 1.0, ..base() }, "sparsity.sparsity"),
            (SparsityConfig { prune_rate: -0.1, ..base() }, "sparsity.prune_rate"),
            (SparsityConfig { final_prune_rate: f64::NAN, ..base() }, "sparsity.final_prune_rate"),
        ] {
            assert!(config.validate().unwrap_err().to_string().contains(key));
        }
    }

    #[test]
    fn masks_change_every_so_many_steps_or_never() {
        let config = SparsityConfig { update_every: 3, ..SparsityConfig::default() };
        let changes =
            |config: &SparsityConfig| (1..=9).filter(|&step| config.updates_after(step)).collect::<Vec<_>>();
        assert_eq!(changes(&config), [3, 6, 9]);
        assert!(changes(&SparsityConfig { update_every: 0, ..config }).is_empty());
    }
}
