//! Draws what a detector finds in images.

use super::{Failures, PredictArgs, images};
use crate::folders::{RUNS, shown};
use crate::output::say;
use crate::photos::Photos;
use crate::pictures::{picture, save, with_found};
use anyhow::{Context, Result};
use pelk_autodiff::Backend;
use pelk_data::{Dataset, Loader};
use pelk_models::detection::{Detected, Detector};
use pelk_report::table::{Table, number, text};
use pelk_train::{Trained, objects_of, results_of};
use std::path::Path;
use std::sync::Arc;

/// Writes a picture for each image, and the results if a file is named.
///
/// # Errors
/// When an image is unusable or a file cannot be written.
pub fn run<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let description = &trained.description;
    let classes = &description.classes;
    let channels = description.image[2];
    let photos = Photos::new(images(args)?, args.invert, description);
    let mut detector = Detector::new(backend, &trained.network, &trained.parameters)?;
    let folder = args.out.clone().unwrap_or_else(|| Path::new(RUNS).join("predict"));
    let (mut results, mut failures) = (Vec::new(), Failures::new(photos.files()));
    for (index, path) in photos.files().iter().enumerate() {
        // Decoded a second time for the batch, which has only the resized image; finding objects takes far
        // longer.
        let Some(sample) = failures.pass(photos.sample(index).map_err(Into::into)) else { continue };
        // A loader for each image, because one for all ends at the first that cannot be read.
        let one = Arc::new(Photos::new(vec![path.clone()], args.invert, description));
        let loading = description.data.evaluation_loading(&*one, 1, &description.normalization);
        let Some(batch) = Loader::new(one, loading)?.next() else { continue };
        let (batch, size) = (batch?, sample.size);
        let found = objects_of(&mut detector, &batch)
            .with_context(|| format!("{} ({} x {} pixels)", path.display(), size[1], size[0]))?;
        let drawn = with_found(&picture(size, channels, &sample.pixels), &found, classes, args.score)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = folder.join(format!("{name}.png"));
        save(&drawn, &file)?;
        say!("{}: {}\n{}", path.display(), shown(&file), table(&found, classes, args.score));
        results.extend(results_of(&photos, index, size, found)?);
    }
    if let Some(path) = &args.results {
        pelk_coco::write_results(path, &results)?;
        say!("{} results in COCO's format: {}", results.len(), shown(path));
    }
    failures.result()
}

fn table(found: &[Detected], classes: &[String], least: f32) -> Table<3> {
    let mut table = Table::new([text("  class"), number("score"), text("box (left, top, right, bottom)")]);
    for found in found.iter().filter(|found| found.score >= least) {
        let corners = found.corners.map(|corner| format!("{corner:.0}")).join(", ");
        table.row([format!("  {}", classes[found.class]), format!("{:.2}", found.score), corners]);
    }
    table
}
