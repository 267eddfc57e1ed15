//! `pelk predict`

mod segments;

use crate::device::{DeviceArgs, on_device};
use crate::images;
use crate::output::say;
use crate::table::{Table, number, text};
use crate::trained::Trained;
use crate::workspace::in_pool;
use anyhow::{Result, bail};
use pelk_autodiff::{Backend, Shape};
use pelk_models::Head;
use pelk_train::ranked;
use std::path::PathBuf;

/// Say what is on images, or where, with a trained network
///
/// A classifier prints the five most likely classes. A segmentation network writes each image under the colors of its pixels'
/// classes, with a legend, and prints their shares.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pelk predict --checkpoint runs/fashion-mnist/best.safetensors shirt.png\n  \
                  pelk predict --checkpoint runs/scenes/best.safetensors scene.png"
)]
pub struct PredictArgs {
    /// A best.safetensors or last.safetensors that `train` wrote
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Images: PNG, JPEG, BMP, GIF, WebP, TIFF or PNM; for a classifier resized as its test images were
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Swap light and dark first: Fashion-MNIST shows light clothes on a dark ground, photographs mostly the reverse
    #[arg(long)]
    invert: bool,
    /// Folder for the pictures of a segmentation network, called as the images are [default: runs/predict]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// When the checkpoint or an image is unusable, or a picture cannot be written.
pub fn run(args: &PredictArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.device.open()?, backend => predict(args, &backend)))
}

fn predict<B: Backend>(args: &PredictArgs, backend: &B) -> Result<()> {
    let trained = Trained::read(backend, &args.checkpoint, true)?;
    match trained.network.config().head {
        Head::Pooled => classify(args, backend, &trained),
        Head::UperNet(_) => segments::run(args, backend, &trained),
        Head::Dense => bail!(
            "{} classifies coarse places of an image, of which no picture is made: measure it with eval",
            args.checkpoint.display()
        ),
    }
}

fn classify<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let Trained { description, network, parameters } = trained;
    let transform = description.data.evaluation.as_ref();
    let mut session = None;
    for path in &args.images {
        let mut image = images::open(path)?;
        if args.invert {
            image.invert();
        }
        let (values, [height, width]) =
            images::evaluated(&image, transform, description.image, &description.normalization)?;
        // Of one size, whatever the image.
        let shape = Shape::from([1, height, width, description.image[2]]);
        let session = match &mut session {
            Some(session) => session,
            none => none.insert(network.session(backend, parameters, &shape)?),
        };
        let logits = backend.download(&session.run(backend.upload(&shape, &values)?)?)?;
        say!("{}\n{}", path.display(), top_five(&logits, &description.classes));
    }
    Ok(())
}

fn top_five(logits: &[f32], classes: &[String]) -> Table<2> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let mut table = Table::new([text("  class"), number("probability")]);
    for class in ranked(logits).into_iter().take(5) {
        table.row([format!("  {}", classes[class]), format!("{:.2} %", 100.0 * weights[class] / sum)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_sorted_and_sum_to_one() {
        let classes: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let table = top_five(&[0.0, 2f32.ln(), f32::NEG_INFINITY], &classes).to_string();
        let lines: Vec<&str> = table.lines().skip(2).map(str::trim).collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["b", "66.67", "%"]);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["a", "33.33", "%"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["c", "0.00", "%"]);
    }
}
