//! `pelk data speed`

use crate::datasets;
use crate::output::say;
use crate::timing::{Timing, repeat};
use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use pelk_data::{Dataset, Loader, LoaderConfig};
use pelk_report::table::{Table, number, significant, text};
use pelk_train::{Datasets, presets};
use rayon::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Measure how fast images are loaded and augmented
///
/// Times reading the images of a preset's dataset, making training batches with its recipe, and making test
/// batches. Files are read once before, so they come from the system's cache. `pelk train --dry-run` shows
/// the speed that training needs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pelk data speed --preset imagenet-pelk-t --data imagenet --loaders 4
  pelk data speed --preset folder --data my-photos --set data.augmentation.rand_augment={}")]
pub struct SpeedArgs {
    /// Preset with the recipe and the dataset [default: fashion-mnist]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// Your own configuration, such as a run's config.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a configuration key, for example data.augmentation.flip_probability=0; can be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Number of images to read from each set, rounded to whole batches (at least one)
    #[arg(long, value_name = "N", default_value_t = 512)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    images: usize,
    /// Number of threads that load images
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    loaders: usize,
    /// Print one line of JSON per measurement, for scripts
    #[arg(long)]
    json: bool,
}

/// One measurement. Scripts read these fields, so new ones go at the end.
#[derive(Debug, Serialize)]
struct Record {
    /// Always `loading`.
    bench: &'static str,
    /// `read`, `training` or `evaluation`.
    pass: &'static str,
    /// Images per run.
    images: usize,
    loaders: usize,
    /// Median and shortest time of a run, in milliseconds.
    ms: f64,
    min_ms: f64,
    runs: usize,
    images_per_second: f64,
}

/// Minimum number of timed runs.
const RUNS: usize = 5;

/// Runs the command.
///
/// # Errors
/// When the configuration or the data is unusable.
pub fn run(args: &SpeedArgs) -> Result<()> {
    let (name, config) = presets::configuration(args.preset.as_deref(), args.config.as_deref(), &args.set)?;
    let Datasets { train, test } = datasets::open_both(&config.data, args.data.as_deref())?;
    let size = config.batch.size.min(train.len());
    let training = config.data.training_loading(&*train, size, [config.seed, 0]);
    let evaluation = config.data.evaluation_loading(&*test, config.batch.evaluation_size, train.statistics());
    let threads = rayon::ThreadPoolBuilder::new().num_threads(args.loaders).build();
    let threads = threads.context("cannot start the threads")?;
    let records = [
        measure("read", args.loaders, || threads.install(|| read(&*train, args.images)))?,
        measure("training", args.loaders, || batches(&train, &training, args))?,
        measure("evaluation", args.loaders, || batches(&test, &evaluation, args))?,
    ];
    if args.json {
        for record in &records {
            say!("{}", serde_json::to_string(record)?);
        }
        return Ok(());
    }
    let on = if args.loaders == 1 { "1 thread".to_owned() } else { format!("{} threads", args.loaders) };
    say!("Images of {} with the recipe {name}, on {on}\n", config.data.dataset);
    let mut table = Table::new([text(""), number("images"), number("images/s"), number("ms per image")]);
    let titles = ["reading", "training batches", "test batches"];
    for (title, record) in titles.into_iter().zip(&records) {
        let speed = record.images_per_second;
        let cells = [record.images.to_string(), significant(speed), format!("{:.2}", 1e3 / speed)];
        let [images, speed, ms] = cells;
        table.row([title.to_owned(), images, speed, ms]);
    }
    say!("{table}");
    Ok(())
}

/// Times `run`, which returns the number of images it made.
fn measure(pass: &'static str, loaders: usize, mut run: impl FnMut() -> Result<usize>) -> Result<Record> {
    let mut images = 0;
    let Timing { median_ms, min_ms, runs } = repeat(RUNS, || {
        images = run()?;
        Ok(())
    })?;
    let images_per_second = (1e6 * images as f64 / median_ms).round() / 1e3;
    Ok(Record { bench: "loading", pass, images, loaders, ms: median_ms, min_ms, runs, images_per_second })
}

/// Reads the first images unchanged, on the current threads.
fn read(data: &dyn Dataset, images: usize) -> Result<usize> {
    let images = images.min(data.len());
    (0..images).into_par_iter().try_for_each(|index| data.sample(index).map(drop))?;
    Ok(images)
}

/// Makes batches until there are enough images.
fn batches(data: &Arc<dyn Dataset>, loading: &LoaderConfig, args: &SpeedArgs) -> Result<usize> {
    let mut images = 0;
    for batch in Loader::new(Arc::clone(data), LoaderConfig { workers: args.loaders, ..loading.clone() })? {
        images += batch?.indices.len();
        if images + loading.batch_size > args.images {
            break;
        }
    }
    Ok(images)
}
