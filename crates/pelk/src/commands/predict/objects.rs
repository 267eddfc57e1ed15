//! Draws what a detector finds in images.

use super::{PredictArgs, images};
use crate::folders::{RUNS, shown};
use crate::output::say;
use crate::pictures::{Drawn, object_color, picture, save, with_drawn};
use anyhow::{Context, Result};
use image::{DynamicImage, RgbImage};
use pelk_autodiff::Backend;
use pelk_data::{DataError, Dataset, Labeling, Loader, Properties, Sample};
use pelk_models::detection::{Detected, Detector};
use pelk_report::table::{Table, number, text};
use pelk_train::{Trained, objects_of, results_of};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Images without annotations.
struct Photos {
    files: Vec<PathBuf>,
    invert: bool,
    properties: Properties,
}

impl Dataset for Photos {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> std::result::Result<Sample<'_>, DataError> {
        let (size, mut pixels) = pelk_data::read_rgb(&self.files[index])?;
        if self.invert {
            pixels.iter_mut().for_each(|value| *value = 255 - *value);
        }
        if self.properties.channels == 1 {
            pixels = DynamicImage::from(picture(size, 3, &pixels)).into_luma8().into_raw();
        }
        Ok(Sample::new(size, pixels, vec![]))
    }

    /// The number in a file's name, as in COCO's, else its place among the images, from 1.
    fn image_id(&self, index: usize) -> u64 {
        let name = self.files[index].file_stem().unwrap_or_default().to_string_lossy();
        name.parse().unwrap_or(index as u64 + 1)
    }
}

/// Writes a picture for each image, and the results if a file is named.
///
/// # Errors
/// When an image is unusable or a file cannot be written.
pub fn run<B: Backend>(args: &PredictArgs, backend: &B, trained: &Trained<B>) -> Result<()> {
    let description = &trained.description;
    let classes = &description.classes;
    let channels = description.image[2];
    let properties = Properties {
        labeling: Labeling::Objects,
        ..Properties::new(channels, classes.clone(), description.normalization.clone())
    };
    let photos = Arc::new(Photos { files: images(args)?, invert: args.invert, properties });
    let loading = description.data.evaluation_loading(&*photos, 1, &description.normalization);
    let mut detector = Detector::new(backend, &trained.network, &trained.parameters)?;
    let folder = args.out.clone().unwrap_or_else(|| Path::new(RUNS).join("predict"));
    let mut results = Vec::new();
    for batch in Loader::new(Arc::<Photos>::clone(&photos), loading)? {
        let batch = batch?;
        let (index, size) = (batch.indices[0], batch.original_sizes[0]);
        let path = &photos.files[index];
        let found = objects_of(&mut detector, &batch)
            .with_context(|| format!("{} ({} x {} pixels)", path.display(), size[1], size[0]))?;
        let sample = photos.sample(index)?;
        let drawn = drawn(&picture(size, channels, &sample.pixels), &found, classes, args.score)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = folder.join(format!("{name}.png"));
        save(&drawn, &file)?;
        say!("{}: {}\n{}", path.display(), shown(&file), table(&found, classes, args.score));
        results.extend(results_of(&*photos, index, size, found)?);
    }
    if let Some(path) = &args.results {
        pelk_coco::write_results(path, &results)?;
        say!("{} results in COCO's format: {}", results.len(), shown(path));
    }
    Ok(())
}

fn table(found: &[Detected], classes: &[String], least: f32) -> Table<3> {
    let mut table = Table::new([text("  class"), number("score"), text("box (left, top, right, bottom)")]);
    for found in found.iter().filter(|found| found.score >= least) {
        let corners = found.corners.map(|corner| format!("{corner:.0}")).join(", ");
        table.row([format!("  {}", classes[found.class]), format!("{:.2}", found.score), corners]);
    }
    table
}

/// The image with everything that has at least this score, the highest scores on top.
fn drawn(image: &RgbImage, found: &[Detected], classes: &[String], least: f32) -> Result<RgbImage> {
    let size = [image.height() as usize, image.width() as usize];
    let found: Vec<&Detected> = found.iter().filter(|found| found.score >= least).rev().collect();
    let masks = found.iter().map(|found| found.mask.to_rle(size));
    let masks = masks.collect::<std::result::Result<Vec<_>, _>>()?;
    let name = |found: &&Detected| format!("{} {:.2}", classes[found.class], found.score);
    let names: Vec<String> = found.iter().map(name).collect();
    let drawn = found.iter().zip(&masks).zip(&names).map(|((found, mask), name)| Drawn {
        bbox: found.corners,
        mask,
        color: object_color(found.class),
        name,
        dashed: false,
    });
    Ok(with_drawn(image, &drawn.collect::<Vec<_>>()))
}
