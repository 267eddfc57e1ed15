//! A run is a function of its configuration and data: pauses and the number of threads do not change it.

use crate::common::{Recorder, STEPS, config, images, restored, train, trainer_on, up_to};
use ndarray::Zip;
use pelk_autodiff::HostParameters;
use pelk_data::{DataError, Dataset, IGNORED, ImageDataset, Properties, Sample};
use pelk_train::{Checkpoint, Datasets, Limits, MetricsRow, Outcome};
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_run_that_pauses_ends_in_the_same_bytes_as_one_that_does_not() {
    // In the middle of the first and the second epoch, between them, after the first step, before the last.
    pauses_leave_no_trace(&[], [3, 10, 12, 1, 23]);
}

#[test]
fn the_same_holds_where_steps_and_not_epochs_say_when_to_evaluate_and_end() {
    // Before, on and after an evaluation, and at the end of an epoch between two.
    pauses_leave_no_trace(&["schedule.steps=22", "schedule.evaluate_every=4"], [3, 4, 5, 6, 21]);
}

#[test]
fn the_same_holds_where_images_are_cropped_changed_and_mixed_and_measured_in_another_size() {
    let settings = [
        "data.augmentation={crop_padding=0,resized_crop={size=16},rand_augment={}}",
        "data.mix={mixup_alpha=0.8,cutmix_alpha=1.0}",
        "data.evaluation={size=20}",
    ];
    pauses_leave_no_trace(&settings, [3, 10, 12, 1, 23]);
}

fn pauses_leave_no_trace(settings: &[&str], pauses: [u64; 5]) {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(config(settings), folder.path(), STEPS);
    for pause in pauses {
        let folder = tempfile::tempdir().unwrap();
        let first = train(config(settings), folder.path(), pause);
        let mut second = Recorder::new(folder.path());
        let mut trainer = restored(config(settings), &first.last()).unwrap();
        assert_eq!(trainer.step(), pause);
        assert_eq!(trainer.run(Limits::default(), &mut second).unwrap(), Outcome::Finished);
        assert!(second.bytes() == whole.bytes(), "a pause after step {pause} changed the result");
        let losses = |recorder: &Recorder| {
            recorder.reports.iter().map(|r| r.loss.map(f64::to_bits)).collect::<Vec<_>>()
        };
        assert_eq!([losses(&first), losses(&second)].concat(), losses(&whole));
        let rows = |recorder: &Recorder| {
            let of = |row: &MetricsRow| {
                let scores = [Some(row.test), row.ema]
                    .map(|scores| scores.and_then(|scores| scores.loss()).map(f64::to_bits));
                (row.step, row.train_loss.map(f64::to_bits), scores, row.nonzeros)
            };
            recorder.rows.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(
            [rows(&first), rows(&second)].concat(),
            rows(&whole),
            "metrics with a pause after {pause}"
        );
    }
}

#[test]
fn a_run_stopped_in_an_evaluation_makes_up_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(config(&[]), folder.path(), STEPS);
    // 17 images in batches of 7, of the network and of its average: 6 batches. Stopped in the first and the
    // last evaluation, in either part, and after the last batch; then again, in the evaluation made up for.
    for (stop, step) in [(1, 6), (2, 6), (4, 6), (6, 6), (3 * 6 + 2, STEPS), (4 * 6, STEPS)] {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path());
        recorder.stop_in_evaluation = Some(stop);
        let outcome = crate::common::trainer(config(&[])).run(Limits::default(), &mut recorder);
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
        assert_eq!(recorder.rows.len() as u64, step / 6 - 1);
        let resumed = |recorder: &mut Recorder, stop| {
            let mut trainer = restored(config(&[]), &recorder.last()).unwrap();
            assert!(trainer.step() == step && trainer.evaluation_is_due());
            recorder.stop_in_evaluation = stop;
            trainer.run(Limits::default(), recorder).unwrap()
        };
        assert_eq!(resumed(&mut recorder, Some(1)), Outcome::Stopped);
        assert_eq!(resumed(&mut recorder, None), Outcome::Finished);
        assert!(recorder.bytes() == whole.bytes(), "stopped in batch {stop}");
        let rows = |recorder: &Recorder| {
            let of = |row: &MetricsRow| (row.epoch, row.step, row.train_loss.map(f64::to_bits), row.nonzeros);
            recorder.rows.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(rows(&recorder), rows(&whole), "stopped in batch {stop}");
    }
}

#[test]
fn a_pause_amid_the_warm_up_of_the_average_changes_nothing() {
    let settings = || config(&["ema.decay=0.99", "ema.warmup=true"]);
    let folder = tempfile::tempdir().unwrap();
    let whole = train(settings(), folder.path(), STEPS);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = train(settings(), folder.path(), 5);
    let outcome = restored(settings(), &recorder.last()).unwrap().run(Limits::default(), &mut recorder);
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    assert!(recorder.bytes() == whole.bytes());
    // Without it, the average of 24 steps is mostly the initial weights.
    let tensors = |path: &Path| Checkpoint::read(path).unwrap().tensors;
    let distance = |tensors: &HostParameters| -> f32 {
        let name = "head.weight";
        Zip::from(&tensors[name])
            .and(&tensors[&format!("ema.{name}")])
            .fold(0.0, |sum, a, b| sum + (a - b).abs())
    };
    let warm = distance(&tensors(&whole.last()));
    let folder = tempfile::tempdir().unwrap();
    let cold = distance(&tensors(&train(config(&["ema.decay=0.99"]), folder.path(), STEPS).last()));
    assert!(warm < 0.5 * cold, "{warm} and {cold}");
}

#[test]
fn many_pauses_and_frequent_saving_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(config(&[]), folder.path(), 20);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = train(config(&[]), folder.path(), 1);
    for step in 2..=20 {
        let limits = Limits { checkpoint_every: Some(1), ..up_to(step) };
        let outcome = restored(config(&[]), &recorder.last()).unwrap().run(limits, &mut recorder).unwrap();
        assert_eq!(outcome, Outcome::Limited);
    }
    assert!(recorder.bytes() == whole.bytes());
}

#[test]
fn a_stop_that_the_observer_asks_for_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(config(&[]), folder.path(), STEPS);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    recorder.stop_after = Some(9);
    let mut trainer = crate::common::trainer(config(&[]));
    assert_eq!(trainer.run(Limits::default(), &mut recorder).unwrap(), Outcome::Stopped);
    assert_eq!(Checkpoint::read(&recorder.last()).unwrap().description.step, 9);
    recorder.stop_after = None;
    let mut trainer = restored(config(&[]), &recorder.last()).unwrap();
    assert_eq!(trainer.run(Limits::default(), &mut recorder).unwrap(), Outcome::Finished);
    assert!(recorder.bytes() == whole.bytes());
}

#[test]
fn the_number_of_threads_and_of_loaders_changes_no_bit() {
    // Large enough that every operator uses several threads.
    let datasets = Datasets { train: images([28, 28], 66, 1), test: images([28, 28], 40, 2) };
    let settings = [
        "model.depths=[1, 1, 1]",
        "model.widths=[32, 64, 128]",
        "model.kernels=[27, 13, 5]",
        "batch.size=32",
        "schedule.epochs=2",
    ];
    let run = |threads| {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer_on(datasets.clone(), config(&settings));
            let limits = Limits { loaders: Some(threads), ..Limits::default() };
            trainer.run(limits, &mut recorder).unwrap();
        });
        recorder.bytes()
    };
    let one = run(1);
    assert!(run(2) == one, "two threads");
    assert!(run(3) == one, "three threads");
}

#[test]
fn the_seed_changes_the_result() {
    let run = |seed: &str| {
        let folder = tempfile::tempdir().unwrap();
        let recorder = train(config(&[seed]), folder.path(), 2);
        recorder.reports[1].loss
    };
    assert_ne!(run("seed=1"), run("seed=2"));
}

/// Images of which some have no label; class 0 may be a background.
struct Partly {
    images: Arc<ImageDataset>,
    properties: Properties,
}

impl Partly {
    fn new(background: Option<u32>) -> Arc<Partly> {
        let images = images([12, 10], 53, 1);
        let properties = Properties { background, ..images.properties().clone() };
        Arc::new(Partly { images, properties })
    }
}

impl Dataset for Partly {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let mut sample = self.images.sample(index)?;
        if index % 7 < 3 {
            sample.labels = vec![IGNORED].into();
        }
        Ok(sample)
    }
}

#[test]
fn two_accumulated_passes_are_one_pass_of_both_batches() {
    // ConvNeXt has no BatchNorm, the only operator that mixes the images of a pass. A large eps keeps Adam's
    // division from magnifying rounding errors of gradients near zero.
    let settings = [
        "model.name=convnext_atto",
        "model.drop_path=0",
        "data.augmentation.crop_padding=0",
        "data.augmentation.flip_probability=0",
        "data.augmentation.erasing_probability=0",
        "data.mix.probability=0",
        "sparsity.sparsity=0",
        "ema.decay=0",
        "optimizer.eps=1e-2",
        "optimizer.clip_norm=0",
        "loss.background_weight=0.1",
    ];
    let test = || images([12, 10], 17, 2);
    // The images of the last two count unequally in the two passes of a step.
    for train in [images([12, 10], 53, 1) as Arc<dyn Dataset>, Partly::new(None), Partly::new(Some(0))] {
        let run = |size: &str, accumulation: &str| {
            let (folder, background) = (tempfile::tempdir().unwrap(), train.background());
            let test = Arc::new(Partly {
                properties: Properties { background, ..test().properties().clone() },
                images: test(),
            });
            let datasets = Datasets { train: train.clone(), test };
            // 53 images: 3 steps per epoch either way.
            let config = config(&[&settings[..], &[size, accumulation]].concat());
            let mut recorder = Recorder::new(folder.path());
            trainer_on(datasets, config).run(up_to(6), &mut recorder).unwrap();
            (Checkpoint::read(&recorder.last()).unwrap().tensors, recorder.rows[1].train_loss.unwrap())
        };
        let (apart, one) = run("batch.size=8", "batch.accumulation=2");
        let (together, other) = run("batch.size=16", "batch.accumulation=1");
        assert!((one - other).abs() < 1e-5, "{one} and {other}");
        compare(&settings, &apart, &together);
    }
}

/// Compares two trained networks, but for rounding.
fn compare(settings: &[&str], apart: &HostParameters, together: &HostParameters) {
    let fresh = crate::common::trainer(config(settings)).checkpoint().unwrap().tensors;
    assert_eq!(apart.len(), together.len());
    for (name, a) in apart {
        let largest = a.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let mut difference: f32 = 0.0;
        Zip::from(a).and(&together[name]).for_each(|a, b| difference = difference.max((a - b).abs()));
        assert!(difference <= 1e-5 * largest, "{name}: differs by {difference:e} of {largest:e}");
        assert_ne!(a, &fresh[name], "{name} was trained");
    }
}

#[test]
fn an_estimate_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(config(&[]), folder.path(), STEPS);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let mut trainer = crate::common::trainer(config(&[]));
    let estimate = trainer.estimate(Limits::default()).unwrap();
    assert_eq!((estimate.steps, estimate.evaluations, trainer.step()), (STEPS, 4, 0));
    assert!(estimate.total() >= estimate.step * STEPS as u32);
    trainer.run(up_to(9), &mut recorder).unwrap();
    let estimate = trainer.estimate(Limits { max_steps: Some(20), ..Limits::default() }).unwrap();
    assert_eq!((estimate.steps, estimate.evaluations, trainer.step()), (11, 2, 9));
    trainer.run(Limits::default(), &mut recorder).unwrap();
    assert!(recorder.bytes() == whole.bytes());
}
