//! The images that two forms of a network are compared on.

use crate::datasets;
use crate::photos::Photos;
use anyhow::{Context, Result, ensure};
use image::imageops::FilterType;
use ndarray::Array4;
use pelk_data::{Batch, DataError, Dataset, Loader, Split};
use pelk_models::Head;
use pelk_simd::Level;
use pelk_train::preprocessing::{evaluated, normalized, resized};
use pelk_train::{Description, open_upright};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Normalized images `[1, H, W, C]`, loaded on demand.
pub struct Samples<'a> {
    /// A description that follows a number.
    pub origin: String,
    description: &'a Description,
    source: Source<'a>,
}

enum Source<'a> {
    Files(&'a [PathBuf]),
    Dataset(Arc<dyn Dataset>, usize),
}

/// These image files, or the first `count` test images if there are none.
///
/// # Errors
/// When the dataset cannot be opened.
pub fn samples<'a>(
    description: &'a Description,
    files: &'a [PathBuf],
    data: Option<&Path>,
    count: usize,
) -> Result<Samples<'a>> {
    if !files.is_empty() {
        return Ok(Samples { origin: "files".to_owned(), description, source: Source::Files(files) });
    }
    let images = datasets::open_for(description, data, Split::Test, false)?;
    let count = count.min(images.len());
    ensure!(
        count > 0,
        "{} has no test images to compare on: name some with --images",
        description.data.dataset
    );
    let origin = format!("test images of {}", description.data.dataset);
    Ok(Samples { origin, description, source: Source::Dataset(images, count) })
}

impl Samples<'_> {
    /// The number of images, at least one.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Files(files) => files.len(),
            Source::Dataset(_, count) => *count,
        }
    }

    /// The images as evaluations of a detector see them, in batches of one.
    ///
    /// # Errors
    /// When they cannot be loaded.
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<Batch, DataError>>> {
        let Description { data, normalization, .. } = self.description;
        let images: Arc<dyn Dataset> = match &self.source {
            Source::Files(files) => Arc::new(Photos::new(files.to_vec(), false, self.description)),
            Source::Dataset(images, _) => Arc::clone(images),
        };
        let loading = data.evaluation_loading(&*images, 1, normalization);
        Ok(Loader::new(images, loading)?.take(self.len()))
    }

    /// Image `index` as evaluations of other networks see it: for a classifier after their transform or in
    /// its training size, otherwise in its own size.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn image(&self, index: usize) -> Result<Array4<f32>> {
        let Description { image: shape, normalization, network, data, .. } = self.description;
        let [.., channels] = *shape;
        let transform = data.evaluation.as_ref();
        let (values, size) = match &self.source {
            Source::Files(files) => {
                let image = open_upright(&files[index], data.exif)?;
                match network.head {
                    Head::Pooled | Head::Dense => evaluated(&image, transform, *shape, normalization)?,
                    _ => {
                        let size = [image.height() as usize, image.width() as usize];
                        let shape = [size[0], size[1], channels];
                        (resized(&image, shape, FilterType::Triangle, normalization)?, size)
                    }
                }
            }
            Source::Dataset(images, _) => {
                let sample = images.sample(index)?;
                match transform {
                    Some(transform) => {
                        let square =
                            transform.apply(Level::from_env()?, &sample.pixels, sample.size, channels);
                        (normalized(&square, normalization), [transform.size; 2])
                    }
                    None => (normalized(&sample.pixels, normalization), sample.size),
                }
            }
        };
        Array4::from_shape_vec((1, size[0], size[1], channels), values)
            .with_context(|| format!("image {index} does not have the size that it claims"))
    }
}
