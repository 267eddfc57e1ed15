//! `pelk predict`

mod segments;

use crate::device::{DeviceArgs, on_device};
use crate::output::say;
use crate::threads::in_pool;
use anyhow::{Result, bail};
use pelk_autodiff::Backend;
use pelk_models::Head;
use pelk_report::table::{Table, number, text};
use pelk_train::{Trained, open_image};
use std::path::PathBuf;

/// Classify or segment images with a trained network
///
/// A classifier prints the five most likely classes of each image. A segmentation network writes each image
/// with its classes as an overlay and a legend, and prints their shares.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pelk predict --checkpoint runs/fashion-mnist/best.safetensors shirt.png\n  \
                  pelk predict --checkpoint runs/scenes/best.safetensors scene.png"
)]
pub struct PredictArgs {
    /// Checkpoint from `train`: best.safetensors or last.safetensors
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Images (PNG, JPEG, BMP, GIF, WebP, TIFF or PNM); a classifier resizes them like its test images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Invert the image first: Fashion-MNIST has light clothes on a dark background, unlike most photos
    #[arg(long)]
    invert: bool,
    /// Folder for the pictures of a segmentation network, named like the images [default: runs/predict]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Number of classes to list for each image.
const SHOWN: usize = 5;

/// Runs the command.
///
/// # Errors
/// When the checkpoint or an image is unusable, or a picture cannot be written.
pub fn run(args: &PredictArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => predict(args, &backend)))
}

fn predict<B: Backend>(args: &PredictArgs, backend: &B) -> Result<()> {
    let trained = Trained::read(backend, &args.checkpoint, true)?;
    match trained.network.config().head {
        Head::Pooled => classify(args, backend, &trained),
        Head::UperNet(_) => segments::run(args, backend, &trained),
        Head::Dense => bail!(
            "{} classifies coarse squares of an image, which predict does not support: use eval",
            args.checkpoint.display()
        ),
        Head::CascadeMaskRcnn(_) => bail!(
            "{} finds things with their boxes and masks, which predict does not support yet",
            args.checkpoint.display()
        ),
    }
}

fn classify<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let mut classifier = trained.classifier(backend)?;
    for path in &args.images {
        let mut image = open_image(path)?;
        if args.invert {
            image.invert();
        }
        let mut table = Table::new([text("  class"), number("probability")]);
        for (class, probability) in classifier.top(&image, SHOWN)? {
            let name = &trained.description.classes[class];
            table.row([format!("  {name}"), format!("{:.2} %", 100.0 * probability)]);
        }
        say!("{}\n{table}", path.display());
    }
    Ok(())
}
