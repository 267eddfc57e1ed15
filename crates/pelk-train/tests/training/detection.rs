//! Training and evaluating detectors.

use crate::common::{Recorder, up_to};
use pelk_autodiff::CpuBackend;
use pelk_coco::{Rle, Selection};
use pelk_data::{
    DataError, Dataset, ImageDataset, Labeling, Normalization, Object, Properties, Relabeled, Sample,
};
use pelk_train::{
    Checkpoint, Datasets, Evaluation, EvaluationTask, GroupScores, Limits, Metric, ObjectEvaluation, Outcome,
    Scores, StepDetail, TrainConfig, TrainError, Trained, Trainer, evaluate, network_alone,
};
use std::path::Path;
use std::sync::Arc;

const TEXT: &str = r#"
    data.dataset = "squares"
    data.augmentation = { crop_padding = 0, erasing_probability = 0.0 }
    ema.decay = 0.9
    batch = { size = 2, accumulation = 2 }
    optimizer = { learning_rate = 0.01, clip_norm = 5.0 }
    schedule = { steps = 6, evaluate_every = 3, warmup_steps = 2 }
    [model]
    name = "pelk_atto"
    stem_stride = 4
    depths = [1, 1]
    widths = [8, 16]
    kernels = [5, 3]
    [model.cascade]
    channels = 8
    anchor_scales = [2.0]
    finest_scale = 8.0
    box_convs = 1
    box_features = 16
    mask_size = 8
    mask_convs = 1
    rpn = { sample = { count = 16 } }
    proposals = { training_before_nms = 40, training_after_nms = 20, before_nms = 40, after_nms = 10 }
"#;

/// Bright squares, one to three in an image, and none in every fifth; images are wide, high or square.
struct Squares {
    properties: Properties,
    len: usize,
}

impl Squares {
    fn new(len: usize) -> Arc<Squares> {
        let classes = ["small", "large"].map(str::to_owned).to_vec();
        let statistics = Normalization { mean: vec![0.3; 3], std: vec![0.3; 3] };
        let properties = Properties {
            labeling: Labeling::Objects,
            groups: ["first", "others"].map(str::to_owned).to_vec(),
            ..Properties::new(3, classes, statistics)
        };
        Arc::new(Squares { properties, len })
    }

    fn size(index: usize) -> [usize; 2] {
        [[40, 56], [56, 40], [48, 48]][index % 3]
    }
}

impl Dataset for Squares {
    fn len(&self) -> usize {
        self.len
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample_size(&self, index: usize) -> Option<[usize; 2]> {
        Some(Squares::size(index))
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let [height, width] = Squares::size(index);
        let mut pixels: Vec<u8> = (0..height * width * 3).map(|i| (i * 7 % 60) as u8).collect();
        let mut objects = Vec::new();
        let count = if index.is_multiple_of(5) { 0 } else { 1 + index % 3 };
        for number in 0..count {
            let class = (index + number) % 2;
            let side = [8, 14][class];
            let [top, left] = [2 + index * 5 % 9, 1 + number * 16].map(|at| at as f64);
            let mask = Rle::from_box([left, top, side as f64, side as f64], [height, width]).unwrap();
            for (place, inside) in mask.to_bitmap().into_iter().enumerate() {
                if inside {
                    pixels[3 * place..][..3].fill(220);
                }
            }
            let [x1, y1, x2, y2] = [left, top, left + side as f64, top + side as f64].map(|at| at as f32);
            let (id, area) = ((10 * index + number + 1) as u64, (side * side) as f64);
            let bbox = [x1, y1, x2, y2];
            let (class, crowd, group) = (class as u32, number == 2, number.min(1) as u8);
            objects.push(Object { id, class, bbox, mask, crowd, area, group });
        }
        Ok(Sample { objects: objects.into(), ..Sample::new([height, width], pixels, vec![]) })
    }
}

fn config(settings: &[&str]) -> TrainConfig {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    TrainConfig::parse("test", TEXT, &settings).unwrap()
}

fn datasets() -> Datasets {
    Datasets { train: Squares::new(23), test: Squares::new(7) }
}

fn trainer(settings: &[&str]) -> Trainer<CpuBackend> {
    Trainer::new(CpuBackend::new().unwrap(), config(settings), datasets()).unwrap()
}

fn train(folder: &Path, settings: &[&str], step: u64) -> Recorder {
    let mut recorder = Recorder::new(folder);
    trainer(settings).run(up_to(step), &mut recorder).unwrap();
    recorder
}

/// Losses of the steps and scores of the evaluations, bit by bit.
fn numbers(recorder: &Recorder) -> (Vec<u64>, Vec<Vec<u64>>) {
    let scores = |scores: Scores| {
        scores.named().into_iter().map(|(_, value)| value.unwrap_or(-1.0).to_bits()).collect()
    };
    let losses = recorder.reports.iter().map(|report| report.loss.unwrap().to_bits()).collect();
    (losses, recorder.rows.iter().map(|row| scores(row.test)).collect())
}

#[test]
fn a_run_that_pauses_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = train(folder.path(), &[], 6);
    for pause in [1, 3, 5] {
        let folder = tempfile::tempdir().unwrap();
        let first = train(folder.path(), &[], pause);
        let mut second = Recorder::new(folder.path());
        let mut trainer = trainer(&[]);
        trainer.restore(Checkpoint::read(&first.last()).unwrap(), &first.last()).unwrap();
        assert_eq!(trainer.run(Limits::default(), &mut second).unwrap(), Outcome::Finished);
        assert!(second.bytes() == whole.bytes(), "a pause after step {pause} changed the result");
        let [(mut losses, mut scores), (more, others)] = [numbers(&first), numbers(&second)];
        losses.extend(more);
        scores.extend(others);
        assert_eq!((losses, scores), numbers(&whole));
    }
}

#[test]
fn the_number_of_threads_and_loaders_changes_nothing() {
    let run = |threads, loaders| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut recorder = Recorder::new(folder.path());
            let limits = Limits { loaders: Some(loaders), ..Limits::default() };
            trainer(&[]).run(limits, &mut recorder).unwrap();
            (recorder.bytes(), numbers(&recorder))
        })
    };
    let one = run(1, 1);
    for (threads, loaders) in [(2, 2), (3, 1)] {
        assert!(run(threads, loaders) == one, "{threads} threads, {loaders} loaders");
    }
}

#[test]
fn the_parts_of_the_loss_add_up_and_fall() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(folder.path(), &["schedule.steps=60", "schedule.evaluate_every=60"], 60);
    for report in &recorder.reports {
        let StepDetail::Losses(parts) = report.detail else { panic!("{report:?}") };
        let sum = parts.proposals + parts.proposal_boxes + parts.classes + parts.boxes + parts.masks;
        assert!((sum - report.loss.unwrap()).abs() < 1e-9 * sum, "{report:?}");
    }
    let mean = |reports: &[pelk_train::StepReport]| {
        reports.iter().map(|report| report.loss.unwrap()).sum::<f64>() / reports.len() as f64
    };
    let (first, last) = (mean(&recorder.reports[..10]), mean(&recorder.reports[50..]));
    assert!(last < 0.85 * first, "{first} to {last}");
}

#[test]
fn an_evaluation_lists_what_was_found_under_the_dataset_s_ids() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        ["schedule.steps=60", "schedule.evaluate_every=60", "model.cascade.detections.max_per_image=3"];
    let recorder = train(folder.path(), &settings, 60);
    let (row, evaluation) = (recorder.rows.last().unwrap(), recorder.evaluations.last().unwrap());
    let Evaluation::Objects(found) = evaluation else { panic!("{evaluation:?}") };
    assert_eq!(Metric::BoxAp.of(&row.test).unwrap(), found.boxes.summary().values()[0]);
    let Scores::Objects(scores) = row.test else { panic!("{row:?}") };
    assert_eq!(scores.mask_ap75.unwrap(), found.masks.summary().values()[2]);
    assert!(!found.results.is_empty());
    for image in 0..7 {
        let of_image: Vec<_> = found.results.iter().filter(|entry| entry.image_id == image).collect();
        assert!(of_image.len() <= 3);
        assert!(of_image.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let size = Squares::size(image as usize);
        assert!(of_image.iter().all(|entry| entry.segmentation.as_ref().unwrap().size() == size));
    }
    assert!(found.results.iter().all(|entry| [1, 2].contains(&entry.category_id)));
    // Images 0 and 5 have no objects, the others have 2, 3, 1, 2, 1; the third of an image is a crowd.
    let groups: Vec<_> = found.groups.iter().map(|group| (group.name.as_str(), group.count)).collect();
    assert_eq!(groups, [("first", 5), ("others", 3)]);
    for group in &found.groups {
        let GroupScores::Objects { box_ap, mask_ap } = group.scores else { panic!("{group:?}") };
        assert!([box_ap, mask_ap].iter().all(|ap| (0.0..=1.0).contains(&ap.unwrap())), "{group:?}");
    }
    assert!(found.groups.iter().any(|group| group.score() > Some(0.0)), "{:?}", found.groups);
}

/// What a network finds in a dataset.
fn found(checkpoint: Checkpoint, dataset: Arc<dyn Dataset>) -> ObjectEvaluation {
    let backend = CpuBackend::new().unwrap();
    let Trained { description, network, parameters } =
        Trained::upload(&backend, network_alone(checkpoint).unwrap()).unwrap();
    let loading = description.data.evaluation_loading(&*dataset, 1, &description.normalization);
    let (network, parameters) = (&network, &parameters);
    let task = EvaluationTask { backend: &backend, network, parameters, dataset, loading };
    match evaluate(task, &description.inference, |_| true).unwrap() {
        Evaluation::Objects(found) => found,
        Evaluation::Labels(_) => panic!("a detector"),
    }
}

#[test]
fn initial_weights_find_the_same_objects_whatever_the_order_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = train(folder.path(), &["schedule.steps=60", "schedule.evaluate_every=60"], 60);
    let base = found(Checkpoint::read(&recorder.last()).unwrap(), Squares::new(7));

    let classes = ["large", "small"].map(str::to_owned);
    let exchanged = |len| Arc::new(Relabeled::by_name(Squares::new(len), &classes).ok().unwrap());
    let data = Datasets { train: exchanged(23), test: exchanged(7) };
    let config = config(&[&format!("weights={:?}", recorder.last().display().to_string())]);
    let mut trainer = Trainer::new(CpuBackend::new().unwrap(), config, data).unwrap();
    let start = trainer.warm_start().unwrap().unwrap();
    // Weights and biases of three stages: classes, boxes by class, and masks.
    assert_eq!((start.reordered.len(), start.fresh.len(), start.other_classes.len()), (18, 0, 0));
    let other = found(trainer.checkpoint().unwrap(), exchanged(7));

    let precision = |found: &ObjectEvaluation, category| {
        let selection = Selection { category: Some(category), ..Selection::default() };
        [&found.boxes, &found.masks].map(|one| one.average_precision(selection).unwrap())
    };
    assert!(precision(&base, 0) != precision(&base, 1) && base.results.len() > 7, "{:?}", base.results);
    assert_eq!([precision(&other, 1), precision(&other, 0)], [precision(&base, 0), precision(&base, 1)]);
    assert_eq!(other.results.len(), base.results.len());
    for (other, base) in other.results.iter().zip(&base.results) {
        // Probabilities are sums in another order.
        assert!((other.score - base.score).abs() < 1e-5, "{other:?}\n{base:?}");
        assert_eq!((other.image_id, other.category_id), (base.image_id, base.category_id));
    }
}

/// A sparse classifier of images with the detector's backbone. Its last step moves weights: those that regrow
/// are zero and present.
const CLASSIFIER: &str = r#"
    data.dataset = "example"
    data.augmentation = { crop_padding = 0, erasing_probability = 0.0 }
    sparsity = { sparsity = 0.4, update_every = 2 }
    batch = { size = 4 }
    schedule = { steps = 4, evaluate_every = 4, warmup_steps = 2 }
    [model]
    name = "pelk_atto"
    stem_stride = 4
    depths = [1, 1]
    widths = [8, 16]
    kernels = [5, 3]
"#;

/// Three classes of color images.
fn color_images(count: u32) -> Arc<ImageDataset> {
    let classes = ["red", "green", "blue"].map(str::to_owned).to_vec();
    let labels: Vec<u32> = (0..count).map(|i| i % 3).collect();
    let value = |i: u32| move |at: u32| ((at * 7 + i) % 60 + if at % 3 == i % 3 { 150 } else { 0 }) as u8;
    let pixels = (0..count).flat_map(|i| (0..16 * 16 * 3).map(value(i))).collect();
    Arc::new(ImageDataset::new("example", [16, 16, 3], pixels, labels, classes).unwrap())
}

#[test]
fn a_detector_keeps_the_masks_of_the_sparse_classifier_it_starts_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut sparse = Recorder::new(folder.path());
    let config = TrainConfig::parse("test", CLASSIFIER, &[]).unwrap();
    let datasets = Datasets { train: color_images(20), test: color_images(6) };
    Trainer::new(CpuBackend::new().unwrap(), config, datasets).unwrap().run(up_to(4), &mut sparse).unwrap();
    let start = Checkpoint::read(&sparse.last()).unwrap();

    let path = format!("weights={}", toml::Value::from(sparse.last().display().to_string()));
    let other = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(other.path());
    let mut detector = trainer(&[&path, "sparsity.densities=weights", "sparsity.update_every=0"]);
    let warm = detector.warm_start().unwrap().unwrap();
    assert!(warm.fresh.iter().all(|name| !start.tensors.contains_key(name)));
    detector.run(up_to(6), &mut recorder).unwrap();
    let tuned = Checkpoint::read(&recorder.last()).unwrap();

    // The classifier's own layer is gone, and the detector's heads, whose weights are new, are dense.
    let specs = detector.network().parameters().unwrap();
    let backbone = specs.iter().filter(|spec| spec.place.section.is_backbone());
    let mut expected = start.masks.clone();
    expected.retain(|name, _| backbone.clone().any(|spec| spec.name == *name));
    assert!(expected.len() > 4, "{:?}", expected.keys());
    assert_eq!(tuned.masks, expected);
    for (name, mask) in &expected {
        let (before, after) = (&start.tensors[name], &tuned.tensors[name]);
        assert!(before != after, "{name} is trained");
        for prefix in ["", "ema."] {
            let values = tuned.tensors[&format!("{prefix}{name}")].iter().zip(mask);
            let absent: Vec<f32> =
                values.filter(|(_, present)| !**present).map(|(value, _)| *value).collect();
            assert!(!absent.is_empty() && absent.iter().all(|value| *value == 0.0), "{prefix}{name}");
        }
    }
}

#[test]
fn detectors_and_objects_belong_together() {
    let refused = |settings: &[&str], datasets| {
        let trainer = Trainer::new(CpuBackend::new().unwrap(), config(settings), datasets);
        let error = trainer.err().unwrap();
        assert!(matches!(&error, TrainError::Value { key, .. } if *key == "model.cascade"), "{error}");
        error.to_string()
    };
    let labels = Datasets {
        train: crate::common::images([12, 10], 53, 1),
        test: crate::common::images([12, 10], 17, 2),
    };
    assert!(refused(&[], labels).contains("have no objects: leave it out"));
    let plain = TEXT.split("[model.cascade]").next().unwrap();
    let config = TrainConfig::parse("test", plain, &[]).unwrap();
    let error = Trainer::new(CpuBackend::new().unwrap(), config, datasets()).err().unwrap().to_string();
    assert!(error.contains("set model.cascade={}"), "{error}");
}

#[test]
fn a_batch_that_repeats_images_without_end_is_refused() {
    let config = config(&["batch.size=1000000000000"]);
    let error = Trainer::new(CpuBackend::new().unwrap(), config, datasets()).err().unwrap().to_string();
    assert!(error.contains("`batch.size`: is 1000000000000, but there are only"), "{error}");
}
