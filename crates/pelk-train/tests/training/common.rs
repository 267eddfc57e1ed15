//! A short training run: a tiny network on tiny images, with all randomness switched on.

// `malformed` is a crate of its own and uses only some of this.
#![allow(dead_code)]

use pelk_autodiff::CpuBackend;
use pelk_data::ImageDataset;
use pelk_train::{
    Checkpoint, Confusion, Datasets, Evaluation, EvaluationReport, GroupResult, GroupScores, LabelEvaluation,
    LabelScores, Limits, MetricsRow, Observer, Outcome, Result, Run, Scores, StepReport, TrainConfig,
    Trainer,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 53 training images in batches of 4, two per step: 6 steps per epoch, with images left over; 4 epochs.
pub const TEXT: &str = r#"
    model = { name = "pelk_atto", depths = [1, 2], widths = [8, 16], kernels = [7, 5], drop_path = 0.4 }
    data.dataset = "example"
    data.augmentation = { crop_padding = 2, erasing_probability = 0.5 }
    data.mix = { mixup_alpha = 0.8, cutmix_alpha = 1.0, probability = 0.8 }
    ema.decay = 0.9
    sparsity = { sparsity = 0.4, update_every = 5 }
    batch = { size = 4, accumulation = 2, evaluation_size = 7 }
    optimizer = { learning_rate = 0.01, clip_norm = 0.5 }
    schedule = { epochs = 4, warmup_epochs = 1.5 }
"#;
/// Steps of the whole schedule of [`TEXT`].
pub const STEPS: u64 = 24;

pub fn config(settings: &[&str]) -> TrainConfig {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    TrainConfig::parse("test", TEXT, &settings).unwrap()
}

/// Three classes of images: a bright row, column or corner on noise.
pub fn images([height, width]: [usize; 2], count: u32, seed: u32) -> Arc<ImageDataset> {
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as u8
    };
    let labels: Vec<u32> = (0..count).map(|i| i % 3).collect();
    let mut pixels = Vec::new();
    for &label in &labels {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let bright = [y == 5, x == 4, y < 4 && x < 4][label as usize];
            pixels.push(noise() + if bright { 150 } else { 10 });
        }
    }
    let classes = ["row", "column", "corner"].map(str::to_owned).to_vec();
    Arc::new(ImageDataset::new("example", [height, width, 1], pixels, labels, classes).unwrap())
}

pub fn datasets() -> Datasets {
    Datasets { train: images([12, 10], 53, 1), test: images([12, 10], 17, 2) }
}

pub fn trainer(config: TrainConfig) -> Trainer<CpuBackend> {
    trainer_on(datasets(), config)
}

pub fn trainer_on(datasets: Datasets, config: TrainConfig) -> Trainer<CpuBackend> {
    Trainer::new(CpuBackend::new().unwrap(), config, datasets).unwrap()
}

/// Keeps the results of training: checkpoints in files, and all reports.
pub struct Recorder {
    pub folder: PathBuf,
    pub reports: Vec<StepReport>,
    pub rows: Vec<MetricsRow>,
    pub evaluations: Vec<Evaluation>,
    /// The step after which to stop.
    pub stop_after: Option<u64>,
    /// Called after each step.
    pub after_step: Box<dyn FnMut(u64) + Send>,
    /// The number of batches of evaluations after which to stop, counted down.
    pub stop_in_evaluation: Option<usize>,
}

impl Recorder {
    pub fn new(folder: &Path) -> Recorder {
        Recorder {
            folder: folder.to_owned(),
            reports: Vec::new(),
            rows: Vec::new(),
            evaluations: Vec::new(),
            stop_after: None,
            after_step: Box::new(|_| ()),
            stop_in_evaluation: None,
        }
    }

    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    pub fn best_ema(&self) -> PathBuf {
        self.folder.join("best-ema.safetensors")
    }

    /// The bytes of all checkpoints that exist.
    pub fn bytes(&self) -> [Vec<u8>; 3] {
        [self.last(), self.best(), self.best_ema()].map(|path| std::fs::read(path).unwrap_or_default())
    }
}

impl Observer for Recorder {
    fn on_step(&mut self, report: &StepReport) -> bool {
        self.reports.push(*report);
        (self.after_step)(report.step);
        self.stop_after.is_none_or(|stop| report.step < stop)
    }

    fn on_evaluation_batch(&mut self, _: usize, _: usize) -> bool {
        self.stop_in_evaluation = self.stop_in_evaluation.map(|left| left - 1);
        self.stop_in_evaluation != Some(0)
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.write(&self.last())
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> Result<()> {
        self.rows.push(report.row);
        self.evaluations.push(report.evaluation.clone());
        for (best, path) in [(report.best, self.best()), (report.best_ema, self.best_ema())] {
            best.map_or(Ok(()), |best| best.write(&path))?;
        }
        Ok(())
    }
}

pub fn up_to(step: u64) -> Limits {
    Limits { max_steps: Some(step), ..Limits::default() }
}

/// Trains a new network up to `step`, in this folder.
pub fn train(config: TrainConfig, folder: &Path, step: u64) -> Recorder {
    let mut recorder = Recorder::new(folder);
    let outcome = trainer(config).run(up_to(step), &mut recorder).unwrap();
    assert_eq!(outcome, if step < STEPS { Outcome::Limited } else { Outcome::Finished });
    recorder
}

/// A new trainer that resumes from the checkpoint in a file.
pub fn restored(config: TrainConfig, path: &Path) -> Result<Trainer<CpuBackend>> {
    let mut trainer = trainer(config);
    trainer.restore(Checkpoint::read(path)?, path)?;
    Ok(trainer)
}

/// An evaluation with one group.
pub fn evaluation() -> Evaluation {
    let groups =
        vec![GroupResult { name: "near".into(), count: 8, scores: GroupScores::Labels { correct: 4 } }];
    let confusion = Confusion::new(2);
    Evaluation::Labels(LabelEvaluation { loss: Some(1.0), top5_accuracy: Some(1.0), confusion, groups })
}

/// Adds an evaluation with this row to a run.
pub fn add(run: &mut Run, row: MetricsRow) {
    let evaluation = evaluation();
    run.add(&EvaluationReport { row, evaluation: &evaluation, ema: None, best: None, best_ema: None })
        .unwrap();
}

/// A run's folder with these rows of metrics, by their steps.
pub fn run_with_rows(folder: &Path, config: &TrainConfig, steps: &[u64]) -> Run {
    let mut run = Run::create(folder, config).unwrap();
    for (i, &step) in steps.iter().enumerate() {
        let row = MetricsRow {
            epoch: i as u64 + 1,
            step,
            learning_rate: 0.5,
            train_loss: Some(1.0),
            test: Scores::Labels(LabelScores {
                loss: Some(1.0),
                accuracy: Some(0.5),
                top5_accuracy: Some(1.0),
                mean_iou: Some(0.25),
            }),
            ema: None,
            nonzeros: 100,
            images_per_second: 10.0,
        };
        add(&mut run, row);
    }
    run
}

/// The message of a result that must be an error.
pub fn message_of<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("should have failed"),
        Err(error) => error.to_string(),
    }
}
