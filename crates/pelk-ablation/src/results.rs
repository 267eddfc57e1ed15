//! Reading the measurements of a sweep's runs.

use crate::error::{AblationError, Result};
use crate::plan::{Plan, PlannedRun};
use pelk_train::{GroupResult, GroupScores, Metric, MetricsRow, Run, Scores, metrics};
use std::path::{Path, PathBuf};

/// A group of labels or objects, and what is measured in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Accuracy or average precision.
    pub metric: Metric,
}

impl Group {
    fn of(result: &GroupResult) -> Group {
        let metric = match result.scores {
            GroupScores::Labels { .. } => Metric::Accuracy,
            GroupScores::Objects { .. } => Metric::BoxAp,
        };
        Group { name: result.name.clone(), metric }
    }

    /// The name of its metric among [`FinishedRun::values`].
    pub fn value_name(&self) -> String {
        format!("{} {}", self.metric.name(), self.name)
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// The planned run.
    pub plan: PlannedRun,
    /// Its evaluations; the last is from the end of training.
    pub rows: Vec<MetricsRow>,
    /// Final results of each group; empty if the dataset has no groups.
    pub groups: Vec<GroupResult>,
}

impl FinishedRun {
    /// The evaluation at the end, which every finished run has.
    fn last(&self) -> Option<&MetricsRow> {
        self.rows.last()
    }

    /// Final measurements, as metric and value, starting with the metric that arms are compared by;
    /// accuracies and mIoU are shares, and `None` where nothing was counted.
    pub fn values(&self) -> Vec<(String, Option<f64>)> {
        let metric = self.plan.config.metric();
        let last = self.last().into_iter();
        let whole = last.flat_map(|row| {
            let loss = match row.test {
                Scores::Labels(scores) => Some(("loss".to_owned(), scores.loss)),
                Scores::Objects(_) => None,
            };
            let network = std::iter::once((metric.name().to_owned(), metric.of(&row.test))).chain(loss);
            let ema = row.ema.map(|scores| (format!("EMA {}", metric.name()), metric.of(&scores)));
            network.chain(ema)
        });
        let groups = self.groups.iter().map(|group| (Group::of(group).value_name(), group.score()));
        whole.chain(groups).collect()
    }

    /// Its groups.
    pub fn groups(&self) -> Vec<Group> {
        self.groups.iter().map(Group::of).collect()
    }

    /// The final value of one metric.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.values().into_iter().find(|(name, _)| name == metric)?.1
    }

    /// Seconds of training, evaluations excluded.
    pub fn seconds(&self) -> f64 {
        let images = self.plan.config.batch.images_per_step() as f64;
        let before = std::iter::once(0).chain(self.rows.iter().map(|row| row.step));
        let parts = self.rows.iter().zip(before);
        parts.map(|(row, before)| (row.step - before) as f64 * images / row.images_per_second).sum()
    }
}

/// The finished runs of a plan.
#[derive(Debug)]
pub struct Results {
    /// The plan.
    pub plan: Plan,
    /// The finished runs, in plan order.
    pub finished: Vec<FinishedRun>,
    /// Number of planned runs.
    pub planned: usize,
}

impl Results {
    /// The results in a sweep's folder, or in several folders with parts of one sweep.
    ///
    /// # Errors
    /// When a folder holds no sweep or a different one, or a run's file is damaged.
    pub fn read(folders: &[PathBuf]) -> Result<Results> {
        let Some((first, others)) = folders.split_first() else { return Err(AblationError::NoRuns) };
        let plan = Plan::read(first)?;
        if let Some(other) = others.iter().find(|other| Plan::read(other).ok().as_ref() != Some(&plan)) {
            return Err(AblationError::DifferentSweeps { first: first.clone(), second: other.clone() });
        }
        let runs = plan.runs()?;
        let planned = runs.len();
        let mut finished = Vec::new();
        for run in runs {
            for folder in folders {
                if let Some(run) = read_run(&run, folder)? {
                    finished.push(run);
                    break;
                }
            }
        }
        Ok(Results { plan, finished, planned })
    }

    /// Whether all planned runs are finished.
    pub fn complete(&self) -> bool {
        self.finished.len() == self.planned
    }
}

/// The sweep folders under `folder`: itself, or its subfolders.
///
/// # Errors
/// When there are none.
pub fn sweeps_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if Plan::file(folder).exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| AblationError::io("read", folder, error))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| Plan::file(path).exists())
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(AblationError::NoSweep { folder: folder.to_owned() });
    }
    Ok(found)
}

/// The run in a sweep's folder, if it is finished.
fn read_run(plan: &PlannedRun, sweep: &Path) -> Result<Option<FinishedRun>> {
    let folder = sweep.join(plan.folder());
    if !Run::exists(&folder) {
        return Ok(None);
    }
    let rows = metrics::read(&folder.join("metrics.csv"))?;
    if rows.last().is_none_or(|row| row.step != plan.steps) {
        return Ok(None);
    }
    let groups = metrics::read_groups(&folder.join("groups.csv"))?;
    let last = groups.into_iter().filter(|row| row.step == plan.steps);
    let groups = last.map(|row| row.group).collect();
    Ok(Some(FinishedRun { plan: plan.clone(), rows, groups }))
}
