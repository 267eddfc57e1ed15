//! `pelk data write`

use crate::datasets::{data_config, open_scenes};
use crate::folders::shown;
use crate::output::say;
use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use pelk_data::{Split, write_ade20k, write_coco};
use pelk_train::CanvasConfig;
use std::path::PathBuf;

/// Write composed scenes to files, in the layout of ADE20K or COCO
///
/// Training and test scenes become the layout's two splits. Train on the files with data.dataset=ade20k, coco
/// or coco-instances and --data DIR, or read them with other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pelk data write --layout ade20k --out scenes-ade --train 200 --test 50")]
pub struct WriteArgs {
    /// Layout: images with index masks, or images with one file of instance outlines
    #[arg(long, value_name = "NAME")]
    layout: Layout,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of training scenes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    train: usize,
    /// Number of test scenes
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    test: usize,
    /// Seed of the scenes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Change how scenes look, for example noise=20; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder with the Fashion-MNIST files [default: fashion-mnist in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    Ade20k,
    Coco,
}

/// Runs the command.
///
/// # Errors
/// When the items cannot be read, or a file cannot be written or already exists.
pub fn run(args: &WriteArgs) -> Result<()> {
    let canvases = CanvasConfig { seed: args.seed, train: args.train, test: args.test };
    let config = data_config("scenes", canvases, &args.set)?;
    for (split, count) in [(Split::Train, args.train), (Split::Test, args.test)] {
        let scenes = open_scenes(&config, args.data.as_deref(), split)?;
        let quiet = |_done| {};
        match args.layout {
            Layout::Ade20k => write_ade20k(&scenes, &args.out, split, quiet)?,
            Layout::Coco => write_coco(&scenes, &args.out, split, quiet)?,
        }
        say!("{count} {split} scenes in {}", shown(&args.out));
    }
    Ok(())
}
