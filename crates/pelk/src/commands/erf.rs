//! `pelk erf`: effective receptive fields.

mod heatmap;
mod subject;

use crate::datasets::exif;
use crate::folders::{FIGURES, ensure_new, shown};
use crate::output::{note, say};
use crate::threads::in_pool;
use anyhow::{Context, Result, ensure};
use clap::ArgGroup;
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use pelk_data::Exif;
use pelk_models::receptive_field::{Field, THRESHOLDS};
use pelk_report::table::{Table, number, text};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use subject::{Source, Subject};

/// Draw effective receptive fields: how far the center of a network's last map can see.
///
/// Measured as in RepLKNet and Figure 4 of PeLK: the gradient with respect to the pixels of the sum over
/// channels of the positive features at the center of the last stage's map; its positive part, summed over
/// colors and averaged over images. Writes a heat map of log10(score + 1) for each network, all side by side
/// (erf.png), and erf.csv with the smallest centered squares that contain more than a share t of the sum.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("networks").args(["checkpoint", "model"]).multiple(true).required(true)
)]
pub struct ErfArgs {
    /// A trained network: best.safetensors or last.safetensors from `train`; can be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,

    /// Use the averaged weights of last.safetensors instead of the network's own
    #[arg(long, requires = "checkpoint")]
    ema: bool,

    /// A network with random weights and a layer scale of 1, by name (see `pelk models`); can be repeated.
    /// Large kernels contribute little, because their BatchNorm has not seen any images yet; a few training
    /// steps show more
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,

    /// Seed of the random weights
    #[arg(long, value_name = "N", default_value_t = 0, requires = "model")]
    seed: u64,

    /// Images: PNG, JPEG, BMP, GIF, WebP, TIFF or PNM [default: test images of the checkpoint's dataset, or
    /// of Fashion-MNIST for models for small images; required for other models]
    #[arg(value_name = "IMAGE")]
    files: Vec<PathBuf>,

    /// Number of test images to use
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "files")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    images: usize,

    /// Height and width to resize images to [default: the checkpoint's training size; for random networks
    /// 1024 as in the papers, or 28 for models for small images]
    #[arg(long, value_name = "PIXELS")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=8192))]
    size: Option<usize>,

    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// What to do with the EXIF orientation of images [default: as in the network's training, or
    /// ignore]
    #[arg(long, value_name = "HOW", value_parser = exif())]
    exif: Option<Exif>,

    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = FIGURES)]
    out: PathBuf,

    /// Overwrite existing files
    #[arg(long)]
    force: bool,

    /// Number of threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  pelk erf --checkpoint runs/fashion-mnist/best.safetensors
  pelk erf --model pelk_atto --model slak_atto --model convnext_atto
  pelk erf --model pelk_t --size 512 photos/*.jpg";

/// Explanation of the columns.
const EXPLANATION: &str = "\
t    area of the smallest centered square with more than a share t of log10(score + 1), in percent; a dash if
     no square within the image contains that much. Smaller is more concentrated.";

/// Runs the command.
///
/// # Errors
/// When a network or an image is unusable, or a file cannot be written.
pub fn run(args: &ErfArgs) -> Result<()> {
    in_pool(args.threads, || erf(args))
}

/// The field of one network.
struct Measured {
    name: String,
    images: usize,
    field: Field,
}

fn erf(args: &ErfArgs) -> Result<()> {
    let sources = sources(args)?;
    let out = &args.out;
    let picture_of = |name: &str| out.join(format!("{name}.png"));
    let (all, path) = (picture_of("erf"), out.join("erf.csv"));
    let pictures_of_sources = sources.iter().map(|source| picture_of(&source.name()));
    ensure_new(pictures_of_sources.chain([all.clone(), path.clone()]), args.force)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let (mut measured, mut pictures) = (Vec::new(), Vec::new());
    for source in &sources {
        let one = measure(source, args).with_context(|| format!("cannot measure {}", source.name()))?;
        let picture = heatmap::picture(&one.field);
        crate::pictures::save(&picture, &picture_of(&one.name))?;
        measured.push(one);
        pictures.push(picture);
    }
    crate::pictures::save(&heatmap::sheet(&pictures), &all)?;
    std::fs::write(&path, csv(&measured)).with_context(|| format!("cannot write {}", path.display()))?;
    say!("{}\n{EXPLANATION}\n", table(&measured));
    let names: Vec<_> = measured.iter().map(|one| one.name.as_str()).collect();
    say!("wrote erf.csv and a PNG per network to {}", shown(out));
    say!("erf.png shows, from left to right: {}", names.join(", "));
    Ok(())
}

/// The networks to measure. Files are named after them, so the names must differ.
fn sources(args: &ErfArgs) -> Result<Vec<Source>> {
    let checkpoints =
        args.checkpoint.iter().cloned().map(if args.ema { Source::Averaged } else { Source::Checkpoint });
    let sources: Vec<_> = checkpoints.chain(args.model.iter().cloned().map(Source::Model)).collect();
    let mut names = HashSet::from(["erf".to_owned()]);
    for source in &sources {
        let name = source.name();
        ensure!(
            !names.contains(&name),
            "the pictures of two networks would both be named {name}.png: draw them with different --out"
        );
        names.insert(name);
    }
    Ok(sources)
}

fn measure(source: &Source, args: &ErfArgs) -> Result<Measured> {
    let mut subject = Subject::new(source, args.seed, args.size)?;
    if let Some(exif) = args.exif {
        subject.set_exif(exif);
    }
    let images = subject.images(&args.files, args.images, args.data.as_deref())?;
    let [height, width] = subject.size();
    let name = source.name();
    // Hidden if standard error is not a terminal.
    let bar = ProgressBar::new(images.len() as u64).with_message(format!("{name} at {height} x {width}"));
    if let Ok(style) = ProgressStyle::with_template("{msg}  {bar:30} {pos}/{len} images, {eta} left") {
        bar.set_style(style);
    }
    let map = subject.score(&images, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    if map.skipped() > 0 {
        note!("{name}: skipped {} images whose gradients are not finite", map.skipped());
    }
    Ok(Measured { name, images: map.images(), field: map.field()? })
}

fn table(measured: &[Measured]) -> Table<7> {
    let mut table = Table::new([
        text("network"),
        number("size"),
        number("images"),
        number("area for\nt = 20 %"),
        number("30 %"),
        number("50 %"),
        number("99 %"),
    ]);
    for Measured { name, images, field } in measured {
        let [height, width] = field.size();
        let [a, b, c, d] = THRESHOLDS.map(|threshold| {
            let square = field.square(threshold);
            square.map_or_else(|| "-".to_owned(), |square| format!("{:.2} %", 100.0 * square.ratio))
        });
        table.row([name.clone(), format!("{height} x {width}"), images.to_string(), a, b, c, d]);
    }
    table
}

/// One line per network and threshold; side and ratio are empty if no square contains enough.
fn csv(measured: &[Measured]) -> String {
    let mut csv = "network,images,height,width,threshold,side,area_ratio\n".to_owned();
    for Measured { name, images, field } in measured {
        let [height, width] = field.size();
        for threshold in THRESHOLDS {
            let square = field.square(threshold);
            let [side, ratio] = square
                .map_or_else(Default::default, |square| [square.side.to_string(), square.ratio.to_string()]);
            // Names may contain commas and quotes.
            let name = name.replace('"', "\"\"");
            let _ = writeln!(csv, "\"{name}\",{images},{height},{width},{threshold},{side},{ratio}");
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        erf: ErfArgs,
    }

    fn parse(line: &str) -> Result<ErfArgs, clap::Error> {
        Command::try_parse_from(line.split_whitespace()).map(|command| command.erf)
    }

    #[test]
    fn networks_are_needed_and_their_names_must_differ() {
        for line in
            ["erf", "erf a.png", "erf --model pelk_t --images 0", "erf --model pelk_t --images 3 a.png"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        let error = |line| sources(&parse(line).unwrap()).unwrap_err().to_string();
        assert!(error("erf --model pelk_t --model pelk_t").contains("pelk_t.png"));
        assert!(error("erf --checkpoint a/b.safetensors --checkpoint x/a/b.safetensors").contains("a-b.png"));
        let both = sources(&parse("erf --model pelk_t --checkpoint a/b.safetensors").unwrap()).unwrap();
        assert_eq!(both.iter().map(Source::name).collect::<Vec<_>>(), ["a-b", "pelk_t"]);
    }

    #[test]
    fn a_run_writes_pictures_and_ratios() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("fields");
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/fashion-mnist");
        let models = "--model slak_atto --model convnext_atto";
        let line = format!("erf {models} --images 1 --data {data} --out {}", out.display());
        erf(&parse(&line).unwrap()).unwrap();
        for name in ["slak_atto.png", "convnext_atto.png", "erf.png"] {
            assert!(image::open(out.join(name)).unwrap().width() >= 256, "{name}");
        }
        let csv = std::fs::read_to_string(out.join("erf.csv")).unwrap();
        assert_eq!(csv.lines().count(), 1 + 2 * THRESHOLDS.len());
        for name in ["slak_atto", "convnext_atto"] {
            let start = format!("\"{name}\",1,28,28,");
            let lines = csv.lines().filter_map(|line| line.strip_prefix(&start));
            let sides: Vec<usize> = lines.filter_map(|line| line.split(',').nth(1)?.parse().ok()).collect();
            assert!(sides.len() >= 3 && sides.is_sorted() && sides[0] < sides[2], "{name}: {sides:?}");
        }
        let refused = erf(&parse(&line).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("slak_atto.png") && refused.contains("--force"), "{refused}");
    }
}
