//! Failures of a run, and resuming: every error names the file and the reason, and nothing is lost.

use crate::common::{
    Recorder, config, datasets, images, message_of, restored, run_with_rows, train, trainer,
};
use ndarray::ArrayD;
use pelk_autodiff::CpuBackend;
use pelk_models::{NetworkConfig, WeightsFile};
use pelk_train::{Checkpoint, Datasets, Limits, Run, TrainConfig, TrainError, Trainer};
use std::path::Path;

#[test]
fn a_run_that_diverges_ends_before_it_spoils_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let mut trainer = trainer(config(&["optimizer.learning_rate=1e30", "schedule.warmup_epochs=0"]));
    let limits = Limits { checkpoint_every: Some(1), ..Limits::default() };
    let error = trainer.run(limits, &mut recorder).unwrap_err();
    let message = error.to_string();
    let TrainError::NotFinite { what, step, epoch, learning_rate, saved } = error else {
        panic!("{message}")
    };
    assert!(what.starts_with("the loss") || what.starts_with("the gradient of "), "{what}");
    assert_eq!((step, epoch, saved), (trainer.step() + 1, 1, Some(trainer.step())));
    assert!(message.contains(&format!("checkpoint, of step {}, is good", step - 1)), "{message}");
    assert!((0.9e30..=1e30).contains(&learning_rate), "{learning_rate}");
    for part in [what.as_str(), &format!("step {step}"), "e29", "optimizer.learning_rate"] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    for (name, tensor) in trainer.checkpoint().unwrap().tensors {
        assert!(tensor.iter().all(|value| value.is_finite()), "{name} is not finite");
    }
    let last = Checkpoint::read(&recorder.last()).unwrap();
    assert_eq!(last.description.step, step - 1);
    assert_eq!(last.tensors, trainer.checkpoint().unwrap().tensors);
}

#[test]
fn a_step_that_overflows_the_parameters_is_never_saved() {
    // The first step's update exceeds the largest float, and the step ends the epoch.
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let settings = [
        "optimizer.learning_rate=1e300",
        "schedule.warmup_epochs=0",
        "batch.size=53",
        "data.mix.probability=0",
        "batch.accumulation=1",
    ];
    let error = trainer(config(&settings)).run(Limits::default(), &mut recorder).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { step: 1, saved: None, .. }), "{error}");
    assert!(error.to_string().contains("there is no checkpoint yet"), "{error}");
    assert!(!recorder.last().exists() && !recorder.best().exists());
}

/// Writes a checkpoint changed by `spoil`, and expects an error that contains these words.
fn refused(what: &str, checkpoint: &Checkpoint, spoil: impl FnOnce(&mut Checkpoint), words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spoilt.safetensors");
    let mut spoilt = checkpoint.clone();
    spoil(&mut spoilt);
    spoilt.write(&path).unwrap();
    let Err(error) = restored(config(&[]), &path) else { panic!("{what}: was accepted") };
    names(what, &error, &path, words);
}

fn names(what: &str, error: &TrainError, path: &Path, words: &[&str]) {
    let message = error.to_string();
    for part in words.iter().copied().chain([&*path.to_string_lossy()]) {
        assert!(message.contains(part), "{what}: {message:?} lacks {part:?}");
    }
}

#[test]
fn what_is_no_state_of_this_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 7);
    let good = Checkpoint::read(&recorder.last()).unwrap();
    restored(config(&[]), &recorder.last()).unwrap();

    let Err(error) = restored(config(&[]), &recorder.best()) else { panic!("a network alone was accepted") };
    names("a network alone", &error, &recorder.best(), &["network only", "last.safetensors"]);

    let another = |settings: &[&str]| trainer(config(settings)).checkpoint().unwrap();
    refused("another network", &another(&["model.name=pelk_femto"]), |_| (), &["pelk_femto", "pelk_atto"]);
    refused("another width", &another(&["model.widths=[8, 24]"]), |_| (), &["another network"]);
    for setting in ["seed=5", "optimizer.learning_rate=0.02", "schedule.epochs=5", "batch.size=8"] {
        refused(setting, &another(&[setting]), |_| (), &["another configuration"]);
    }
    // A parameter, a buffer, a moment, an average: missing, or with another shape.
    let theta = "stages.0.0.large.weight";
    let moment = format!("optimizer.second.{theta}");
    let average = format!("ema.{theta}");
    for name in [theta, "stages.1.1.small_bn.running_var", "optimizer.first.head.bias", &moment, &average] {
        refused(name, &good, |c| drop(c.tensors.remove(name)), &[&format!("{name:?}")]);
        let other = ArrayD::zeros(vec![2, 9]);
        refused(
            name,
            &good,
            |c| drop(c.tensors.insert(name.into(), other)),
            &[&format!("{name:?}"), "[2, 9]"],
        );
    }
    refused("no mask", &good, |c| drop(c.masks.remove(theta)), &["masks, but its metadata says"]);
    let other = ArrayD::from_elem(vec![2, 9], true);
    refused("another mask", &good, |c| drop(c.masks.insert(theta.into(), other)), &[theta, "[2, 9]"]);
    refused("too many steps", &good, |c| c.description.step = 25, &["25", "24"]);
    refused("other images", &good, |c| c.description.normalization.mean[0] += 0.1, &["other images"]);
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 1);
    let good = Checkpoint::read(&recorder.last()).unwrap();
    let network =
        |change: fn(&mut NetworkConfig)| move |c: &mut Checkpoint| change(&mut c.description.network);
    refused("classes", &good, |c| drop(c.description.classes.pop()), &["2", "3", "classes"]);
    refused("mean", &good, |c| c.description.normalization.mean.clear(), &["mean"]);
    refused("std", &good, |c| c.description.normalization.std[0] = 0.0, &["std"]);
    refused("channels", &good, |c| c.description.image[2] = 3, &["channels"]);
    refused("size", &good, |c| c.description.image = [1, 0, 1], &["1 x 0"]);
    refused("no stages", &good, network(|n| n.stages.clear()), &["depths"]);
    refused("stem", &good, network(|n| n.stem_stride = 3), &["stem_stride"]);
}

#[test]
fn files_of_other_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(config(&[]), folder.path(), 1);
    let path = recorder.last();
    let good = WeightsFile::read(&path).unwrap();
    let text = good.metadata.clone().unwrap();
    let with = |metadata: Option<&str>| {
        let file = WeightsFile {
            tensors: good.tensors.clone(),
            metadata: metadata.map(str::to_owned),
            ..WeightsFile::default()
        };
        std::fs::write(&path, file.to_bytes().unwrap()).unwrap();
        Checkpoint::read(&path).unwrap_err()
    };
    names("no metadata", &with(None), &path, &["no description"]);
    names("no JSON", &with(Some("hello")), &path, &["cannot be used"]);
    names("other JSON", &with(Some("{\"format\": \"pt\"}")), &path, &["format is missing", "reads format 4"]);
    names(
        "later format",
        &with(Some(&text.replacen("\"format\":4", "\"format\":5", 1))),
        &path,
        &["format is 5"],
    );
    names("unknown field", &with(Some(&text.replacen("\"step\":", "\"stepp\":", 1))), &path, &["stepp"]);
    names("missing field", &with(Some("{\"format\":4}")), &path, &["network"]);

    let bytes = good.to_bytes().unwrap();
    for (len, words) in [
        (0, "it is empty"),
        (7, "only 7 bytes"),
        (100, "cut short: it has 100 bytes"),
        (bytes.len() / 2, "cut short"),
        (bytes.len() - 1, "cut short"),
    ] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        names("cut short", &Checkpoint::read(&path).unwrap_err(), &path, &[words, "again"]);
    }
    std::fs::remove_file(&path).unwrap();
    names("missing", &Checkpoint::read(&path).unwrap_err(), &path, &["cannot read"]);
}

#[test]
fn data_that_do_not_suit_the_run_are_refused_before_it_starts() {
    let new = |config: TrainConfig, datasets| {
        message_of(Trainer::new(CpuBackend::new().unwrap(), config, datasets))
    };
    let message = new(config(&["batch.size=54"]), datasets());
    assert!(message.contains("54") && message.contains("53"), "{message}");
    let message = new(config(&["batch.accumulation=14"]), datasets());
    assert!(message.contains("batch.accumulation") && message.contains("14"), "{message}");
    let message = new(
        config(&[
            "model.stem_stride=4",
            "model.depths=[1,1,1,1]",
            "model.widths=[8,8,8,8]",
            "model.kernels=[5,5,5,5]",
        ]),
        datasets(),
    );
    assert!(message.contains("at least 32") && message.contains("12 x 10"), "{message}");
    // Two stages of stride 4 and 8 leave one place of images of 12 x 10 pixels.
    let narrow = ["model.stem_stride=4", "batch.size=1", "data.mix.probability=0", "data.mix={}"];
    let message = new(config(&narrow), datasets());
    assert!(message.contains("`batch.size`") && message.contains("BatchNorm stages.1."), "{message}");
    assert!(!message.contains("upernet"), "{message}");
    let message = new(config(&["data.augmentation.crop_padding=10"]), datasets());
    assert!(message.contains("crop_padding"), "{message}");
    let message = new(config(&["data.mix={mixup_alpha=0.8}", "batch.size=5"]), datasets());
    assert!(message.starts_with("configuration key `batch.size`: is 5, but must be even"), "{message}");
    let message = new(config(&["schedule.epochs=9223372036854775807"]), datasets());
    assert!(message.contains("`schedule.epochs`") && message.contains("at most"), "{message}");
    let message = new(config(&["schedule.steps=9"]), datasets());
    assert!(message.contains("`schedule.warmup_epochs`") && message.contains("9 steps, but"), "{message}");
    let message = new(config(&["data.evaluation={size=1}"]), datasets());
    assert!(message.contains("data.evaluation.size") && message.contains("pelk_atto needs"), "{message}");

    let other_size = || Datasets { train: images([12, 10], 53, 1), test: images([16, 11], 17, 2) };
    let message = new(config(&[]), other_size());
    assert!(message.contains("[12, 10]") && message.contains("[16, 11]"), "{message}");
    let alike =
        Trainer::new(CpuBackend::new().unwrap(), config(&["data.evaluation={size=10}"]), other_size());
    assert!(alike.is_ok(), "both become squares");

    let classes = vec!["one".to_owned()];
    let blank = pelk_data::ImageDataset::new("blank", [12, 10, 1], vec![9; 53 * 120], vec![0; 53], classes);
    let blank = std::sync::Arc::new(blank.unwrap());
    let message = new(config(&[]), Datasets { train: blank.clone(), test: blank });
    assert!(message.contains("std"), "{message}");
}

#[test]
fn a_checkpoint_that_cannot_be_saved_ends_the_run_with_that_error() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(&root.path().join("removed"));
    let error =
        trainer(config(&[])).run(Limits { checkpoint_every: Some(2), ..Limits::default() }, &mut recorder);
    names("no folder", &error.unwrap_err(), &recorder.last(), &["cannot write"]);
    assert_eq!(recorder.reports.len(), 2);
}

#[test]
fn images_of_the_test_set_must_have_the_same_shape() {
    let classes = vec!["one".to_owned(), "two".to_owned()];
    let pixels = (0..=255).cycle().take(17 * 144).collect();
    let other = pelk_data::ImageDataset::new("other", [12, 12, 1], pixels, vec![0; 17], classes).unwrap();
    let datasets = Datasets { train: images([12, 10], 53, 1), test: std::sync::Arc::new(other) };
    let message = message_of(Trainer::new(CpuBackend::new().unwrap(), config(&[]), datasets));
    assert!(message.contains("[12, 10]") && message.contains("[12, 12]"), "{message}");
}

#[test]
fn earlier_states_are_kept_and_a_run_can_go_back_to_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let mut run = run_with_rows(&folder, &config(&[]), &[]);
    let mut trainer = trainer(config(&[]));
    let mut recorder = Recorder::new(root.path());
    for step in 1..=5 {
        trainer.run(crate::common::up_to(step), &mut recorder).unwrap();
        run.save(&trainer.checkpoint().unwrap(), 3).unwrap();
    }
    let kept = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(kept(), ["step-00000003.safetensors", "step-00000004.safetensors"]);
    let last = std::fs::read(run.last()).unwrap();

    // Back to step 3, and on to step 5 again.
    std::fs::copy(folder.join("checkpoints/step-00000003.safetensors"), run.last()).unwrap();
    drop(run);
    let (mut run, _, checkpoint) = Run::open(&folder).unwrap();
    assert_eq!(checkpoint.unwrap().description.step, 3);
    let mut again = restored(config(&[]), &run.last()).unwrap();
    again.run(crate::common::up_to(5), &mut recorder).unwrap();
    run.save(&again.checkpoint().unwrap(), 3).unwrap();
    assert_eq!(std::fs::read(run.last()).unwrap(), last);
    // One checkpoint in total means no earlier ones.
    run.save(&again.checkpoint().unwrap(), 1).unwrap();
    assert!(kept().is_empty());
}

/// Images, one of which cannot be read.
struct Unreadable {
    images: std::sync::Arc<pelk_data::ImageDataset>,
    /// The image.
    index: Option<usize>,
}

impl pelk_data::Dataset for Unreadable {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn properties(&self) -> &pelk_data::Properties {
        self.images.properties()
    }

    fn sample(&self, index: usize) -> Result<pelk_data::Sample<'_>, pelk_data::DataError> {
        if Some(index) == self.index {
            let source = std::io::Error::other("the disk is gone");
            return Err(pelk_data::DataError::Io { path: format!("images/{index}.png").into(), source });
        }
        self.images.sample(index)
    }
}

#[test]
fn an_image_that_cannot_be_read_ends_the_run_after_a_checkpoint() {
    let on = |index| {
        let train = std::sync::Arc::new(Unreadable { images: images([12, 10], 53, 1), index });
        crate::common::trainer_on(Datasets { train, test: datasets().test }, config(&[]))
    };
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let error = on(Some(30)).run(Limits::default(), &mut recorder).unwrap_err();
    assert!(error.to_string().contains("images/30.png"), "{error}");
    // The state after the last step, whether or not a checkpoint was due.
    let step = recorder.reports.len() as u64;
    let checkpoint = Checkpoint::read(&recorder.last()).unwrap();
    assert_eq!(checkpoint.description.step, step);
    assert!(step < crate::common::STEPS);

    let mut trainer = on(None);
    trainer.restore(checkpoint, &recorder.last()).unwrap();
    trainer.run(Limits::default(), &mut recorder).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let whole = train(config(&[]), whole.path(), crate::common::STEPS);
    assert!(recorder.bytes()[0] == whole.bytes()[0]);

    // Before the first step there is nothing worth saving.
    let failures = (0..53).filter(|&index| {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path());
        let at_first = on(Some(index)).run(crate::common::up_to(1), &mut recorder).is_err();
        assert_eq!(recorder.last().exists(), !at_first, "image {index}");
        at_first
    });
    assert_eq!(failures.count(), 8, "the images of the first step");
}
