//! The contact sheet at the end of a segmentation run: image, truth and prediction.

use crate::pictures::{Entry, Sheet, class_color, class_map, legend, outlined, picture, save, stacked, tile};
use anyhow::{Context, Result};
use ndarray::Array4;
use pelk_autodiff::Backend;
use pelk_data::{Dataset, IGNORED};
use pelk_train::{TrainConfig, Trainer};
use std::collections::BTreeSet;
use std::path::Path;

/// Number of images on the sheet, and in a row.
const IMAGES: usize = 12;
const IN_A_ROW: usize = 2;
/// Side of a tile if images differ in size; otherwise the smallest side.
const SIDE: u32 = 192;

/// Writes the sheet of the first test images.
///
/// # Errors
/// When the images cannot be read, the network fails, or the file cannot be written.
pub fn write<B: Backend>(
    path: &Path,
    trainer: &Trainer<B>,
    config: &TrainConfig,
    data: &dyn Dataset,
) -> Result<()> {
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
    save(&stacked(&picture, &legend), path)
}
