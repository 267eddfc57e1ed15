//! Training costs of arms: measured by the caller, stored beside the sweep, and added up for its runs.

use crate::error::{AblationError, Result};
use crate::plan::{EVALUATIONS, PlannedRun};
use pelk_train::write_atomically;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The measured cost of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmCost {
    /// The task.
    pub task: String,
    /// The arm.
    pub arm: String,
    /// Threads it was measured with.
    pub threads: usize,
    /// The measurements.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Measurements from one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Trained values, masked ones excluded.
    pub parameters: usize,
    /// Training speed: median over several steps.
    pub training_images_per_second: f64,
    /// Evaluation speed: best of several runs of one batch.
    pub inference_images_per_second: f64,
    /// Number of images in one evaluation.
    pub test_images: usize,
    /// Peak resident memory of the process; `None` if the system does not report it.
    pub peak_bytes: Option<u64>,
}

/// Estimated seconds for some runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// For training steps.
    pub training: f64,
    /// For evaluations, whose number does not depend on the steps.
    pub evaluating: f64,
}

/// The costs of a sweep's arms.
#[derive(Debug, Clone, Default)]
pub struct Costs(Vec<ArmCost>);

#[derive(Serialize, Deserialize)]
struct CostFile {
    arms: Vec<ArmCost>,
}

impl Costs {
    /// Costs, one entry per arm.
    pub fn new(arms: Vec<ArmCost>) -> Costs {
        Costs(arms)
    }

    fn file(folder: &Path) -> PathBuf {
        folder.join("costs.toml")
    }

    /// The costs stored in a sweep's folder; empty if nothing was measured.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(folder: &Path) -> Result<Costs> {
        let path = Costs::file(folder);
        if !path.exists() {
            return Ok(Costs::default());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| AblationError::io("read", &path, error))?;
        let file: CostFile = toml::from_str(&text).map_err(|error| AblationError::damaged(&path, error))?;
        Ok(Costs(file.arms))
    }

    /// Writes them to a sweep's folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = toml::to_string(&CostFile { arms: self.0.clone() })?;
        Ok(write_atomically(&Costs::file(folder), text.as_bytes())?)
    }

    /// Adds the costs of other arms; arms that are already present keep their costs.
    pub fn extend(&mut self, others: Costs) {
        for cost in others.0 {
            if self.of(&cost.task, &cost.arm).is_none() {
                self.0.push(cost);
            }
        }
    }

    /// The cost of an arm.
    pub fn of(&self, task: &str, arm: &str) -> Option<&ArmCost> {
        self.0.iter().find(|cost| cost.task == task && cost.arm == arm)
    }

    /// Total time of these runs, one after another; `None` if an arm was not measured.
    pub fn estimate(&self, runs: &[PlannedRun]) -> Option<Estimate> {
        let mut estimate = Estimate::default();
        for run in runs {
            let cost = &self.of(run.task.name, &run.arm)?.measured;
            let images = run.steps as f64 * run.config.batch.images_per_step() as f64;
            let tested = (EVALUATIONS as usize * cost.test_images) as f64;
            estimate.training += images / cost.training_images_per_second;
            estimate.evaluating += tested / cost.inference_images_per_second;
        }
        Some(estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_kept_with_the_sweep() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Costs::read(folder.path()).unwrap().of("long-range", "reversed").is_none());
        let cost = ArmCost {
            task: "long-range".into(),
            arm: "reversed".into(),
            threads: 1,
            measured: Measured {
                parameters: 20_000,
                training_images_per_second: 800.0,
                inference_images_per_second: 3000.0,
                test_images: 1000,
                peak_bytes: Some(100 << 20),
            },
        };
        Costs(vec![cost.clone()]).write(folder.path()).unwrap();
        let read = Costs::read(folder.path()).unwrap();
        assert_eq!(read.of("long-range", "reversed"), Some(&cost));
        assert!(read.of("long-range", "dense 47").is_none());
    }
}
