//! `pelk eval`

mod json;
mod objects;
mod tables;

use crate::datasets;
use crate::device::{DeviceArgs, on_device};
use crate::folders::shown;
use crate::output::{note, say};
use crate::progress::Evaluating;
use crate::threads::in_pool;
use crate::values::{self, percent};
use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use pelk_autodiff::Backend;
use pelk_data::{LoaderConfig, Split};
use pelk_models::Head;
use pelk_report::table::significant;
use pelk_train::{
    Confusion, Evaluation, EvaluationTask, InferenceConfig, LabelEvaluation, Trained, evaluate,
    write_atomically,
};
use std::path::PathBuf;
use std::time::Instant;
use tables::{by_class, by_pixels, choose};

/// Evaluate a trained network on test images
///
/// Classes go by their names: the data may have some of the network's classes in any order, but no others.
///
/// Prints a table of the classes and draws the confusion matrix. For a detector, prints COCO's numbers for
/// boxes and masks, the average precision of each class, and that of the dataset's groups if it has any
/// (scenes-instances with shelves: distances to the nearest item of the shelf), and draws precision by recall.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pelk eval --checkpoint runs/fashion-mnist/best.safetensors\n  \
                  pelk eval --checkpoint runs/scenes/best.safetensors --scales 0.75,1,1.25 --flip")]
pub struct EvalArgs {
    /// Checkpoint from `train`: best.safetensors or last.safetensors
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Use the averaged weights of last.safetensors instead of the network's own
    #[arg(long)]
    ema: bool,
    /// Folder with the dataset's files [default: the run's, else its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Annotation file in COCO's format of the images to evaluate on, all of them [default: the run's]
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    annotations: Option<PathBuf>,
    /// Evaluate on the training images instead
    #[arg(long)]
    train: bool,
    /// Evaluate on all images of a folder that is not divided into training and test images, instead of the
    /// fifth that is held out, or of a folder that has only one of both
    #[arg(long, conflicts_with = "train")]
    all: bool,
    /// First merge BatchNorm and the small branch into the large kernels: same results, faster
    #[arg(long)]
    folded: bool,
    /// Seed of a composed dataset's canvases [default: the one used in training]
    #[arg(long, value_name = "N")]
    canvas_seed: Option<u64>,
    /// Batch size [default: 250, or 16 for segmentation; 1 for images of different sizes]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batch: Option<usize>,
    /// Number of threads that load images, in addition to those that compute; does not change results
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    loaders: usize,
    /// List all classes; by default, if there are more than 30, only the 20 worst
    #[arg(long)]
    all_classes: bool,
    /// File for the confusion matrix [default: next to the checkpoint, for example best.confusion.svg]
    #[arg(long, value_name = "FILE.svg")]
    confusion: Option<PathBuf>,
    /// File for the results as JSON, or `-` to print them instead of the tables; what was not measured, since
    /// nothing was counted, is null
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Detection: file for what was found, in COCO's format [default: none]
    #[arg(long, value_name = "FILE.json")]
    results: Option<PathBuf>,
    /// Detection: file for the curves of precision by recall [default: next to the checkpoint, for example
    /// best.precision.svg]
    #[arg(long, value_name = "FILE.svg")]
    precision: Option<PathBuf>,
    #[command(flatten)]
    inference: InferenceArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Default batch sizes of classifiers and of segmentation networks.
const BATCH: usize = 250;
const SEGMENTATION_BATCH: usize = 16;

/// Options that change how a segmentation network is evaluated.
#[derive(Debug, clap::Args)]
struct InferenceArgs {
    /// Segmentation: window size; overlapping windows are averaged; 0 for the whole image at once
    #[arg(long, value_name = "PIXELS", help_heading = "Segmentation")]
    window: Option<usize>,
    /// Segmentation: stride between windows [default: two thirds of the window]
    #[arg(long, value_name = "PIXELS", requires = "window", help_heading = "Segmentation")]
    stride: Option<usize>,
    /// Segmentation: average over these scales of the image, for example 0.5,0.75,1,1.25,1.5,1.75
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', help_heading = "Segmentation")]
    scales: Option<Vec<f64>>,
    /// Segmentation: also average over the mirrored image
    #[arg(long, help_heading = "Segmentation")]
    flip: bool,
}

impl InferenceArgs {
    /// The configuration from training with these changes.
    fn of(&self, trained: &InferenceConfig) -> InferenceConfig {
        let mut inference = trained.clone();
        if let Some(window) = self.window {
            inference.window = window;
            inference.stride = self.stride.unwrap_or((2 * window).div_ceil(3));
        }
        inference.scales = self.scales.clone().unwrap_or(inference.scales);
        inference.flip |= self.flip;
        inference
    }
}

/// Runs the command.
///
/// # Errors
/// When the checkpoint or the data is unusable.
pub fn run(args: &EvalArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => eval(args, &backend)))
}

fn eval<B: Backend>(args: &EvalArgs, backend: &B) -> Result<()> {
    let read = if args.ema { Trained::read_averaged } else { Trained::read };
    let Trained { mut description, network, parameters } = read(backend, &args.checkpoint, args.folded)?;
    let split = if args.train { Split::Train } else { Split::Test };
    let canvases = &mut description.data.canvases;
    canvases.seed = args.canvas_seed.unwrap_or(canvases.seed);
    if let Some(file) = &args.annotations {
        // As both files, so that none of its images is held out.
        description.data = datasets::annotated(&description.data, &[file.clone(), file.clone()]);
    }
    let images = datasets::open_for(&description, args.data.as_deref(), split, args.all)?;
    if images.chosen_by_name() {
        note!("--all evaluates on all of them");
    }
    let count = images.len();
    let inference = args.inference.of(&description.inference);
    let batch = args.batch.unwrap_or(match network.config().head {
        Head::UperNet(_) => SEGMENTATION_BATCH,
        Head::Pooled | Head::Dense => BATCH,
        Head::CascadeMaskRcnn(_) => 1,
    });
    let loading = description.data.evaluation_loading(&*images, batch, &description.normalization);
    let loading = LoaderConfig { workers: args.loaders, ..loading };
    let progress = Evaluating::new(count);
    let start = Instant::now();
    let task = EvaluationTask {
        backend,
        network: &network,
        parameters: &parameters,
        dataset: images.clone(),
        loading,
    };
    let evaluation = evaluate(task, &inference, |done| {
        progress.show(done);
        true
    })?;
    let seconds = start.elapsed().as_secs_f64();
    progress.finish();
    let folded = if network.config().folded { " (folded)" } else { "" };
    let averaged = if args.ema { ", averaged weights" } else { "" };
    let name = format!("{}{folded}{averaged} after step {}", network.config().name, description.step);
    let part = if args.all { String::new() } else { format!("{split} ") };
    let measured = format!("{count} {part}images of {}", description.data.dataset);
    if let Some(target) = &args.json {
        let of = json::Evaluated {
            checkpoint: &args.checkpoint,
            network: &network.config().name,
            folded: network.config().folded,
            averaged: args.ema,
            step: description.step,
            dataset: &description.data.dataset,
            split: &if args.all { "all".to_owned() } else { split.to_string() },
            images: count,
            classes: &description.classes,
            seconds,
        };
        json::write(target, &of, &evaluation)?;
        if json::is_output(target) {
            return save(args, &evaluation, &description.classes, name, measured);
        }
    }
    say!("{name}, {measured}\n");
    let segments = matches!(network.config().head, Head::UperNet(_));
    match &evaluation {
        Evaluation::Labels(labels) => {
            print_classes(&labels.confusion, &description.classes, segments, args.all_classes);
            print_scores(labels, segments);
        }
        Evaluation::Objects(found) => objects::print(found, &description.classes, args.all_classes),
    }
    say!("speed           {} images/s", significant(count as f64 / seconds));
    // The numbers are already printed if a file cannot be written.
    save(args, &evaluation, &description.classes, name, measured)
}

fn save(
    args: &EvalArgs,
    evaluation: &Evaluation,
    classes: &[String],
    name: String,
    measured: String,
) -> Result<()> {
    match evaluation {
        Evaluation::Labels(labels) => save_confusion(args, labels, classes, name, measured),
        Evaluation::Objects(found) => objects::save(args, found, &name, &measured),
    }
}

/// The file of a picture that no option names, next to the checkpoint.
fn beside(args: &EvalArgs, ending: &str) -> PathBuf {
    let averaged = if args.ema { "ema." } else { "" };
    args.checkpoint.with_extension(format!("{averaged}{ending}"))
}

/// Tells where a file was saved; on standard error if standard output has the results as JSON.
fn saved(args: &EvalArgs, text: &str) {
    match args.json.as_deref().is_some_and(json::is_output) {
        true => note!("{text}"),
        false => say!("{text}"),
    }
}

fn save_confusion(
    args: &EvalArgs,
    evaluation: &LabelEvaluation,
    classes: &[String],
    name: String,
    measured: String,
) -> Result<()> {
    let path = args.confusion.clone().unwrap_or_else(|| beside(args, "confusion.svg"));
    let svg = tables::picture(&evaluation.confusion, classes, name, measured)?;
    write_atomically(&path, svg.as_bytes())
        .context("cannot save the confusion matrix; choose another file with --confusion")?;
    saved(args, &format!("\nConfusion matrix:\n  open {}", shown(&path)));
    Ok(())
}

fn print_classes(confusion: &Confusion, classes: &[String], segments: bool, all: bool) {
    let (rows, remark) = match segments {
        true => choose(classes.len(), all, "IoU", |class| confusion.iou(class)),
        false => choose(classes.len(), all, "recall", |class| confusion.recall(class)),
    };
    match segments {
        true => say!("{}", by_pixels(confusion, classes, &rows)),
        false => say!("{}", by_class(confusion, classes, &rows)),
    }
    if let Some(remark) = remark {
        say!("{remark}\n");
    }
}

fn print_scores(evaluation: &LabelEvaluation, segments: bool) {
    let confusion = &evaluation.confusion;
    if segments {
        say!("mIoU            {}", percent(confusion.mean_iou()));
        say!("mAcc            {}", percent(confusion.mean_recall()));
        say!("aAcc            {}", percent(confusion.accuracy()));
    } else {
        say!("accuracy        {}", percent(confusion.accuracy()));
        if confusion.classes() > 5 {
            say!("top-5 accuracy  {}", percent(evaluation.top5_accuracy));
        }
    }
    for group in &evaluation.groups {
        say!("  of {:<11} {}", group.name, percent(group.score()));
    }
    say!("loss            {}", values::loss(evaluation.loss, 4));
}
