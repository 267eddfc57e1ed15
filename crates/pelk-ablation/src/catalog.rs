//! The built-in studies and tasks, as data. To add a study, add an entry to `studies/studies.toml` and its
//! arms to the file of each task that can answer it. To add a task, add a file beside these and a line in
//! [`TASKS`].

use crate::error::{AblationError, Result};
use pelk_models::nearest;
use pelk_train::presets;
use pelk_train::{Metric, TrainConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A question, and the paper's results for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Its name on the command line.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// Noun before its arm labels ("kernel 47"); empty if the labels need none.
    #[serde(default)]
    noun: String,
    /// The question.
    pub question: String,
    /// The paper's table.
    pub paper: Option<PaperTable>,
}

/// Accuracies printed in the paper.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// The table and its setting.
    pub caption: String,
    /// What was trained, and its accuracy in percent. A study's arm with the same label is its counterpart.
    pub rows: Vec<(String, f64)>,
}

impl Study {
    /// An arm's label, for use in a sentence.
    pub fn named(&self, label: &str) -> String {
        format!("{} {label}", self.noun).trim_start().to_owned()
    }
}

impl PaperTable {
    /// The paper's accuracy for the counterpart of an arm, in percent.
    pub fn accuracy(&self, label: &str) -> Option<f64> {
        self.rows.iter().find(|(name, _)| name == label).map(|(_, accuracy)| *accuracy)
    }
}

/// The data and recipe that arms are trained with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name on the command line.
    #[serde(skip)]
    pub name: &'static str,
    /// The preset that all arms start from.
    pub preset: String,
    /// Description for readers of reports.
    pub about: String,
    /// Accuracy of guessing, or the mIoU of always predicting the best single class.
    pub chance: f64,
    /// Settings for all arms, as `key.path=value`.
    pub settings: Vec<String>,
    /// Default training lengths in steps, short and long.
    pub budgets: [u64; 2],
    /// The same for quick versions.
    pub quick_budgets: [u64; 2],
    /// For composed canvases, the canvas seed of seed 0; seed 1 uses the next, and so on. Nobody looked at
    /// these seeds while choosing the preset.
    pub canvas_seed: Option<u64>,
    /// Settings of each arm.
    arms: BTreeMap<String, Vec<String>>,
    /// The arms that answer each study.
    studies: BTreeMap<String, TaskStudy>,
}

/// A study's arms on one task.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskStudy {
    /// Label of the arm that the others are compared with, unless they name one themselves.
    pub reference: Option<String>,
    /// Label of the horizontal axis, for arms with `x`; without it, arms are categories.
    pub axis: Option<String>,
    /// The arms, in table order.
    pub arms: Vec<StudyArm>,
}

/// An arm in a study. Arms shared by several studies are trained once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyArm {
    /// Its name in this study.
    pub label: String,
    /// Its name in the task.
    pub arm: String,
    /// Its position on the study's axis.
    pub x: Option<f64>,
    /// The line that it belongs to in plots.
    pub series: Option<String>,
    /// Label of the arm that it is compared with, in place of the study's reference.
    pub against: Option<String>,
    /// Whether it is part of the study's quick version.
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
    /// A study's arms in this task.
    ///
    /// # Errors
    /// When the task has no arms for the study; the message names the tasks that do.
    pub fn study(&self, name: &str) -> Result<&TaskStudy> {
        self.studies.get(name).ok_or_else(|| {
            let able = TASKS.iter().filter(|task| task.studies.contains_key(name)).map(|task| task.name);
            let able = able.collect::<Vec<_>>().join(", ");
            AblationError::NoArms { study: name.to_owned(), task: self.name, able }
        })
    }

    /// All settings of an arm, on top of the task's preset, as `key.path=value`.
    ///
    /// # Errors
    /// When there is no such arm.
    pub fn settings_of(&self, arm: &str) -> Result<Vec<String>> {
        let missing = || AblationError::NoArm { task: self.name, arm: arm.to_owned() };
        let own = self.arms.get(arm).ok_or_else(missing)?;
        Ok(self.settings.iter().chain(own).cloned().collect())
    }
}

/// All studies, in report order.
pub static STUDIES: LazyLock<Vec<Study>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        studies: Vec<Study>,
    }
    let file: File = toml::from_str(include_str!("../studies/studies.toml")).expect(OWN_FILE);
    file.studies
});

/// All tasks; the first is the default.
pub static TASKS: LazyLock<Vec<Task>> = LazyLock::new(|| {
    let files = [
        ("long-range", include_str!("../studies/long-range.toml")),
        ("fashion-mnist", include_str!("../studies/fashion-mnist.toml")),
        ("scenes", include_str!("../studies/scenes.toml")),
        ("scenes-detection", include_str!("../studies/scenes-detection.toml")),
    ];
    files.into_iter().map(|(name, text)| Task { name, ..toml::from_str(text).expect(OWN_FILE) }).collect()
});

/// Why a catalog file cannot be wrong in a tested program.
const OWN_FILE: &str = "the program's own files are read by its tests";

/// The study called `name`.
///
/// # Errors
/// When there is no such study; the message names the nearest one.
pub fn study(name: &str) -> Result<&'static Study> {
    let names = || STUDIES.iter().map(|study| study.name.as_str());
    let unknown = || unknown("study", name, &names().collect::<Vec<_>>());
    STUDIES.iter().find(|study| study.name == name).ok_or_else(unknown)
}

/// The task called `name`.
///
/// # Errors
/// When there is no such task; the message names the nearest one.
pub fn task(name: &str) -> Result<&'static Task> {
    let unknown = || unknown("task", name, &TASKS.iter().map(|task| task.name).collect::<Vec<_>>());
    TASKS.iter().find(|task| task.name == name).ok_or_else(unknown)
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> AblationError {
    let nearest = nearest(name, known.iter().copied()).unwrap_or_default().to_owned();
    AblationError::Unknown { what, name: name.to_owned(), nearest, known: known.join(", ") }
}

impl Task {
    /// The metric that its arms are compared by.
    ///
    /// # Errors
    /// When the preset is invalid.
    pub fn metric(&self) -> Result<Metric> {
        let preset = presets::find(&self.preset)?;
        Ok(TrainConfig::parse(preset.name, preset.text, &self.settings)?.metric())
    }

    /// The configuration of an arm with further settings.
    ///
    /// # Errors
    /// When a setting is invalid.
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
            ["long-range", "fashion-mnist", "scenes", "scenes-detection"]
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
                    // A chart has one line per arm and one for guessing.
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
        assert!(study("centr").unwrap_err().to_string().contains("\"center\"?"));
        assert!(task("longrange").unwrap_err().to_string().contains("\"long-range\"?"));
    }
}
