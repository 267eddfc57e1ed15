//! The results of one study on one task, as reports use them.

use crate::catalog::{StudyArm, Task, TaskStudy};
use crate::cost::{ArmCost, Costs};
use crate::error::Result;
use crate::results::{FinishedRun, Group, Results};
use crate::statistics::{Difference, Summary};
use pelk_train::Metric;

/// A study on a task.
pub struct StudyView<'a> {
    /// The task.
    pub task: &'static Task,
    /// The metric that arms are compared by.
    pub metric: Metric,
    /// The study, with its arms in this sweep.
    pub study: TaskStudy,
    /// Training lengths, ascending.
    pub budgets: Vec<u64>,
    /// Its arms, in the study's order.
    pub arms: Vec<ArmView<'a>>,
}

/// An arm of a study.
pub struct ArmView<'a> {
    /// Its entry in the catalog.
    pub arm: StudyArm,
    /// Its cost, if measured.
    pub cost: Option<ArmCost>,
    metric: Metric,
    task: &'static Task,
    results: &'a Results,
}

/// Arms joined by a line in charts.
pub struct Line<'a> {
    /// Its name, if the study has several lines.
    pub name: Option<String>,
    /// The arms.
    pub arms: Vec<&'a ArmView<'a>>,
}

impl Line<'_> {
    /// The title of a chart of this line.
    pub fn title(&self, title: &str) -> String {
        self.name.as_ref().map_or_else(|| title.to_owned(), |name| format!("{title}: {name}"))
    }

    /// Suffix that distinguishes its files from those of other lines.
    pub fn suffix(&self) -> String {
        self.name.as_ref().map_or_else(String::new, |name| format!("-{name}"))
    }
}

impl<'a> StudyView<'a> {
    /// One study's part of the results.
    ///
    /// # Errors
    /// When the task has no arms for the study.
    pub fn new(
        results: &'a Results,
        costs: &Costs,
        study: &str,
        task: &'static Task,
        budgets: &[u64],
    ) -> Result<StudyView<'a>> {
        let (study, metric) = (results.plan.study_of(study, task)?, task.metric()?);
        let arm = |arm: &StudyArm| ArmView {
            arm: arm.clone(),
            cost: costs.of(task.name, &arm.arm).cloned(),
            metric,
            task,
            results,
        };
        let arms = study.arms.iter().map(arm).collect();
        let mut budgets = budgets.to_vec();
        budgets.sort_unstable();
        Ok(StudyView { task, metric, study, budgets, arms })
    }

    /// The longest training length.
    pub fn longest(&self) -> u64 {
        self.budgets.last().copied().unwrap_or(0)
    }

    /// The ticks of the study's axis.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for x in self.arms.iter().filter_map(|arm| arm.arm.x) {
            if ticks.iter().all(|(other, _)| *other != x) {
                ticks.push((x, x.to_string()));
            }
        }
        ticks
    }

    /// The arms by line, in the study's order; a single line if the study names none.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut lines: Vec<Line> = Vec::new();
        for arm in &self.arms {
            match lines.iter_mut().find(|line| line.name == arm.arm.series) {
                Some(line) => line.arms.push(arm),
                None => lines.push(Line { name: arm.arm.series.clone(), arms: vec![arm] }),
            }
        }
        lines
    }

    /// The groups of labels or objects; empty if the task has none.
    pub fn groups(&self) -> Vec<Group> {
        let run = self.arms.iter().flat_map(ArmView::runs).next();
        run.map(FinishedRun::groups).unwrap_or_default()
    }

    /// An arm's difference in the metric from the arm that it is compared with, and that arm's label.
    pub fn difference(&self, arm: &ArmView, steps: u64) -> Option<(&str, Difference)> {
        let label = self.study.compared_with(&arm.arm)?;
        let other = self.arms.iter().find(|other| other.arm.label == label)?;
        let [of, and] = [arm, other].map(|arm| arm.values(steps, self.metric.name()));
        let difference = Difference::between(&of, &and)?;
        Some((&other.arm.label, difference))
    }
}

impl ArmView<'_> {
    fn runs(&self) -> impl Iterator<Item = &FinishedRun> {
        let wanted =
            |run: &&FinishedRun| run.plan.task.name == self.task.name && run.plan.arm == self.arm.arm;
        self.results.finished.iter().filter(wanted)
    }

    /// A metric by seed.
    fn values(&self, steps: u64, metric: &str) -> Vec<(u64, f64)> {
        let runs = self.runs().filter(|run| run.plan.steps == steps);
        runs.filter_map(|run| Some((run.plan.seed, run.value(metric)?))).collect()
    }

    /// A metric over the seeds; `None` if no run is finished.
    pub fn summary(&self, steps: u64, metric: &str) -> Option<Summary> {
        let values: Vec<f64> = self.values(steps, metric).into_iter().map(|(_, value)| value).collect();
        Summary::of(&values)
    }

    /// The compared metric over the seeds.
    pub fn score(&self, steps: u64) -> Option<Summary> {
        self.summary(steps, self.metric.name())
    }

    /// The compared metric during training, over the seeds evaluated at each step.
    pub fn curve(&self, steps: u64) -> Vec<(u64, Summary)> {
        let runs: Vec<_> = self.runs().filter(|run| run.plan.steps == steps).collect();
        let Some(first) = runs.first() else { return Vec::new() };
        let at = |step: u64| {
            let rows = runs.iter().filter_map(|run| run.rows.iter().find(|row| row.step == step));
            let values: Vec<f64> = rows.filter_map(|row| self.metric.of(&row.test)).collect();
            let summary = Summary::of(&values)?;
            // Error bars would hide the lines.
            Some((step, Summary { deviation: None, ..summary }))
        };
        first.rows.iter().filter_map(|row| at(row.step)).collect()
    }
}
