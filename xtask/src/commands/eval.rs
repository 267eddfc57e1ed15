//! `cargo xtask eval`

use crate::device::{DeviceArgs, on_device};
use crate::table::{Table, number, text};
use crate::trained::Trained;
use crate::workspace::{dataset, in_pool};
use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use pelk_autodiff::Backend;
use pelk_data::Split;
use pelk_train::{Evaluation, evaluate};
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
    /// Images in a pass
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batch: usize,
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// When the checkpoint or the data are unusable.
pub fn run(args: &EvalArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.device.open()?, backend => eval(args, &backend)))
}

fn eval<B: Backend>(args: &EvalArgs, backend: &B) -> Result<()> {
    let Trained { description, network, parameters } = Trained::read(backend, &args.checkpoint, args.folded)?;
    let split = if args.train { Split::Train } else { Split::Test };
    let mut canvases = description.canvases.clone();
    canvases.seed = args.canvas_seed.unwrap_or(canvases.seed);
    let images = dataset(&description.dataset, args.data.as_deref(), &canvases, split)?;
    let count = images.len();
    let start = Instant::now();
    let quiet = |_done| {};
    let normalisation = &description.normalisation;
    let evaluation = evaluate(backend, &network, &parameters, images, normalisation, args.batch, quiet)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}{} after step {}, {} {split} images of {}\n",
        network.config().name,
        if args.folded { " (folded)" } else { "" },
        description.step,
        count,
        description.dataset,
    );
    println!("{}", by_class(&evaluation, &description.classes));
    println!("accuracy        {:.2} %", 100.0 * evaluation.accuracy);
    if description.classes.len() > 5 {
        println!("top-5 accuracy  {:.2} %", 100.0 * evaluation.top5_accuracy);
    }
    for group in &evaluation.groups {
        println!("  of {:<11} {:.2} %", group.name, 100.0 * group.accuracy());
    }
    println!("loss            {:.4}", evaluation.loss);
    println!("speed           {:.0} images/s", count as f64 / seconds);
    Ok(())
}

/// Recall and precision of each class, and what it is most often taken for.
fn by_class(evaluation: &Evaluation, classes: &[String]) -> Table<5> {
    let mut table = Table::new([
        text("class"),
        number("labels"),
        number("recall"),
        number("precision"),
        text("most often taken for"),
    ]);
    let percent = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    };
    for (class, row) in evaluation.confusion.iter().enumerate() {
        let predicted: u64 = evaluation.confusion.iter().map(|row| row[class]).sum();
        let other =
            (0..row.len()).filter(|&other| other != class && row[other] > 0).max_by_key(|&other| row[other]);
        table.row([
            classes[class].clone(),
            row.iter().sum::<u64>().to_string(),
            percent(row[class], row.iter().sum()),
            percent(row[class], predicted),
            other.map_or(String::new(), |other| format!("{} ({})", classes[other], row[other])),
        ]);
    }
    table
}
