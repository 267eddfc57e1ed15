//! `pelk data write`

use crate::datasets::{data_config, open_scenes};
use crate::output::say;
use crate::workspace::shown;
use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use pelk_data::{Split, write_ade20k, write_coco};
use pelk_train::CanvasConfig;
use std::path::PathBuf;

/// Write composed scenes to files, in the layout of ADE20K or COCO
///
/// Training and test scenes go to the layout's two splits. What was written can be trained on with data.dataset=ade20k or coco and
/// `--data DIR`, or be read by other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pelk data write --layout ade20k --out scenes-ade --train 200 --test 50")]
pub struct WriteArgs {
    /// The layout: images and index masks, or images and one file with outlined instances
    #[arg(long, value_name = "NAME")]
    layout: Layout,
    /// The folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of training scenes
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    train: usize,
    /// Number of test scenes
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    test: usize,
    /// Seed of the scenes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Change what scenes look like, for instance noise=20; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder of Fashion-MNIST's files [default: the folder in `datasets` that comes with the checkout]
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
/// When the items cannot be read, or a file cannot be written or exists.
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
