//! `pelk eval`

mod tables;

use crate::datasets;
use crate::device::{DeviceArgs, on_device};
use crate::output::say;
use crate::progress::Evaluating;
use crate::workspace::{in_pool, shown};
use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use pelk_autodiff::Backend;
use pelk_data::{LoaderConfig, Split};
use pelk_models::Head;
use pelk_train::{InferenceConfig, Trained, evaluate, write_atomically};
use std::path::PathBuf;
use std::time::Instant;
use tables::{by_class, by_pixels, choose};

/// Measure a trained network on test images
///
/// Prints a table of the classes and draws which of them were taken for which.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pelk eval --checkpoint runs/fashion-mnist/best.safetensors\n  \
                  pelk eval --checkpoint runs/scenes/best.safetensors --scales 0.75,1,1.25 --flip")]
pub struct EvalArgs {
    /// A best.safetensors or last.safetensors that `train` wrote
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Folder of the dataset's files [default: the folder in `datasets` that comes with the checkout]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Measure on the training images instead
    #[arg(long)]
    train: bool,
    /// Merge BatchNorm and the small branch into the large kernels first: the same results, faster
    #[arg(long)]
    folded: bool,
    /// Seed of a composed dataset's canvases [default: that of training]
    #[arg(long, value_name = "N")]
    canvas_seed: Option<u64>,
    /// Images in a pass [default: 250, or 16 in segmentation; images of different sizes go one at a time]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batch: Option<usize>,
    /// Threads that read images, beside those that compute; does not change results
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    loaders: usize,
    /// Table of all classes; without, of more than 30 the 20 worst
    #[arg(long)]
    all_classes: bool,
    /// Picture of which classes were taken for which [default: beside the checkpoint, for instance best.confusion.svg]
    #[arg(long, value_name = "FILE.svg")]
    confusion: Option<PathBuf>,
    #[command(flatten)]
    inference: InferenceArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Images in a pass of networks that give a class to an image, and to each pixel.
const BATCH: usize = 250;
const SEGMENTATION_BATCH: usize = 16;

/// How a segmentation network is asked, where it is not as in training.
#[derive(Debug, clap::Args)]
struct InferenceArgs {
    /// Segmentation: classify windows of this side and average them, 0 for the whole image at once
    #[arg(long, value_name = "PIXELS", help_heading = "Segmentation")]
    window: Option<usize>,
    /// Segmentation: pixels from one window to the next [default: two thirds of the window]
    #[arg(long, value_name = "PIXELS", requires = "window", help_heading = "Segmentation")]
    stride: Option<usize>,
    /// Segmentation: factors on the size, whose probabilities are averaged, for instance 0.5,0.75,1,1.25,1.5,1.75
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', help_heading = "Segmentation")]
    scales: Option<Vec<f64>>,
    /// Segmentation: average in the mirrored image too
    #[arg(long, help_heading = "Segmentation")]
    flip: bool,
}

impl InferenceArgs {
    /// The way of training with these changes.
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
/// When the checkpoint or the data are unusable.
pub fn run(args: &EvalArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => eval(args, &backend)))
}

fn eval<B: Backend>(args: &EvalArgs, backend: &B) -> Result<()> {
    let Trained { mut description, network, parameters } =
        Trained::read(backend, &args.checkpoint, args.folded)?;
    let split = if args.train { Split::Train } else { Split::Test };
    let canvases = &mut description.data.canvases;
    canvases.seed = args.canvas_seed.unwrap_or(canvases.seed);
    let images = datasets::open(&description.data, args.data.as_deref(), split)?;
    let count = images.len();
    let inference = args.inference.of(&description.inference);
    let batch = args.batch.unwrap_or(match network.config().head {
        Head::UperNet(_) => SEGMENTATION_BATCH,
        Head::Pooled | Head::Dense => BATCH,
    });
    let loading = description.data.evaluation_loading(&*images, batch, &description.normalization);
    let loading = LoaderConfig { workers: args.loaders, ..loading };
    let progress = Evaluating::new(count);
    let start = Instant::now();
    let evaluation =
        evaluate(backend, &network, &parameters, images, loading, &inference, |done| progress.show(done))?;
    let seconds = start.elapsed().as_secs_f64();
    progress.finish();
    let folded = if network.config().folded { " (folded)" } else { "" };
    let name = format!("{}{folded} after step {}", network.config().name, description.step);
    let measured = format!("{count} {split} images of {}", description.data.dataset);
    say!("{name}, {measured}\n");
    let (confusion, classes) = (&evaluation.confusion, &description.classes);
    let segments = matches!(network.config().head, Head::UperNet(_));
    let (rows, remark) = match segments {
        true => choose(classes.len(), args.all_classes, "IoU", |class| confusion.iou(class)),
        false => choose(classes.len(), args.all_classes, "recall", |class| confusion.recall(class)),
    };
    match segments {
        true => say!("{}", by_pixels(confusion, classes, &rows)),
        false => say!("{}", by_class(confusion, classes, &rows)),
    }
    if let Some(remark) = remark {
        say!("{remark}\n");
    }
    if segments {
        say!("mIoU            {:.2} %", 100.0 * confusion.mean_iou());
        say!("mAcc            {:.2} %", 100.0 * confusion.mean_recall());
        say!("aAcc            {:.2} %", 100.0 * confusion.accuracy());
    } else {
        say!("accuracy        {:.2} %", 100.0 * confusion.accuracy());
        if classes.len() > 5 {
            say!("top-5 accuracy  {:.2} %", 100.0 * evaluation.top5_accuracy);
        }
    }
    for group in &evaluation.groups {
        say!("  of {:<11} {:.2} %", group.name, 100.0 * group.accuracy());
    }
    say!("loss            {:.4}", evaluation.loss);
    say!("speed           {:.1} images/s", count as f64 / seconds);

    let path = args.confusion.clone().unwrap_or_else(|| args.checkpoint.with_extension("confusion.svg"));
    let svg = tables::picture(confusion, classes, name, measured)?;
    // The numbers are out already, should this fail.
    write_atomically(&path, svg.as_bytes())
        .context("the picture of confusions was not written; --confusion names another place")?;
    say!("\nWhich classes were taken for which:\n  open {}", shown(&path));
    Ok(())
}
