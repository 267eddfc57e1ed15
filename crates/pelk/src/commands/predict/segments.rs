//! Draws the class of each pixel of an image, with a legend.

use super::{Failures, PredictArgs, ahead, images};
use crate::folders::{RUNS, shown};
use crate::output::say;
use crate::pictures::{Entry, class_color, enlarged, legend, outlined, picture, save, shares, stacked};
use anyhow::{Context, Result};
use image::imageops::FilterType;
use ndarray::Array4;
use pelk_autodiff::Backend;
use pelk_report::table::{Table, number, text};
use pelk_train::preprocessing::resized;
use pelk_train::{Trained, open_upright};
use std::path::Path;

/// Small images are enlarged to at least this size, so that lines and colors are visible.
const LEAST: u32 = 384;
/// Classes with a smaller share of the pixels are not in the legend.
const SMALLEST_SHARE: f64 = 0.0005;

/// Writes a picture for each image.
///
/// # Errors
/// When an image is unusable or a picture cannot be written.
pub fn run<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let description = &trained.description;
    let mut predictor = trained.predictor(backend)?;
    let folder = args.out.clone().unwrap_or_else(|| Path::new(RUNS).join("predict"));
    let channels = description.image[2];
    let images = images(args)?;
    let mut failures = Failures::new(&images);
    let read = |path: &Path| {
        let mut image = open_upright(path, description.data.exif)?;
        if args.invert {
            image.invert();
        }
        Ok(image)
    };
    // One by one, because each has a size of its own.
    ahead(&images, 1, read, |paths, read| {
        let (path, Some(image)) = (&paths[0], read.into_iter().find_map(|image| failures.pass(image))) else {
            return Ok(());
        };
        let [height, width] = [image.height() as usize, image.width() as usize];
        let shape = [height, width, channels];
        let values = resized(&image, shape, FilterType::Triangle, &description.normalization)?;
        let values = Array4::from_shape_vec((1, height, width, channels), values)
            .with_context(|| format!("{} does not have the size that it claims", path.display()))?;
        let classes = predictor
            .classes(&values)
            .with_context(|| format!("{} ({width} x {height} pixels)", path.display()))?;

        let shares = shares(&classes);
        let mut table = Table::new([text("  class"), number("pixels")]);
        let mut entries = Vec::new();
        for &(class, share) in shares.iter().filter(|(_, share)| *share >= SMALLEST_SHARE) {
            let name = &description.classes[class as usize];
            let percent = format!("{:.1} %", 100.0 * share);
            entries.push(Entry { color: class_color(class as usize), text: format!("{name} {percent}") });
            table.row([format!("  {name}"), percent]);
        }
        let bytes = image.to_rgb8().into_raw();
        let large = enlarged(&picture([height, width], 3, &bytes), LEAST);
        let overlay = outlined(&large, [height, width], &classes);
        let legend = legend(&entries, overlay.width());
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = folder.join(format!("{name}.png"));
        save(&stacked(&overlay, &legend), &file)?;
        say!("{}: {}\n{table}", path.display(), shown(&file));
        Ok(())
    })?;
    failures.result()
}
