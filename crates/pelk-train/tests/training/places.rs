//! Training on images with one class per square.

use crate::common::Recorder;
use pelk_autodiff::CpuBackend;
use pelk_data::{DataError, Dataset, Labeling, NO_GROUP, Normalization, Properties, Sample};
use pelk_train::{Datasets, GroupResult, GroupScores, Limits, StepDetail, TrainConfig, Trainer};
use std::sync::Arc;

/// 8 x 8 images of 2 x 2 squares, each black (background), dark (class 1) or bright (class 2).
struct Places {
    properties: Properties,
}

impl Places {
    fn new() -> Arc<Places> {
        let classes = ["black", "dark", "bright"].map(str::to_owned).to_vec();
        let statistics = Normalization { mean: vec![0.4], std: vec![0.3] };
        let properties = Properties {
            image_size: Some([8, 8]),
            labeling: Labeling::Pixels { stride: 4 },
            background: Some(0),
            groups: ["left", "right"].map(str::to_owned).to_vec(),
            ..Properties::new(1, classes, statistics)
        };
        Arc::new(Places { properties })
    }
}

impl Dataset for Places {
    fn len(&self) -> usize {
        81
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let labels: Vec<u32> = (0..4).map(|place| (index as u32 / 3_u32.pow(place)) % 3).collect();
        let pixels: Vec<u8> =
            (0..64).map(|pixel| 100 * labels[pixel / 32 * 2 + pixel % 8 / 4] as u8).collect();
        let groups = labels.iter().enumerate();
        let groups: Vec<u8> =
            groups.map(|(place, &label)| if label == 0 { NO_GROUP } else { (place % 2) as u8 }).collect();
        Ok(Sample { groups: groups.into(), ..Sample::new([8, 8], pixels, labels) })
    }
}

const TEXT: &str = r#"
    model.name = "pelk_atto"
    model.depths = [1]
    model.widths = [16]
    model.kernels = [3]
    model.stem_stride = 4
    model.position = "none"
    data.dataset = "places"
    data.augmentation = { crop_padding = 0, flip_probability = 0.0, erasing_probability = 0.0 }
    batch = { size = 9, evaluation_size = 40 }
    loss = { label_smoothing = 0.0, background_weight = 0.5 }
    schedule = { epochs = 6, warmup_epochs = 0.5 }
    optimizer.learning_rate = 0.01
"#;

fn trainer(settings: &[&str]) -> pelk_train::Result<Trainer<CpuBackend>> {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    let datasets = Datasets { train: Places::new(), test: Places::new() };
    Trainer::new(CpuBackend::new().unwrap(), TrainConfig::parse("test", TEXT, &settings)?, datasets)
}

#[test]
fn every_place_is_learned_and_measured_but_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    trainer(&[]).unwrap().run(Limits::default(), &mut recorder).unwrap();
    let last = recorder.evaluations.last().unwrap().labels().unwrap();
    let accuracies = (last.confusion.accuracy(), last.top5_accuracy);
    assert_eq!(accuracies, (Some(1.0), Some(1.0)), "places are told apart by their brightness");
    // A third of the 81 x 4 squares is black.
    assert_eq!([0, 1, 2].map(|class| last.confusion.labels(class)), [0, 108, 108]);
    let scores = GroupScores::Labels { correct: 108 };
    let group = |name: &str| GroupResult { name: name.into(), count: 108, scores };
    assert_eq!(last.groups, ["left", "right"].map(group));
    assert_eq!(recorder.reports.last().unwrap().detail, StepDetail::Accuracy(Some(1.0)));
}

#[test]
fn the_background_is_no_choice() {
    // The network learns to predict nothing else, and is measured by its second choice.
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    trainer(&["loss.background_weight=1000"]).unwrap().run(Limits::default(), &mut recorder).unwrap();
    let last = recorder.evaluations.last().unwrap().labels().unwrap();
    assert_eq!((last.confusion.predictions(0), last.confusion.total()), (0, 216));
}

#[test]
fn what_does_not_fit_is_refused() {
    let text = |settings: &[&str]| trainer(settings).err().unwrap().to_string();
    let message = text(&["model.stem_stride=2"]);
    assert!(
        message.contains("[4, 4]") && message.contains("[2, 2]") && message.contains("stem_stride"),
        "{message}"
    );
    assert!(text(&["data.augmentation.crop_padding=1"]).contains("crop_padding"));
    assert!(text(&["loss.background_weight=-1"]).contains("loss.background_weight"));
}
