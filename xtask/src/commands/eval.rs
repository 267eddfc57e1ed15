//! `cargo xtask eval`

use crate::device::{DeviceArgs, on_device};
use crate::output::say;
use crate::progress::Evaluating;
use crate::table::{Table, number, text};
use crate::trained::Trained;
use crate::workspace::{dataset, in_pool};
use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use pelk_autodiff::Backend;
use pelk_data::Split;
use pelk_models::Head;
use pelk_train::{Confusion, InferenceConfig, evaluate};
use std::path::PathBuf;
use std::time::Instant;

/// Measure a trained network on test images
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo xtask eval --checkpoint runs/fashion-mnist/best.safetensors")]
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
    in_pool(args.threads, || on_device!(args.device.device.open()?, backend => eval(args, &backend)))
}

fn eval<B: Backend>(args: &EvalArgs, backend: &B) -> Result<()> {
    let Trained { mut description, network, parameters } =
        Trained::read(backend, &args.checkpoint, args.folded)?;
    let split = if args.train { Split::Train } else { Split::Test };
    let canvases = &mut description.data.canvases;
    canvases.seed = args.canvas_seed.unwrap_or(canvases.seed);
    let images = dataset(&description.data, args.data.as_deref(), split)?;
    let count = images.len();
    let inference = args.inference.of(&description.inference);
    let batch = args.batch.unwrap_or(match network.config().head {
        Head::UperNet(_) => SEGMENTATION_BATCH,
        Head::Pooled | Head::Dense => BATCH,
    });
    let progress = Evaluating::new(count);
    let start = Instant::now();
    let evaluation = evaluate(
        backend,
        &network,
        &parameters,
        images,
        &description.normalisation,
        &inference,
        batch,
        |done| progress.show(done),
    )?;
    let seconds = start.elapsed().as_secs_f64();
    progress.finish();
    say!(
        "{}{} after step {}, {} {split} images of {}\n",
        network.config().name,
        if network.config().folded { " (folded)" } else { "" },
        description.step,
        count,
        description.data.dataset,
    );
    let confusion = &evaluation.confusion;
    if matches!(network.config().head, Head::UperNet(_)) {
        say!("{}", by_pixels(confusion, &description.classes));
        say!("mIoU            {:.2} %", 100.0 * confusion.mean_iou());
        say!("mAcc            {:.2} %", 100.0 * confusion.mean_recall());
        say!("aAcc            {:.2} %", 100.0 * confusion.accuracy());
    } else {
        say!("{}", by_class(confusion, &description.classes));
        say!("accuracy        {:.2} %", 100.0 * confusion.accuracy());
        if description.classes.len() > 5 {
            say!("top-5 accuracy  {:.2} %", 100.0 * evaluation.top5_accuracy);
        }
    }
    for group in &evaluation.groups {
        say!("  of {:<11} {:.2} %", group.name, 100.0 * group.accuracy());
    }
    say!("loss            {:.4}", evaluation.loss);
    say!("speed           {:.1} images/s", count as f64 / seconds);
    Ok(())
}

/// A share as a percentage, where there is one.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// Recall and precision of each class, and what it is most often taken for.
fn by_class(confusion: &Confusion, classes: &[String]) -> Table<5> {
    let mut table = Table::new([
        text("class"),
        number("labels"),
        number("recall"),
        number("precision"),
        text("most often taken for"),
    ]);
    for (class, name) in classes.iter().enumerate() {
        table.row([
            name.clone(),
            confusion.labels(class).to_string(),
            percent(confusion.recall(class)),
            percent(confusion.precision(class)),
            taken_for(confusion, class)
                .map_or(String::new(), |(other, count)| format!("{} ({count})", classes[other])),
        ]);
    }
    table
}

/// Share of the pixels, IoU and accuracy of each class, and what it is most often taken for.
fn by_pixels(confusion: &Confusion, classes: &[String]) -> Table<5> {
    let mut table = Table::new([
        text("class"),
        number("pixels"),
        number("IoU"),
        number("Acc"),
        text("most often taken for"),
    ]);
    let share = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
    for (class, name) in classes.iter().enumerate() {
        let labels = confusion.labels(class);
        table.row([
            name.clone(),
            percent(share(labels, confusion.total())),
            percent(confusion.iou(class)),
            percent(confusion.recall(class)),
            taken_for(confusion, class).map_or(String::new(), |(other, count)| {
                format!("{} ({})", classes[other], percent(share(count, labels)))
            }),
        ]);
    }
    table
}

/// The class that another one is most often taken for, and how often.
fn taken_for(confusion: &Confusion, class: usize) -> Option<(usize, u64)> {
    let others = (0..confusion.classes()).filter(|&other| other != class);
    others
        .map(|other| (other, confusion.count(class, other)))
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count)
}
