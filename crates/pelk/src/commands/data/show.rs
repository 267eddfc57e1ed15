//! `pelk data show`

mod batches;

use crate::datasets::{self, data_config, exif, names};
use crate::folders::{RUNS, shown};
use crate::output::say;
use crate::pictures::{
    Sheet, annotated, class_color, class_color_name, class_map, picture, save, sheet_of, tile,
};
use anyhow::{Result, bail};
use clap::builder::RangedU64ValueParser;
use image::RgbImage;
use pelk_data::{Dataset, DatasetName, Exif, Labeling, Split};
use pelk_train::CanvasConfig;
use std::path::{Path, PathBuf};

/// Write a contact sheet of a dataset's images as PNG
///
/// Shows one row per class, for segmentation each image beside its labels, or for detection each image with
/// boxes, masks and names of its objects. With --preset or --config, shows what a network sees in training:
/// one row per batch, after augmentation and mixing, with the classes and their shares; add --test for what
/// it sees in evaluations.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pelk data show --task long-range --count 12
  pelk data show --task scenes --set size=[192,288]
  pelk data show --task scenes-instances --count 9
  pelk data show --preset fashion-mnist-long --set data.mix.mixup_alpha=0.8")]
pub struct ShowArgs {
    /// The dataset
    #[arg(long, value_name = "NAME", default_value_t = DatasetName::FashionMnist, value_parser = names())]
    task: DatasetName,
    /// Show the batches of a preset
    #[arg(long, value_name = "NAME", conflicts_with_all = ["task", "config"])]
    preset: Option<String>,
    /// Show the batches of your own configuration, such as a run's config.toml
    #[arg(long, value_name = "FILE", conflicts_with = "task")]
    config: Option<PathBuf>,
    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Annotation file in COCO's format, instead of those with the usual names in the folder; given twice, the
    /// second file is for testing
    #[arg(long, value_name = "FILE")]
    annotations: Vec<PathBuf>,
    /// What to do with the EXIF orientation of images [default: ignore]; with --preset or --config, set the
    /// key data.exif
    #[arg(long, value_name = "HOW", value_parser = exif(), conflicts_with_all = ["preset", "config"])]
    exif: Option<Exif>,
    /// Show the test images
    #[arg(long)]
    test: bool,
    /// Number of images per class, or in total for segmentation and detection; with --preset or --config,
    /// images per batch
    #[arg(long, value_name = "N", default_value_t = 12)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    count: usize,
    /// Number of batches, with --preset or --config
    #[arg(long, value_name = "N", default_value_t = 6)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    batches: usize,
    /// Seed of a composed dataset's canvases
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["preset", "config"])]
    seed: u64,
    /// Change how scenes look, for example occlusion=0.2; with --preset or --config, set a configuration key,
    /// for example data.augmentation.flip_probability=0; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// File to write [default: runs/data/NAME-SPLIT.png or runs/data/NAME-SPLIT-batches.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the data is unusable or the picture cannot be written.
pub fn run(args: &ShowArgs) -> Result<()> {
    let split = if args.test { Split::Test } else { Split::Train };
    if args.preset.is_some() || args.config.is_some() {
        return batches::run(args, split);
    }
    let canvases = CanvasConfig { seed: args.seed, train: args.count, test: args.count };
    let config = data_config(args.task.name(), canvases, &args.set)?;
    let mut config = datasets::annotated(&config, &args.annotations);
    config.exif = args.exif.unwrap_or(config.exif);
    let data = datasets::open(&config, args.data.as_deref(), split)?;
    let sheet = match data.labeling() {
        Labeling::Image => by_class(&*data, args.count)?,
        Labeling::Pixels { .. } => beside_labels(&*data, args.count)?,
        Labeling::Objects => with_their_objects(&*data, args.count)?,
    };
    let default = || Path::new(RUNS).join("data").join(format!("{}-{split}.png", args.task));
    let path = args.out.clone().unwrap_or_else(default);
    save(&sheet, &path)?;
    let size = data.image_size().map_or("different sizes".to_owned(), |[h, w]| format!("{h} x {w} pixels"));
    say!("{} {split} images of {size}, {} channels: {}", data.len(), data.channels(), shown(&path));
    Ok(())
}

/// The tile size for a dataset's images; images of different sizes are shown in square tiles.
fn tile_of(data: &dyn Dataset) -> [u32; 2] {
    const SIDE: usize = 192;
    tile(data.image_size().unwrap_or([SIDE; 2]))
}

fn by_class(data: &dyn Dataset, count: usize) -> Result<RgbImage> {
    let classes = data.classes();
    let mut found = vec![0; classes.len()];
    let mut sheet = Sheet::new(classes.len(), count, tile_of(data), &[]);
    for index in 0..data.len() {
        if found.iter().all(|&found| found == count) {
            break;
        }
        let sample = data.sample(index)?;
        let Some(&label) = sample.labels.first() else { bail!("sample {index} has no label") };
        let column = &mut found[label as usize];
        if *column < count {
            let image = picture(sample.size, data.channels(), &sample.pixels);
            sheet.draw(label as usize, *column, &image, true);
            *column += 1;
        }
    }
    say!("Rows, top to bottom: {}", classes.join(", "));
    Ok(sheet.into_picture())
}

fn beside_labels(data: &dyn Dataset, count: usize) -> Result<RgbImage> {
    let count = count.min(data.len());
    let columns = (count as f64).sqrt().ceil() as usize;
    let mut sheet = Sheet::new(count.div_ceil(columns), 2 * columns, tile_of(data), &[]);
    for index in 0..count {
        let sample = data.sample(index)?;
        let (row, column) = (index / columns, 2 * (index % columns));
        sheet.draw(row, column, &picture(sample.size, data.channels(), &sample.pixels), true);
        sheet.draw(row, column + 1, &class_map(data.labeling().size(sample.size), &sample.labels), false);
    }
    let legend = data.classes().iter().enumerate().map(|(i, class)| match class_color_name(i) {
        Some(name) => format!("{name} {class}"),
        None => format!("#{} {class}", class_color(i).0.map(|value| format!("{value:02x}")).concat()),
    });
    say!("Labels: {}", legend.collect::<Vec<_>>().join(", "));
    Ok(sheet.into_picture())
}

fn with_their_objects(data: &dyn Dataset, count: usize) -> Result<RgbImage> {
    let count = count.min(data.len());
    let columns = (count as f64).sqrt().ceil() as usize;
    let tile = |index: usize| {
        let sample = data.sample(index)?;
        let image = picture(sample.size, data.channels(), &sample.pixels);
        Ok(annotated(&image, &sample.objects, data.classes()))
    };
    let tiles = (0..count).map(tile).collect::<Result<Vec<_>>>()?;
    Ok(sheet_of(tiles.chunks(columns.max(1)), &[]))
}
