//! The studies and tasks that come with the crate, as data. To add a study: an entry in `studies/studies.toml` and
//! its arms in the file of each task that can answer it. To add a task: a file beside these, and its line in
//! [`TASKS`].

use crate::error::{AblationError, Result};
use pelk_models::nearest;
use pelk_train::presets;
use pelk_train::{Metric, TrainConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A question, and what the paper printed about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Its name on the command line.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What the labels of its arms are of, where they do not say so themselves.
    #[serde(default)]
    noun: String,
    /// The question.
    pub question: String,
    /// A table of the paper.
    pub paper: Option<PaperTable>,
}

/// Accuracies that the paper printed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// The table, and in which setting it was made.
    pub caption: String,
    /// What was trained, and its accuracy in percent. A label that a study's arm has too is that arm's counterpart.
    pub rows: Vec<(String, f64)>,
}

impl Study {
    /// An arm's label in a sentence.
    pub fn named(&self, label: &str) -> String {
        format!("{} {label}", self.noun).trim_start().to_owned()
    }
}

impl PaperTable {
    /// The paper's accuracy of the counterpart of an arm, in percent.
    pub fn accuracy(&self, label: &str) -> Option<f64> {
        self.rows.iter().find(|(name, _)| name == label).map(|(_, accuracy)| *accuracy)
    }
}

/// What arms are trained on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name on the command line.
    #[serde(skip)]
    pub name: &'static str,
    /// The preset that arms are changes of.
    pub preset: String,
    /// What it is, for readers of reports.
    pub about: String,
    /// Accuracy of guessing, or the mIoU of the best single class.
    pub chance: f64,
    /// Changes for all arms, as `--set` takes them.
    pub settings: Vec<String>,
    /// Lengths of training, in steps, unless the command line says otherwise: the shorter and the longer.
    pub budgets: [u64; 2],
    /// The same for quick versions.
    pub quick_budgets: [u64; 2],
    /// Seed of the canvases of seed 0, where they are composed; those of seed 1 have the next. Seeds that nobody looked at
    /// while choosing the preset.
    pub canvas_seed: Option<u64>,
    /// What each arm changes.
    arms: BTreeMap<String, Vec<String>>,
    /// The arms that answer each study's question.
    studies: BTreeMap<String, TaskStudy>,
}

/// A study on a task.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskStudy {
    /// The label of the arm that others are compared with, where they do not name one themselves.
    pub reference: Option<String>,
    /// What the arms' `x` is; without it, arms are categories.
    pub axis: Option<String>,
    /// The arms, in the order of tables.
    pub arms: Vec<StudyArm>,
}

/// An arm in a study. Studies may share arms, which are then trained once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyArm {
    /// Its name in this study.
    pub label: String,
    /// The arm of the task.
    pub arm: String,
    /// Its place on the study's axis.
    pub x: Option<f64>,
    /// The line that joins it with others in plots.
    pub series: Option<String>,
    /// The label of the arm that it is compared with, instead of the study's reference.
    pub against: Option<String>,
    /// Whether it belongs to the quick version of the study.
    #[serde(default)]
    pub quick: bool,
}

impl TaskStudy {
    /// The label of the arm that `arm` is compared with, if any.
    pub fn compared_with<'a>(&'a self, arm: &'a StudyArm) -> Option<&'a str> {
        arm.against.as_deref().or(self.reference.as_deref()).filter(|other| *other != arm.label)
    }
}

impl Task {
    /// The arms of a study in this task.
    ///
    /// # Errors
    /// When the task has no arms for it: names the tasks that have.
    pub fn study(&self, name: &str) -> Result<&TaskStudy> {
        self.studies.get(name).ok_or_else(|| {
            let able = TASKS.iter().filter(|task| task.studies.contains_key(name)).map(|task| task.name);
            let able = able.collect::<Vec<_>>().join(", ");
            AblationError::NoArms { study: name.to_owned(), task: self.name, able }
        })
    }

    /// What an arm changes in the task's preset, as `--set` takes it.
    ///
    /// # Errors
    /// When there is no such arm.
    pub fn settings_of(&self, arm: &str) -> Result<Vec<String>> {
        let missing = || AblationError::NoArm { task: self.name, arm: arm.to_owned() };
        let own = self.arms.get(arm).ok_or_else(missing)?;
        Ok(self.settings.iter().chain(own).cloned().collect())
    }
}

/// The studies, in the order of reports.
pub static STUDIES: LazyLock<Vec<Study>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        studies: Vec<Study>,
    }
    let file: File = toml::from_str(include_str!("../studies/studies.toml")).expect(OWN_FILE);
    file.studies
});

/// The tasks; the first is the default.
pub static TASKS: LazyLock<Vec<Task>> = LazyLock::new(|| {
    let files = [
        ("long-range", include_str!("../studies/long-range.toml")),
        ("fashion-mnist", include_str!("../studies/fashion-mnist.toml")),
        ("scenes", include_str!("../studies/scenes.toml")),
    ];
    files.into_iter().map(|(name, text)| Task { name, ..toml::from_str(text).expect(OWN_FILE) }).collect()
});

/// Why a file of the catalog cannot be wrong in a program that was tested.
const OWN_FILE: &str = "the program's own files are read by its tests";

/// The study called `name`.
///
/// # Errors
/// Names the nearest study when there is none.
pub fn study(name: &str) -> Result<&'static Study> {
    let names = || STUDIES.iter().map(|study| study.name.as_str());
    let unknown = || unknown("study", name, &names().collect::<Vec<_>>());
    STUDIES.iter().find(|study| study.name == name).ok_or_else(unknown)
}

/// The task called `name`.
///
/// # Errors
/// Names the nearest task when there is none.
pub fn task(name: &str) -> Result<&'static Task> {
    let unknown = || unknown("task", name, &TASKS.iter().map(|task| task.name).collect::<Vec<_>>());
    TASKS.iter().find(|task| task.name == name).ok_or_else(unknown)
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> AblationError {
    let nearest = nearest(name, known.iter().copied()).unwrap_or_default().to_owned();
    AblationError::Unknown { what, name: name.to_owned(), nearest, known: known.join(", ") }
}

impl Task {
    /// What its arms are compared by.
    ///
    /// # Errors
    /// When the preset makes no configuration.
    pub fn metric(&self) -> Result<Metric> {
        let preset = presets::find(&self.preset)?;
        Ok(TrainConfig::parse(preset.name, preset.text, &self.settings)?.metric())
    }

    /// The configuration of an arm's preset with these further settings.
    ///
    /// # Errors
    /// When a setting makes no configuration.
    pub fn configure(&self, arm: &str, further: &[String]) -> Result<TrainConfig> {
        let preset = presets::find(&self.preset)?;
        let mut settings = self.settings_of(arm)?;
        settings.extend_from_slice(further);
        let run = || format!("arm {arm:?} of task {}", self.name);
        TrainConfig::parse(&format!("preset {}", preset.name), preset.text, &settings)
            .map_err(|source| AblationError::Run { run: run(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::zoo;

    #[test]
    fn all_files_parse() {
        assert_eq!(STUDIES.len(), 9);
        assert_eq!(
            TASKS.iter().map(|task| task.name).collect::<Vec<_>>(),
            ["long-range", "fashion-mnist", "scenes"]
        );
    }

    #[test]
    fn every_arm_makes_a_network_and_no_two_are_the_same() {
        for task in TASKS.iter() {
            let mut seen: Vec<(String, (pelk_models::NetworkConfig, pelk_train::SparsityConfig))> =
                Vec::new();
            for arm in task.arms.keys() {
                let config = task.configure(arm, &[]).unwrap();
                let network = (zoo::configure(&config.model, 3, 5).unwrap(), config.sparsity);
                let same = seen.iter().find(|(_, other)| *other == network);
                assert!(same.is_none(), "{}: {arm} is {:?}", task.name, same.map(|(name, _)| name));
                seen.push((arm.clone(), network));
            }
        }
    }

    #[test]
    fn studies_use_all_arms_and_compare_with_arms_that_exist() {
        for task in TASKS.iter() {
            let mut unused: Vec<&String> = task.arms.keys().collect();
            for (name, study) in &task.studies {
                assert!(super::study(name).is_ok(), "{name}");
                for arm in &study.arms {
                    // A chart has a line an arm, and one for guessing.
                    let joined = study.arms.iter().filter(|other| other.series == arm.series).count();
                    assert!(
                        joined < pelk_report::chart::MOST_SERIES,
                        "{name}: {joined} arms are too many for a chart"
                    );
                }
                for arm in &study.arms {
                    assert!(task.arms.contains_key(&arm.arm), "{name}: {}", arm.arm);
                    assert_eq!(arm.x.is_some(), study.axis.is_some(), "{name}: {}", arm.label);
                    unused.retain(|other| **other != arm.arm);
                    if let Some(other) = study.compared_with(arm) {
                        let found = study.arms.iter().find(|arm| arm.label == other);
                        assert!(found.is_some_and(|found| found.quick || !arm.quick), "{name}: {other}");
                    }
                }
            }
            assert!(unused.is_empty(), "{}: {unused:?}", task.name);
        }
    }

    #[test]
    fn the_paper_s_rows_meet_their_arms() {
        let labels = |study: &str| {
            let arms = &task("long-range").unwrap().study(study).unwrap().arms;
            arms.iter().map(|arm| arm.label.clone()).collect::<Vec<_>>()
        };
        for name in ["grid", "center"] {
            let paper = study(name).unwrap().paper.as_ref().unwrap();
            assert!(labels(name).iter().all(|label| paper.accuracy(label).is_some()), "{name}");
        }
    }

    #[test]
    fn misspelled_names_get_the_nearest_one() {
        assert!(study("center").unwrap_err().to_string().contains("\"center\"?"));
        assert!(task("longrange").unwrap_err().to_string().contains("\"long-range\"?"));
    }
}
