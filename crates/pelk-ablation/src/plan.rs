//! The plan of a sweep, and the runs that follow from its studies, budgets and seeds.

use crate::catalog::{self, Study, Task};
use crate::error::{AblationError, Result};
use pelk_train::{TrainConfig, write_new_atomically};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Evaluations per run: the points of its training curve.
pub const EVALUATIONS: u64 = 6;

/// A request for a sweep. It is stored in the sweep's folder and determines everything that the sweep does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The studies.
    pub studies: Vec<String>,
    /// Whether only the arms of the quick versions take part.
    pub quick: bool,
    /// Number of seeds per arm: 0, 1, and so on.
    pub seeds: u64,
    /// Settings for all runs, as `key.path=value`.
    pub settings: Vec<String>,
    /// Training lengths in steps, for each task.
    pub budgets: BTreeMap<String, Vec<u64>>,
}

/// One run of a sweep.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// The task.
    pub task: &'static Task,
    /// The arm.
    pub arm: String,
    /// Training length.
    pub steps: u64,
    /// Seed of everything random except the task's fixed data.
    pub seed: u64,
    /// The complete configuration, which determines the result.
    pub config: TrainConfig,
}

impl PlannedRun {
    /// The run's folder, relative to the sweep's.
    pub fn folder(&self) -> PathBuf {
        let arm: String =
            self.arm.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let steps = format!("{}-steps", self.steps);
        ["runs", self.task.name, &arm, &steps, &format!("seed-{}", self.seed)].iter().collect()
    }

    /// A description for people.
    pub fn describe(&self) -> String {
        format!("{}, {}, {} steps, seed {}", self.task.name, self.arm, self.steps, self.seed)
    }
}

impl Plan {
    /// The plan's file in a sweep's folder.
    pub fn file(folder: &Path) -> PathBuf {
        folder.join("sweep.toml")
    }

    /// Reads the plan in a sweep's folder.
    ///
    /// # Errors
    /// When there is no plan, or the file is damaged.
    pub fn read(folder: &Path) -> Result<Plan> {
        let path = Plan::file(folder);
        if !path.exists() {
            return Err(AblationError::NoSweep { folder: folder.to_owned() });
        }
        let text = std::fs::read_to_string(&path).map_err(|error| AblationError::io("read", &path, error))?;
        toml::from_str(&text).map_err(|error| AblationError::damaged(&path, error))
    }

    /// Writes the plan to a sweep's folder, which is created. Of several plans that are written at the same
    /// time, by the shards of a sweep, the folder keeps one.
    ///
    /// # Errors
    /// When the folder holds another plan, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|error| AblationError::io("create", folder, error))?;
        let is_new = write_new_atomically(&Plan::file(folder), toml::to_string(self)?.as_bytes())?;
        if is_new || Plan::read(folder)? == *self {
            return Ok(());
        }
        Err(AblationError::OtherSweep { folder: folder.to_owned() })
    }

    /// The studies, in report order.
    ///
    /// # Errors
    /// When a study is unknown.
    pub fn studies(&self) -> Result<Vec<&'static Study>> {
        self.studies.iter().map(|name| catalog::study(name)).collect()
    }

    /// The tasks and their budgets.
    ///
    /// # Errors
    /// When a task is unknown.
    pub fn tasks(&self) -> Result<Vec<(&'static Task, &[u64])>> {
        self.budgets.iter().map(|(name, budgets)| Ok((catalog::task(name)?, budgets.as_slice()))).collect()
    }

    /// The arms of a study in this sweep.
    ///
    /// # Errors
    /// When the task has no arms for the study.
    pub fn study_of(&self, study: &str, task: &Task) -> Result<catalog::TaskStudy> {
        let mut study = task.study(study)?.clone();
        study.arms.retain(|arm| arm.quick || !self.quick);
        Ok(study)
    }

    /// All runs, shorter ones first and arms next to each other, so that an interrupted sweep can be
    /// compared. Arms shared by several studies are trained once.
    ///
    /// # Errors
    /// When a name is unknown or a setting is invalid.
    pub fn runs(&self) -> Result<Vec<PlannedRun>> {
        let mut runs = Vec::new();
        for (task, budgets) in self.tasks()? {
            let arms = self.arms(task)?;
            for &steps in budgets {
                for seed in 0..self.seeds {
                    for arm in &arms {
                        let config = self.configure(task, arm, steps, seed)?;
                        runs.push(PlannedRun { task, arm: arm.clone(), steps, seed, config });
                    }
                }
            }
        }
        if runs.is_empty() {
            return Err(AblationError::NoRuns);
        }
        Ok(runs)
    }

    /// The plan with budgets multiplied by `scale`, rounded down to tens.
    pub fn scaled(&self, scale: f64) -> Plan {
        const STEP: u64 = 10;
        let mut plan = self.clone();
        for budgets in plan.budgets.values_mut() {
            for steps in budgets.iter_mut() {
                *steps = ((*steps as f64 * scale) as u64 / STEP * STEP).max(STEP);
            }
            budgets.dedup();
        }
        plan
    }

    /// The task's arms in this sweep, in the order in which studies name them.
    ///
    /// # Errors
    /// When the task has no arms for a study.
    pub fn arms(&self, task: &Task) -> Result<Vec<String>> {
        let (mut arms, mut seen) = (Vec::new(), BTreeSet::new());
        for study in &self.studies {
            for arm in self.study_of(study, task)?.arms {
                if seen.insert(arm.arm.clone()) {
                    arms.push(arm.arm);
                }
            }
        }
        Ok(arms)
    }

    /// The configuration of one run.
    ///
    /// # Errors
    /// When a setting is invalid.
    pub fn configure(&self, task: &Task, arm: &str, steps: u64, seed: u64) -> Result<TrainConfig> {
        let mut settings = self.settings.clone();
        settings.push(format!("seed={seed}"));
        settings.push(format!("schedule.steps={steps}"));
        settings.push(format!("schedule.evaluate_every={}", steps.div_ceil(EVALUATIONS)));
        settings.extend(task.canvas_seed.map(|first| format!("data.canvases.seed={}", first + seed)));
        task.configure(arm, &settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            studies: vec!["kernel".into(), "grid".into(), "center".into()],
            quick: true,
            seeds: 3,
            settings: vec!["optimizer.learning_rate=0.002".into()],
            budgets: [("long-range".into(), vec![600, 1200])].into(),
        }
    }

    #[test]
    fn shared_arms_run_once_and_folders_differ() {
        let runs = plan().runs().unwrap();
        // Four kernels, dense and reversed, center 1; all three studies share peripheral 47.
        assert_eq!(runs.len(), 7 * 3 * 2);
        let folders: BTreeSet<_> = runs.iter().map(PlannedRun::folder).collect();
        assert_eq!(folders.len(), runs.len());
        assert!(folders.contains(Path::new("runs/long-range/peripheral_47/1200-steps/seed-2")));
    }

    #[test]
    fn runs_differ_in_arm_steps_and_seed_only() {
        let runs = plan().runs().unwrap();
        let run = |arm: &str, steps, seed| {
            let found = |run: &&PlannedRun| run.arm == arm && run.steps == steps && run.seed == seed;
            runs.iter().find(found).unwrap().config.clone()
        };
        let (a, mut b) = (run("dense 47", 600, 1), run("peripheral 47", 600, 1));
        assert_eq!(
            (a.seed, a.data.canvases.seed, a.schedule.steps, a.schedule.evaluate_every),
            (1, 1001, 600, 100)
        );
        assert_eq!(a.optimizer.learning_rate, 0.002);
        assert_ne!(a.model, b.model);
        b.model = a.model.clone();
        assert_eq!(a, b);
        assert_eq!(run("dense 47", 1200, 1).data, a.data);
    }

    #[test]
    fn budgets_scale_in_tens_and_stay_above_nothing() {
        let budgets = |scale| plan().scaled(scale).budgets["long-range"].clone();
        assert_eq!(budgets(0.5), [300, 600]);
        assert_eq!(budgets(0.123), [70, 140]);
        assert_eq!(budgets(1e-9), [10]);
    }

    #[test]
    fn a_folder_keeps_one_plan() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("sweep");
        assert!(Plan::read(&folder).unwrap_err().to_string().contains("holds no sweep"));
        plan().write(&folder).unwrap();
        assert_eq!(Plan::read(&folder).unwrap(), plan());
        plan().write(&folder).unwrap();
        let other = Plan { seeds: 4, ..plan() };
        assert!(other.write(&folder).unwrap_err().to_string().contains("holds another sweep"));
    }

    #[test]
    fn of_different_plans_at_the_same_time_a_folder_keeps_one() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let folder = folder.path().join(round.to_string());
            let start = std::sync::Barrier::new(4);
            let write = |seeds: u64| {
                start.wait();
                Plan { seeds, ..plan() }.write(&folder)
            };
            // Two shards with each of two plans.
            let kept: Vec<(u64, Result<()>)> = std::thread::scope(|scope| {
                let shards = [1, 2, 1, 2].map(|seeds| scope.spawn(move || (seeds, write(seeds))));
                shards.into_iter().map(|shard| shard.join().unwrap()).collect()
            });
            let plan = Plan::read(&folder).unwrap();
            for (seeds, written) in kept {
                match written {
                    Ok(()) => assert_eq!(seeds, plan.seeds),
                    Err(AblationError::OtherSweep { .. }) => assert_ne!(seeds, plan.seeds),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}
