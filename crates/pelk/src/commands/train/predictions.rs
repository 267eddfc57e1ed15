//! The contact sheet at the end of a run: test images with their truth and what the network predicts.

use crate::pictures::{
    Entry, LEAST_SCORE, Sheet, annotated, class_color, class_map, legend, outlined, picture, save, sheet_of,
    stacked, tile, with_found,
};
use anyhow::{Context, Result};
use image::RgbImage;
use ndarray::Array4;
use pelk_autodiff::Backend;
use pelk_data::{Dataset, IGNORED, Loader};
use pelk_train::{Datasets, Metric, TrainConfig, Trainer, objects_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of images on the sheet, and in a row.
const IMAGES: usize = 12;
const IN_A_ROW: usize = 2;
/// Side of a tile if images differ in size; otherwise the smallest side.
const SIDE: u32 = 192;

/// Writes the sheet of the first test images into a run's folder; returns its path, or `None` for a
/// classifier, which has no sheet.
///
/// # Errors
/// When the images cannot be read, the network fails, or the file cannot be written.
pub fn write<B: Backend>(
    folder: &Path,
    trainer: &Trainer<B>,
    config: &TrainConfig,
    datasets: &Datasets,
) -> Result<Option<PathBuf>> {
    let sheet = match config.metric() {
        Metric::Accuracy => return Ok(None),
        Metric::MeanIou => segments(trainer, config, &*datasets.test)?,
        Metric::BoxAp => objects(trainer, config, datasets)?,
    };
    let path = folder.join("predictions.png");
    save(&sheet, &path)?;
    Ok(Some(path))
}

/// Each image, the map of its classes, and the predicted classes over it, with a legend.
fn segments<B: Backend>(trainer: &Trainer<B>, config: &TrainConfig, data: &dyn Dataset) -> Result<RgbImage> {
    let mut predictor = trainer.predictor(config.inference.clone())?;
    let count = IMAGES.min(data.len());
    let [height, width] = data.image_size().map_or([SIDE; 2], tile);
    let factor = SIDE.div_ceil(height.min(width)).max(1);
    let headings = ["image", "truth", "prediction"].repeat(IN_A_ROW);
    let mut sheet =
        Sheet::new(count.div_ceil(IN_A_ROW), headings.len(), [factor * height, factor * width], &headings);
    let mut present = BTreeSet::new();
    for index in 0..count {
        let sample = data.sample(index)?;
        let mut values: Vec<f32> = sample.pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        data.statistics().apply(&mut values);
        let [height, width] = sample.size;
        let image = Array4::from_shape_vec((1, height, width, data.channels()), values)
            .with_context(|| format!("test image {index} does not have the size that it claims"))?;
        let predicted = predictor.classes(&image)?;
        let shown = picture(sample.size, data.channels(), &sample.pixels);
        let (row, column) = (index / IN_A_ROW, 3 * (index % IN_A_ROW));
        sheet.draw(row, column, &shown, true);
        sheet.draw(row, column + 1, &class_map(sample.size, &sample.labels), false);
        sheet.draw(row, column + 2, &outlined(&shown, sample.size, &predicted), false);
        present.extend(sample.labels.iter().copied().chain(predicted).filter(|&class| class != IGNORED));
    }
    let entries: Vec<Entry> = present
        .into_iter()
        .map(|class| class as usize)
        .map(|class| Entry { color: class_color(class), text: data.classes()[class].clone() })
        .collect();
    let picture = sheet.into_picture();
    let legend = legend(&entries, picture.width());
    Ok(stacked(&picture, &legend))
}

/// Each image with its objects, and with those that the network finds.
fn objects<B: Backend>(trainer: &Trainer<B>, config: &TrainConfig, datasets: &Datasets) -> Result<RgbImage> {
    let data = &datasets.test;
    let mut detector = trainer.detector()?;
    let loading = config.data.evaluation_loading(&**data, 1, datasets.train.statistics());
    let mut tiles = Vec::new();
    for batch in Loader::new(Arc::clone(data), loading)?.take(IMAGES) {
        let batch = batch?;
        let found = objects_of(&mut detector, &batch)?;
        let sample = data.sample(batch.indices[0])?;
        let image = picture(sample.size, data.channels(), &sample.pixels);
        tiles.push(annotated(&image, &sample.objects, data.classes()));
        tiles.push(with_found(&image, &found, data.classes(), LEAST_SCORE)?);
    }
    let headings = ["truth", "prediction"].repeat(IN_A_ROW);
    Ok(sheet_of(tiles.chunks(headings.len()), &headings))
}
