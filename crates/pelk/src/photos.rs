//! Image files for a detector.

use crate::pictures::picture;
use image::DynamicImage;
use pelk_data::{DataError, Dataset, Exif, Labeling, Properties, Sample};
use pelk_train::Description;
use std::path::PathBuf;

/// Images without annotations, with the channels and the classes of a detector's dataset.
pub struct Photos {
    files: Vec<PathBuf>,
    /// Whether to invert the images.
    invert: bool,
    exif: Exif,
    properties: Properties,
}

impl Photos {
    /// These files, for the detector that the description is of.
    pub fn new(files: Vec<PathBuf>, invert: bool, description: &Description) -> Photos {
        let (classes, statistics) = (description.classes.clone(), description.normalization.clone());
        let properties = Properties {
            labeling: Labeling::Objects,
            ..Properties::new(description.image[2], classes, statistics)
        };
        Photos { files, invert, exif: description.data.exif, properties }
    }

    /// The files.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Dataset for Photos {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let (size, mut pixels) = pelk_data::read_upright(&self.files[index], self.exif)?;
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
