//! Training and running networks that classify pixels.

use crate::common::Recorder;
use ndarray::{Array4, Axis, s};
use pelk_autodiff::{CpuBackend, HostParameters};
use pelk_data::{DataError, Dataset, IGNORED, Labeling, Normalization, Properties, Relabeled, Sample};
use pelk_train::{
    Checkpoint, Datasets, InferenceConfig, Limits, Metric, Outcome, StepDetail, StepReport, TrainConfig,
    TrainError, Trainer, WarmStart,
};
use std::sync::Arc;

/// Gray images, dark to the left of an edge and bright to its right, or striped; a column at the edge has no
/// label.
struct Halves {
    /// Whether images differ in size.
    differ: bool,
    /// Whether nothing is labeled.
    unlabeled: bool,
    properties: Properties,
}

impl Halves {
    fn new(differ: bool, unlabeled: bool) -> Arc<Halves> {
        let classes = ["dark", "bright", "striped"].map(str::to_owned).to_vec();
        let statistics = Normalization { mean: vec![0.4], std: vec![0.3] };
        let properties = Properties {
            image_size: (!differ).then_some([16, 20]),
            labeling: Labeling::Pixels { stride: 1 },
            ..Properties::new(1, classes, statistics)
        };
        Arc::new(Halves { differ, unlabeled, properties })
    }
}

impl Dataset for Halves {
    fn len(&self) -> usize {
        40
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let [height, width] = if self.differ { [16 + index % 5, 18 + index % 7] } else { [16, 20] };
        let (edge, striped) = (5 + index * 7 % 11, index.is_multiple_of(3));
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let class = if x >= edge { 1 } else { 2 * u32::from(striped) };
            pixels.push([40, 200, 40 + 160 * (y / 2 % 2) as u8][class as usize] + (index * 13 % 17) as u8);
            labels.push(if x == edge || self.unlabeled { IGNORED } else { class });
        }
        Ok(Sample::new([height, width], pixels, labels))
    }
}

const TEXT: &str = r#"
    data.dataset = "halves"
    data.augmentation = {crop_padding = 0, crop_size = 16, flip_probability = 0.5, erasing_probability = 0.0}
    batch = { size = 8, evaluation_size = 7 }
    loss.label_smoothing = 0.0
    schedule = { epochs = 12, warmup_epochs = 0.5, decay = "poly" }
    optimizer = { learning_rate = 0.01, layer_decay = { rate = 0.9 } }

    [model]
    name = "pelk_atto"
    depths = [1, 1]
    widths = [8, 16]
    kernels = [7, 5]
    stem_stride = 2
    drop_path = 0.1
    upernet = { channels = 8, auxiliary_channels = 4, pools = [1, 2] }
"#;

fn config(settings: &[&str]) -> TrainConfig {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    TrainConfig::parse("test", TEXT, &settings).unwrap()
}

fn trainer_on(
    train: Arc<Halves>,
    test: Arc<Halves>,
    settings: &[&str],
) -> pelk_train::Result<Trainer<CpuBackend>> {
    Trainer::new(CpuBackend::new().unwrap(), config(settings), Datasets { train, test })
}

fn trainer(settings: &[&str]) -> Trainer<CpuBackend> {
    trainer_on(Halves::new(false, false), Halves::new(false, false), settings).unwrap()
}

/// Trained a little, so that no two classes have the same logits.
fn trained(settings: &[&str]) -> Trainer<CpuBackend> {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(settings);
    trainer.run(crate::common::up_to(4), &mut Recorder::new(folder.path())).unwrap();
    trainer
}

fn image([height, width]: [usize; 2]) -> Array4<f32> {
    Array4::from_shape_fn((1, height, width, 1), |(_, y, x, _)| ((y * 5 + x * x) % 11) as f32 / 5.0 - 1.0)
}

#[test]
fn pixels_are_learned_and_measured_on_images_of_any_size() {
    for differ in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path());
        let mut trainer = trainer_on(Halves::new(differ, false), Halves::new(differ, false), &[]).unwrap();
        assert_eq!(trainer.run(Limits::default(), &mut recorder).unwrap(), Outcome::Finished);
        let (row, evaluation) =
            (recorder.rows.last().unwrap(), recorder.evaluations.last().unwrap().labels().unwrap());
        assert!(Metric::MeanIou.of(&row.test) > Some(0.9), "{differ}: {row:?}");
        assert_eq!(Metric::MeanIou.of(&row.test), evaluation.confusion.mean_iou());
        let data = Halves::new(differ, false);
        let labels = (0..data.len()).flat_map(|i| data.sample(i).unwrap().labels.into_owned());
        let counted = labels.filter(|&label| label != IGNORED).count() as u64;
        assert_eq!(evaluation.confusion.total(), counted, "ignored pixels do not count");
        let best = Checkpoint::read(&recorder.best()).unwrap();
        assert_eq!((best.description.image, best.description.training.is_none()), ([16, 16, 1], true));
    }
}

#[test]
fn a_run_that_pauses_ends_in_the_same_bytes() {
    let run = |pauses: &[u64]| {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path());
        let settings = ["schedule.epochs=2", "batch.accumulation=2", "batch.size=4"];
        let mut running = trainer(&settings);
        for &pause in pauses {
            running.run(crate::common::up_to(pause), &mut recorder).unwrap();
            running = trainer(&settings);
            running.restore(Checkpoint::read(&recorder.last()).unwrap(), &recorder.last()).unwrap();
        }
        running.run(Limits::default(), &mut recorder).unwrap();
        recorder.bytes()
    };
    assert!(run(&[]) == run(&[3, 7]));
}

#[test]
fn images_without_a_single_label_teach_nothing_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, unlabeled) = (Recorder::new(folder.path()), Halves::new(false, true));
    let mut trainer = trainer_on(unlabeled, Halves::new(false, false), &["schedule.epochs=1"]).unwrap();
    let before = trainer.checkpoint().unwrap().tensors;
    trainer.run(Limits::default(), &mut recorder).unwrap();
    let nothing = |report: &StepReport| report.loss.is_none() && report.gradient_norm == 0.0;
    assert!(recorder.reports.iter().all(nothing), "{:?}", recorder.reports);
    assert!(recorder.reports.iter().all(|report| report.detail == StepDetail::Accuracy(None)));
    assert_eq!(recorder.rows[0].train_loss, None);
    // Neither momentum nor weight decay moves anything.
    assert!(trainer.checkpoint().unwrap().tensors == before);
}

/// A few of [`Halves`], whole, some without a label.
struct Few {
    all: Arc<Halves>,
    properties: Properties,
    /// For each image whether it has labels.
    labeled: Vec<bool>,
}

impl Dataset for Few {
    fn len(&self) -> usize {
        self.labeled.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Always the first image, cut to the crop, so that nothing about it is random.
    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let whole = self.all.sample(0)?;
        let cut = |y: usize| y * 20..y * 20 + 16;
        let pixels = (0..16).flat_map(|y| whole.pixels[cut(y)].to_vec()).collect::<Vec<_>>();
        let mut labels = (0..16).flat_map(|y| whole.labels[cut(y)].to_vec()).collect::<Vec<_>>();
        if !self.labeled[index] {
            labels.fill(IGNORED);
        }
        Ok(Sample::new([16, 16], pixels, labels))
    }
}

/// The state after one step over images of which some are `labeled`, in passes of one image.
fn one_step(labeled: &[bool], settings: &[&str]) -> (Vec<StepReport>, HostParameters) {
    let passes = format!("batch.accumulation={}", labeled.len());
    let plain = ["batch.size=1", "schedule.epochs=1", "schedule.warmup_epochs=0", "model.drop_path=0"];
    let plain = [
        &plain[..],
        &["model.upernet.pools=[2]", "model.upernet.dropout=0", "data.augmentation.flip_probability=0"],
    ]
    .concat();
    let settings = [&plain[..], &[&*passes], settings].concat();
    let all = Halves::new(false, false);
    let properties = Properties { image_size: Some([16, 16]), ..all.properties.clone() };
    let train = Arc::new(Few { all, properties, labeled: labeled.to_vec() });
    let datasets = Datasets { train, test: Halves::new(false, false) };
    let mut trainer = Trainer::new(CpuBackend::new().unwrap(), config(&settings), datasets).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    trainer.run(Limits::default(), &mut recorder).unwrap();
    (recorder.reports, trainer.checkpoint().unwrap().tensors)
}

#[test]
fn passes_without_labels_do_not_weaken_a_step() {
    // The head and the auxiliary head learn from each pass.
    let (alone, expected) = one_step(&[true], &[]);
    assert!(alone[0].loss.is_some());
    for labeled in [[true, false].as_slice(), &[false, true, false], &[false, false, false, true]] {
        let (reports, tensors) = one_step(labeled, &[]);
        assert_eq!(reports.len(), 1);
        assert_eq!((reports[0].loss, reports[0].gradient_norm), (alone[0].loss, alone[0].gradient_norm));
        assert_eq!(reports[0].detail, alone[0].detail);
        assert!(tensors == expected, "{labeled:?}");
    }
}

#[test]
fn snip_draws_masks_from_the_first_batch_with_labels() {
    let sparse = ["sparsity.sparsity=0.5", "sparsity.densities=snip"];
    let (_, alone) = one_step(&[true], &sparse);
    let (_, behind) = one_step(&[false, true], &sparse);
    let (_, dense) = one_step(&[true], &[]);
    let zeros = |tensors: &HostParameters| {
        let count = |array: &ndarray::ArrayD<f32>| array.iter().filter(|value| **value == 0.0).count();
        tensors.iter().map(|(name, array)| (name.clone(), count(array))).collect::<Vec<_>>()
    };
    assert_eq!(zeros(&alone), zeros(&behind), "the same weights are absent");
    assert_ne!(zeros(&alone), zeros(&dense));
}

#[test]
fn one_window_over_all_is_the_whole_image_and_several_are_averaged() {
    let trainer = trained(&[]);
    let ask = |inference: InferenceConfig, image: &Array4<f32>| {
        trainer.predictor(inference).unwrap().logits(image).unwrap()
    };
    let windows = |window, stride| InferenceConfig { window, stride, ..InferenceConfig::default() };
    let image = image([16, 26]);
    let whole = ask(InferenceConfig::default(), &image);
    assert_eq!(whole.dim(), (1, 16, 26, 3));
    assert_eq!(ask(windows(26, 17), &image), whole);

    // Windows of 16 every 8: 0..16, 8..24 and 10..26.
    let slid = ask(windows(16, 8), &image);
    let part = |from: usize| {
        let part = image.slice(s![.., .., from..from + 16, ..]).to_owned();
        ask(InferenceConfig::default(), &part)
    };
    let (first, second, last) = (part(0), part(8), part(10));
    for class in 0..3 {
        assert_eq!(slid[[0, 3, 5, class]], first[[0, 3, 5, class]], "one window sees it");
        let mean = (first[[0, 3, 9, class]] + second[[0, 3, 1, class]]) / 2.0;
        assert!((slid[[0, 3, 9, class]] - mean).abs() < 1e-5);
        let mean = (first[[0, 9, 12, class]] + second[[0, 9, 4, class]] + last[[0, 9, 2, class]]) / 3.0;
        assert!((slid[[0, 9, 12, class]] - mean).abs() < 1e-5);
    }
}

#[test]
fn sizes_and_mirror_images_are_averaged_as_probabilities() {
    let trainer = trained(&[]);
    let ask = |inference: &InferenceConfig, image: &Array4<f32>| {
        trainer.predictor(inference.clone()).unwrap().logits(image).unwrap()
    };
    let image = image([18, 22]);
    let many = InferenceConfig { scales: vec![0.8, 1.0, 1.5], flip: true, ..InferenceConfig::default() };
    let log_probabilities = ask(&many, &image);
    for row in log_probabilities.rows() {
        assert!((row.iter().map(|value| value.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    // With mirrored images averaged, the result for a mirrored image is mirrored.
    let mirrored = ask(&many, &image.slice(s![.., .., ..;-1, ..]).as_standard_layout().to_owned());
    let back = mirrored.slice(s![.., .., ..;-1, ..]);
    assert!(log_probabilities.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-4));
    let plain = ask(&InferenceConfig::default(), &image);
    let twice = InferenceConfig { scales: vec![1.0, 1.0], ..InferenceConfig::default() };
    for (logits, mean) in plain.rows().into_iter().zip(ask(&twice, &image).rows()) {
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        assert!(logits.iter().zip(mean).all(|(logit, mean)| (logit - sum.ln() - mean).abs() < 1e-4));
    }
    // Resized to 9 x 11 pixels and back.
    let fit = InferenceConfig { fit: [11, 9], ..InferenceConfig::default() };
    assert_eq!(ask(&fit, &image).dim(), (1, 18, 22, 3));
    assert_eq!(
        ask(&fit, &image),
        ask(&InferenceConfig { scales: vec![0.5], ..InferenceConfig::default() }, &image)
    );
}

#[test]
fn a_classifier_s_weights_start_the_backbone() {
    let folder = tempfile::tempdir().unwrap();
    let classifier =
        crate::common::config(&["model.depths=[1,1]", "model.stem_stride=2", "model.kernels=[7,5]"]);
    let file = crate::common::train(classifier, folder.path(), 2).last();
    let setting = format!("weights={:?}", file.display().to_string());
    let mut started = trainer(&[&setting]);
    let WarmStart { taken, fresh, unused, .. } = started.warm_start().unwrap().unwrap();
    let theirs = Checkpoint::read(&file).unwrap().tensors;
    let ours = started.checkpoint().unwrap().tensors;
    assert!(taken > 30 && ours["stages.1.0.large.weight"] == theirs["stages.1.0.large.weight"]);
    let is_head =
        |name: &String| ["norm", "decode_head.", "auxiliary_head."].iter().any(|head| name.starts_with(head));
    assert!(
        fresh.iter().all(is_head) && fresh.contains(&"decode_head.conv_seg.weight".to_owned()),
        "{fresh:?}"
    );
    assert_eq!(unused, ["head.bias", "head.weight", "norm.bias", "norm.weight"]);
    assert_eq!(trainer(&[]).warm_start().unwrap(), None);

    let mut other = trainer(&[&setting, "model.widths=[12,16]"]);
    let message = other.warm_start().unwrap_err().to_string();
    assert!(
        message.contains("`weights`") && message.contains("another shape") && message.contains("model.*"),
        "{message}"
    );
    let mut missing = trainer(&["weights=no-such-file"]);
    assert!(missing.warm_start().unwrap_err().to_string().contains("no-such-file"));
}

#[test]
fn initial_weights_give_the_same_logits_whatever_the_order_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let base = trained(&[]);
    base.checkpoint().unwrap().write(&file).unwrap();
    let classes = ["striped", "dark", "bright"].map(str::to_owned);
    let data = || Arc::new(Relabeled::by_name(Halves::new(false, false), &classes).ok().unwrap());
    let config = config(&[&format!("weights={:?}", file.display().to_string())]);
    let data = Datasets { train: data(), test: data() };
    let mut other = Trainer::new(CpuBackend::new().unwrap(), config, data).unwrap();
    let start = other.warm_start().unwrap().unwrap();
    assert_eq!((start.reordered.len(), start.fresh.len()), (4, 0), "{:?}", start.reordered);
    let logits = |trainer: &Trainer<CpuBackend>| {
        trainer.predictor(InferenceConfig::default()).unwrap().logits(&image([16, 20])).unwrap()
    };
    assert_eq!(logits(&other), logits(&base).select(Axis(3), &[2, 0, 1]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let refused = |differ, settings: &[&str]| -> String {
        let made = trainer_on(Halves::new(differ, false), Halves::new(false, false), settings);
        made.err().map_or("nothing is refused".to_owned(), |error: TrainError| error.to_string())
    };
    for (differ, settings, words) in [
        (true, &["data.augmentation.crop_size=0"][..], &["crop_size", "differ in size"][..]),
        (false, &["batch.size=1"], &["`batch.size`", "model.upernet.pools"]),
        (false, &["model.upernet.pools=[0]"], &["upernet.pools"]),
    ] {
        let message = refused(differ, settings);
        assert!(words.iter().all(|word| message.contains(word)), "{settings:?}: {message}");
    }
    let message =
        TrainConfig::parse("test", TEXT, &["inference.window=9".to_owned()]).unwrap_err().to_string();
    assert!(message.contains("`inference.stride`"), "{message}");

    // A classifier of whole images cannot run on windows, and images with one class cannot use UperNet.
    let classifier = crate::common::trainer(crate::common::config(&["inference={window=8, stride=4}"]));
    assert!(classifier.predictor(InferenceConfig { flip: true, ..InferenceConfig::default() }).is_err());
    let made = Trainer::new(
        CpuBackend::new().unwrap(),
        crate::common::config(&["model.upernet.channels=8"]),
        crate::common::datasets(),
    );
    assert!(made.err().unwrap().to_string().contains("leave it out"));
}
