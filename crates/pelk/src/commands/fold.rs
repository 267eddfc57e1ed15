//! `pelk fold`

mod compare;
mod detector;
mod samples;

use crate::device::{DeviceArgs, on_device};
use crate::folders::shown;
use crate::invocation::Advice;
use crate::output::say;
use crate::progress::Evaluating;
use crate::threads::in_pool;
use anyhow::{Context, Result, bail, ensure};
use clap::builder::RangedU64ValueParser;
use compare::{Comparison, compare};
use pelk_autodiff::Backend;
use pelk_models::Head;
use pelk_report::table::{Table, number, significant, text};
use pelk_train::Checkpoint;
use pelk_train::{Trained, averaged, inference_form, network_alone};
use samples::samples;
use std::path::{Path, PathBuf};

/// Convert a trained network to its inference form: same results, faster
///
/// Merges BatchNorm and the small branches into the large kernels. The result is a checkpoint for `eval` and
/// `predict`; it cannot be trained further. It is first compared with the original on some images, and
/// written only if both agree.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FoldArgs {
    /// Checkpoint from `train`: best.safetensors or last.safetensors
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Use the averaged weights of last.safetensors instead of the network's own
    #[arg(long)]
    ema: bool,
    /// File to write [default: next to the checkpoint, for example best.folded.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Images to compare on, such as PNG or JPEG files [default: test images of the checkpoint's dataset]
    #[arg(long, value_name = "IMAGE", num_args = 1.., conflicts_with_all = ["data", "count"])]
    images: Vec<PathBuf>,
    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Number of test images to compare on [default: 100, 8 for segmentation, or 4 for detection]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    count: Option<usize>,
    /// Largest accepted difference of a logit (of a detector: of any output), as a share of the largest
    #[arg(long, value_name = "SHARE", default_value_t = TOLERANCE, value_parser = share)]
    tolerance: f64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  pelk fold --checkpoint runs/fashion-mnist/best.safetensors
  pelk fold --checkpoint runs/scenes/best.safetensors --count 50 --out scenes.safetensors
  pelk fold --checkpoint runs/ade20k-pelk-t/best.safetensors --images photos/*.jpg";

/// Folding multiplies weights by factors that the original applies later, and adds in a different order. So
/// logits differ only by float32 rounding that accumulates over the layers: by 2e-7 to 1.2e-6 of the largest
/// logit, measured on the presets fashion-mnist and scenes. The limit is a hundred times that for deeper
/// networks, and too small to change a class unless its logit was within 2e-4 of another's.
const TOLERANCE: f64 = 1e-4;

/// Default number of test images for classifiers, segmentation networks and detectors.
const COUNT: usize = 100;
const SEGMENTATION_COUNT: usize = 8;
const DETECTION_COUNT: usize = 4;

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share.is_finite() && share >= 0.0 => Ok(share),
        _ => Err("must be a number, at least 0".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When the checkpoint is unusable or already folded, an image is unusable, the two forms do not agree, or
/// the file cannot be written.
pub fn run(args: &FoldArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => fold(args, &backend)))
}

fn fold<B: Backend>(args: &FoldArgs, backend: &B) -> Result<()> {
    let path = &args.checkpoint;
    let checkpoint = Checkpoint::read(path)?;
    let original = if args.ema { averaged(checkpoint, path)? } else { network_alone(checkpoint)? };
    if original.description.network.folded {
        bail!("{} is already folded: use it with `eval` and `predict`", path.display());
    }
    let out = args.out.clone().unwrap_or_else(|| {
        path.with_extension(if args.ema { "ema.folded.safetensors" } else { "folded.safetensors" })
    });
    ensure!(
        !same_file(path, &out),
        "--out {} is the checkpoint itself, which could then no longer be trained: choose another file",
        out.display()
    );
    let folded = inference_form(&original)?;
    let bytes = [&original, &folded].map(size);
    let step = original.description.step;
    let before = Trained::upload(backend, original)?;
    let after = Trained::upload(backend, folded.clone())?;
    let head = &before.network.config().head;
    let count = args.count.unwrap_or(match head {
        Head::Pooled | Head::Dense => COUNT,
        Head::UperNet(_) => SEGMENTATION_COUNT,
        Head::CascadeMaskRcnn(_) => DETECTION_COUNT,
    });
    let images = samples(&before.description, &args.images, args.data.as_deref(), count)?;
    let of = images.origin.clone();
    let progress = Evaluating::new(images.len());
    let (both, on_image) = ([&before, &after], |done| progress.show(done));
    let compared = match head {
        Head::CascadeMaskRcnn(_) => detector::compare(backend, both, &images, on_image)?,
        _ => compare(backend, both, &images, on_image)?,
    };
    progress.finish();

    let parameters = [&before, &after].map(|form| form.network.trained_values());
    let [before_values, after_values] = parameters;
    say!("{} after step {step}, compared on {} {of}\n", before.network.config().name, compared.images);
    say!("{}", forms([before_values?, after_values?], bytes, &compared));
    say!("{}", agreement(&compared, head));
    ensure!(
        compared.agrees(args.tolerance),
        "the two forms do not agree: outputs differ by {:.1e} of the largest one, but only {:.1e} is \
         accepted. Nothing was written. If the network is good otherwise, a BatchNorm with tiny variance may \
         magnify rounding; --tolerance accepts more",
        compared.share(),
        args.tolerance
    );
    folded.write(&out).with_context(|| "the folded network was not saved")?;
    say!("wrote {}", shown(&out));
    let next = Advice::new("eval").path("--checkpoint", &out);
    say!("\nNext:\n  {}", next.on(args.data.as_deref(), &args.device.device));
    Ok(())
}

/// Whether two paths lead to the same file.
fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // One of them does not exist.
        _ => false,
    }
}

/// Size of a checkpoint's tensors in bytes.
fn size(checkpoint: &Checkpoint) -> usize {
    checkpoint.tensors.values().map(|tensor| size_of::<f32>() * tensor.len()).sum()
}

fn forms(parameters: [usize; 2], bytes: [usize; 2], compared: &Comparison) -> Table<4> {
    let mut table = Table::new([
        text("form"),
        number("parameters"),
        number("tensors,\nMB"),
        number("images/s,\none at a time"),
    ]);
    for (i, name) in ["as trained", "folded"].into_iter().enumerate() {
        table.row([
            name.to_owned(),
            parameters[i].to_string(),
            format!("{:.2}", bytes[i] as f64 / 1e6),
            significant(compared.images as f64 / compared.seconds[i]),
        ]);
    }
    table
}

fn agreement(compared: &Comparison, head: &Head) -> String {
    let Comparison { images, difference, largest, images_changed, places, places_changed, .. } = compared;
    let (output, place) = match head {
        Head::Pooled | Head::Dense => ("logit", None),
        Head::UperNet(_) => ("logit", Some("pixels")),
        Head::CascadeMaskRcnn(_) => ("output", Some("boxes")),
    };
    let mut text = format!(
        "largest difference  {difference:.2e}, {:.1e} of the largest {output} ({largest:.3})\n\
         class changes       in {images_changed} of {images} images\n",
        compared.share()
    );
    if let Some(place) = place {
        text += &format!("                    at {places_changed} of {places} {place}\n");
    }
    if let Head::CascadeMaskRcnn(_) = head {
        let [before, after] = compared.found;
        text += &format!("objects found       {before} as trained, {after} folded\n");
    }
    text
}
