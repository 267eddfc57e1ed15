//! Folders of images and masks, read on request.

mod ade20k;
mod palette;
mod read;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::picture::{Decoded, upright};
use crate::{DataError, Dataset, Exif, Labeling, Normalization, PictureError, Properties, Sample};
use read::{Coding, read_mask};

pub use ade20k::ade20k;
pub(crate) use ade20k::{Folders, INFO};
pub use palette::mask_folder;

/// Images of any size with a mask each, decoded on request: RGB, with a label per pixel.
///
/// [`ade20k`] and [`mask_folder`] open one. Samples are in the order of their files' names.
#[derive(Debug)]
pub struct MaskFolder {
    pairs: Vec<Pair>,
    coding: Coding,
    properties: Properties,
    exif: Exif,
}

#[derive(Debug)]
struct Pair {
    picture: PathBuf,
    mask: PathBuf,
}

impl MaskFolder {
    /// Pairs the images of one folder and the masks of another by their names without the ending. `layout` is
    /// the expected layout, for errors.
    fn open(
        [pictures, masks]: [&Path; 2],
        classes: Vec<String>,
        coding: Coding,
        layout: &str,
    ) -> Result<MaskFolder, DataError> {
        let found = list(pictures, layout)?;
        let mut partners = list(masks, layout)?;
        let mut pairs = Vec::with_capacity(found.len());
        for (stem, picture) in found {
            let Some(mask) = partners.remove(&stem) else {
                let problem = format!("has no mask of the same name in {}", masks.display());
                return Err(DataError::layout(picture, problem, "add it, or remove the image"));
            };
            pairs.push(Pair { picture, mask });
        }
        if let Some((_, mask)) = partners.pop_first() {
            let problem = format!("has no image of the same name in {}", pictures.display());
            return Err(DataError::layout(mask, problem, "add it, or remove the mask"));
        }
        let labeling = Labeling::Pixels { stride: 1 };
        let properties = Properties { labeling, ..Properties::new(3, classes, Normalization::imagenet()) };
        Ok(MaskFolder { pairs, coding, properties, exif: Exif::Ignore })
    }

    /// The files of the image and of the mask of sample `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    pub fn files(&self, index: usize) -> [&Path; 2] {
        let Pair { picture, mask } = &self.pairs[index];
        [picture, mask]
    }
}

/// The files of a folder by their names without the ending, at least one; names that start with a dot are
/// skipped as system files.
fn list(folder: &Path, layout: &str) -> Result<BTreeMap<OsString, PathBuf>, DataError> {
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::layout(folder, "is missing", layout),
        _ => DataError::Io { path: folder.into(), source },
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let Some(stem) = path.file_stem().filter(|_| !hidden && path.is_file()) else { continue };
        if let Some(other) = files.insert(stem.to_owned(), path.clone()) {
            let problem = format!("and {} have the same name", other.display());
            return Err(DataError::layout(path, problem, "keep one of them"));
        }
    }
    if files.is_empty() {
        return Err(DataError::layout(folder, "is empty", layout));
    }
    Ok(files)
}

/// The lines of a text file, numbered from 1.
fn lines(path: &Path, layout: &str) -> Result<Vec<(usize, String)>, DataError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DataError::layout(path, "is missing", layout),
        _ => DataError::Io { path: path.into(), source },
    })?;
    Ok((1..).zip(text.lines().map(str::to_owned)).collect())
}

impl Dataset for MaskFolder {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let Pair { picture, mask } = &self.pairs[index];
        let Decoded { size, pixels, stored, orientation } = Decoded::read(picture, self.exif)?;
        let labels = match read_mask(mask, &self.coding, picture, stored) {
            // Not of the image as it is stored, but as it is shown.
            Err(DataError::Picture(PictureError::PartnerSize { .. })) if size != stored => {
                read_mask(mask, &self.coding, picture, size)?
            }
            labels => upright(labels?, 1, stored, orientation).1,
        };
        Ok(Sample::new(size, pixels, labels))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.pairs[index].picture.clone())
    }
}
