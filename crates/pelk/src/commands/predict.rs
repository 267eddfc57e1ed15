//! `pelk predict`

mod objects;
mod segments;

use crate::datasets::exif;
use crate::device::{DeviceArgs, on_device};
use crate::output::{note, say};
use crate::pictures::LEAST_SCORE;
use crate::threads::in_pool;
use anyhow::{Result, bail, ensure};
use pelk_autodiff::Backend;
use pelk_data::{Exif, counted, image_files};
use pelk_models::Head;
use pelk_report::table::{Table, number, text};
use pelk_train::{Trained, open_upright};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Classify or segment images, or find objects in them, with a trained network
///
/// A classifier prints the five most likely classes of each image. A segmentation network writes each image
/// with its classes as an overlay and a legend, and prints their shares. A detector writes each image with
/// the boxes, masks, classes and scores of what it finds, and on request a file of results in COCO's format.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pelk predict --checkpoint runs/fashion-mnist/best.safetensors shirt.png\n  \
                  pelk predict --checkpoint runs/scenes/best.safetensors scene.png\n  \
                  pelk predict --checkpoint runs/coco/best.safetensors photos --results found.json"
)]
pub struct PredictArgs {
    /// Checkpoint from `train`: best.safetensors or last.safetensors
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Use the averaged weights of last.safetensors instead of the network's own
    #[arg(long)]
    ema: bool,
    /// Images (PNG, JPEG, BMP, GIF, WebP, TIFF or PNM), or folders of images; they are resized like the
    /// network's test images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Invert the image first: Fashion-MNIST has light clothes on a dark background, unlike most photos
    #[arg(long)]
    invert: bool,
    /// What to do with the EXIF orientation of images [default: as in the network's training]
    #[arg(long, value_name = "HOW", value_parser = exif())]
    exif: Option<Exif>,
    /// Folder for the pictures of a segmentation network or detector, named like the images [default:
    /// runs/predict]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Detection: show only objects with at least this score
    #[arg(long, value_name = "SCORE", default_value_t = LEAST_SCORE)]
    score: f32,
    /// Detection: file for everything that was found, in COCO's format
    #[arg(long, value_name = "FILE.json")]
    results: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Images that are classified together: enough that every product of a network for images of 224 pixels keeps
/// all cores busy, and few enough that the first answers come at once.
const AT_ONCE: usize = 8;

/// Number of classes to list for each image.
const SHOWN: usize = 5;

/// Runs the command.
///
/// # Errors
/// When the checkpoint is unusable, or a picture cannot be written; after the last image, when one was
/// unusable.
pub fn run(args: &PredictArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => predict(args, &backend)))
}

/// The images that the command line names, those of a folder by name.
fn images(args: &PredictArgs) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in &args.images {
        if !path.is_dir() {
            images.push(path.clone());
            continue;
        }
        let (mut files, others) = image_files(path)?;
        if let Some(others) = others {
            note!("{others}");
        }
        ensure!(!files.is_empty(), "{} has no images", path.display());
        images.append(&mut files);
    }
    Ok(images)
}

/// Images that could not be read, while the others went on.
struct Failures {
    failed: usize,
    all: usize,
    /// The error of the only image, which is that of the command.
    only: Option<anyhow::Error>,
}

impl Failures {
    fn new(images: &[PathBuf]) -> Failures {
        Failures { failed: 0, all: images.len(), only: None }
    }

    /// What was read; keeps or prints the error otherwise.
    fn pass<T>(&mut self, read: Result<T>) -> Option<T> {
        match read {
            Ok(value) => return Some(value),
            Err(error) if self.all == 1 => self.only = Some(error),
            Err(error) => note!("error: {error:#}"),
        }
        self.failed += 1;
        None
    }

    /// The result of the command.
    fn result(self) -> Result<()> {
        if let Some(error) = self.only {
            return Err(error);
        }
        let all = counted(self.all, "image", "images");
        ensure!(self.failed == 0, "{} of {all} could not be read", self.failed);
        Ok(())
    }
}

fn predict<B: Backend>(args: &PredictArgs, backend: &B) -> Result<()> {
    let read = if args.ema { Trained::read_averaged } else { Trained::read };
    let mut trained = read(backend, &args.checkpoint, true)?;
    let data = &mut trained.description.data;
    data.exif = args.exif.unwrap_or(data.exif);
    match trained.network.config().head {
        Head::Pooled => classify(args, backend, &trained),
        Head::UperNet(_) => segments::run(args, backend, &trained),
        Head::Dense => bail!(
            "{} classifies coarse squares of an image, which predict does not support: use eval",
            args.checkpoint.display()
        ),
        Head::CascadeMaskRcnn(_) => objects::run(args, backend, &trained),
    }
}

/// Reads images on all threads, `at_once` of them and in order, while `compute` has the ones before.
fn ahead<T: Send>(
    images: &[PathBuf],
    at_once: usize,
    read: impl Fn(&Path) -> Result<T> + Sync,
    mut compute: impl FnMut(&[PathBuf], Vec<Result<T>>) -> Result<()> + Send,
) -> Result<()> {
    let read = |paths: &[PathBuf]| paths.par_iter().map(|path| read(path)).collect();
    let mut chunks = images.chunks(at_once);
    let mut next = chunks.next().map(|paths| (paths, read(paths)));
    while let Some((paths, values)) = next {
        let (computed, following) =
            rayon::join(|| compute(paths, values), || chunks.next().map(|paths| (paths, read(paths))));
        computed?;
        next = following;
    }
    Ok(())
}

fn classify<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let mut classifier = trained.classifier(backend)?;
    let images = images(args)?;
    let mut failures = Failures::new(&images);
    let read = |path: &Path| {
        let mut image = open_upright(path, trained.description.data.exif)?;
        if args.invert {
            image.invert();
        }
        Ok(trained.prepare(&image)?)
    };
    ahead(&images, AT_ONCE, read, |paths, pictures| {
        let pictures: Vec<_> = pictures.into_iter().map(|picture| failures.pass(picture)).collect();
        let readable = paths.iter().zip(&pictures).filter(|(_, picture)| picture.is_some());
        let paths: Vec<_> = readable.map(|(path, _)| path).collect();
        let pictures: Vec<_> = pictures.into_iter().flatten().collect();
        for (path, top) in paths.into_iter().zip(classifier.top_of(&pictures, SHOWN)?) {
            let mut table = Table::new([text("  class"), number("probability")]);
            for (class, probability) in top {
                let name = &trained.description.classes[class];
                table.row([format!("  {name}"), format!("{:.2} %", 100.0 * probability)]);
            }
            say!("{}\n{table}", path.display());
        }
        Ok(())
    })?;
    failures.result()
}
