//! A contact sheet of batches after augmentation and mixing, as a network sees them.

use super::ShowArgs;
use crate::datasets;
use crate::folders::{RUNS, shown};
use crate::output::say;
use crate::pictures::{
    Entry, annotated, captioned, class_color, class_map, legend, picture, save, sheet_of, stacked, tile,
};
use anyhow::Result;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use ndarray::Axis;
use pelk_data::{Batch, Dataset, IGNORED, Labeling, Loader, LoaderConfig, Normalization, Split};
use pelk_train::presets;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Image sides on the sheet, in pixels. Small images are enlarged by a whole factor to at least `LEAST`,
/// which fits a name of 16 letters; large ones are shrunk to `MOST`.
const LEAST: u32 = 128;
const MOST: u32 = 224;

/// Writes the sheet.
///
/// # Errors
/// When the configuration or the data is unusable, or the picture cannot be written.
pub fn run(args: &ShowArgs, split: Split) -> Result<()> {
    let (name, mut config) =
        presets::configuration(args.preset.as_deref(), args.config.as_deref(), &args.set)?;
    config.data = datasets::annotated(&config.data, &args.annotations);
    let data = datasets::open(&config.data, args.data.as_deref(), split)?;
    let normalization = data.statistics().clone();
    // Training's batch size, because images are mixed across the batch.
    let size = config.batch.size.min(data.len());
    let loading = match split {
        Split::Train => config.data.training_loading(&*data, size, [config.seed, 0]),
        Split::Test => config.data.evaluation_loading(&*data, size, &normalization),
    };
    let size = loading.batch_size;
    let alike = split == Split::Train || data.image_size().is_some() || config.data.evaluation.is_some();
    let batches = Loader::new(Arc::clone(&data), LoaderConfig { prefetch: 1, ..loading })?;
    let (mut rows, mut dimensions, mut present) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for batch in batches.take(args.batches) {
        let batch = batch?;
        dimensions.insert((batch.images.dim().1, batch.images.dim().2));
        present.extend(batch.labels.iter().copied().filter(|&label| label != IGNORED));
        rows.push(row(&batch, args.count, &*data, &normalization));
    }
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| Path::new(RUNS).join("data").join(format!("{name}-{split}-batches.png")));
    let mut sheet = sheet_of(rows.iter().map(Vec::as_slice), &[]);
    if let Labeling::Pixels { .. } = data.labeling() {
        let entry = |class: u32| Entry {
            color: class_color(class as usize),
            text: data.classes()[class as usize].clone(),
        };
        let entries: Vec<Entry> = present.into_iter().map(entry).collect();
        sheet = stacked(&sheet, &legend(&entries, sheet.width()));
    }
    save(&sheet, &path)?;
    let of = match dimensions.first() {
        Some((height, width)) if alike && dimensions.len() == 1 => format!("{height} x {width} pixels"),
        _ => "different sizes".to_owned(),
    };
    say!(
        "{} batches of {size} {split} images of {of}, {} channels: {}",
        rows.len(),
        data.channels(),
        shown(&path)
    );
    let what = match data.labeling() {
        Labeling::Image => "with their classes",
        Labeling::Pixels { .. } => "beside their labels",
        Labeling::Objects => "with their objects",
    };
    say!("Each row shows the first {} images of a batch, {what}.", args.count.min(size));
    Ok(())
}

/// The first images of a batch, each with its class names below or its labels beside it.
fn row(batch: &Batch, count: usize, data: &dyn Dataset, normalization: &Normalization) -> Vec<RgbImage> {
    let (images, height, width, channels) = batch.images.dim();
    let places: usize = data.labeling().size([height, width]).iter().product();
    let mut tiles = Vec::new();
    for (i, image) in batch.images.axis_iter(Axis(0)).enumerate().take(count.min(images)) {
        let values: Vec<f32> = image.iter().copied().collect();
        let bytes = bytes(&values, normalization);
        let shown = fitted(&picture([height, width], channels, &bytes));
        let labels = &batch.labels[i * places..][..places];
        match data.labeling() {
            Labeling::Image => tiles.push(captioned(&shown, &caption(batch, i, data.classes()))),
            labeling @ Labeling::Pixels { .. } => {
                let map = class_map(labeling.size([height, width]), labels);
                let map = resize(&map, shown.width(), shown.height(), FilterType::Nearest);
                tiles.extend([shown, map]);
            }
            Labeling::Objects => {
                let image = picture([height, width], channels, &bytes);
                tiles.push(annotated(&image, &batch.objects[i], data.classes()));
            }
        }
    }
    tiles
}

/// The classes of an image and their shares, in two lines; the second is empty if there is only one class.
fn caption(batch: &Batch, image: usize, classes: &[String]) -> Vec<String> {
    let name = |label: u32| classes.get(label as usize).map_or("", String::as_str);
    match &batch.mix {
        None => vec![name(batch.labels[image]).to_owned(), String::new()],
        Some(mix) => [(batch.labels[image], 1.0 - mix.share), (mix.labels[image], mix.share)]
            .map(|(label, share)| format!("{:.0}% {}", 100.0 * share, name(label)))
            .to_vec(),
    }
}

/// Pixels before normalization; noise from random erasing can be out of range and is clamped.
fn bytes(values: &[f32], normalization: &Normalization) -> Vec<u8> {
    let channels = normalization.mean.len();
    let byte = |(i, value): (usize, &f32)| {
        let value = value * normalization.std[i % channels] + normalization.mean[i % channels];
        // The conversion from float to byte saturates.
        (255.0 * value).round() as u8
    };
    values.iter().enumerate().map(byte).collect()
}

/// The picture, resized to between [`LEAST`] and [`MOST`].
fn fitted(image: &RgbImage) -> RgbImage {
    let [height, width] = tile([image.height() as usize, image.width() as usize]);
    let factor = LEAST.div_ceil(height.min(width)).max(1);
    let (height, width) = (factor * height, factor * width);
    let longest = height.max(width).max(1);
    if longest <= MOST || image.height().max(image.width()) < longest {
        return resize(image, width, height, FilterType::Nearest);
    }
    let side = |side: u32| (side * MOST / longest).max(1);
    resize(image, side(width), side(height), FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use pelk_data::Mix;

    #[test]
    fn captions_name_both_classes_of_a_mixed_image() {
        let images = Array4::zeros((2, 1, 1, 1));
        let mut batch = Batch { images, labels: vec![0, 1], ..Batch::default() };
        let classes = ["coat", "bag"].map(str::to_owned);
        assert_eq!(caption(&batch, 1, &classes), ["bag", ""]);
        batch.mix = Some(Mix { labels: vec![1, 0], share: 0.25 });
        assert_eq!(caption(&batch, 0, &classes), ["75% coat", "25% bag"]);
        assert_eq!(caption(&batch, 1, &classes), ["75% bag", "25% coat"]);
    }

    #[test]
    fn pixels_are_those_before_normalization() {
        let normalization = Normalization { mean: vec![0.2, 0.5], std: vec![0.3, 0.1] };
        let original: Vec<u8> = (0..=255).collect();
        let mut values: Vec<f32> = original.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        normalization.apply(&mut values);
        assert_eq!(bytes(&values, &normalization), original);
        assert_eq!(bytes(&[-9.0, 99.0], &normalization), [0, 255]);
    }

    #[test]
    fn pictures_are_neither_too_small_nor_too_large() {
        for (size, expected) in [([28, 28], [168, 168]), ([224, 224], [224, 224]), ([512, 384], [224, 168])] {
            let fitted = fitted(&RgbImage::new(size[1], size[0]));
            assert_eq!([fitted.height(), fitted.width()], expected);
        }
    }
}
