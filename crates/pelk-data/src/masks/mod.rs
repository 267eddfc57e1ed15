//! Folders of images and masks, read on request.

mod ade20k;
mod palette;
mod read;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::faults::Faults;
use crate::picture::{Decoded, upright};
use crate::splits::{self, Found};
use crate::strays::{Entry, Strays, walk};
use crate::{
    DataError, Dataset, Excluded, Exif, FileOptions, Labeling, Normalization, PictureError, Properties,
    Sample, read_text,
};
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
    remarks: Vec<String>,
    faults: Faults,
    exif: Exif,
}

#[derive(Debug)]
struct Pair {
    picture: PathBuf,
    mask: PathBuf,
}

impl MaskFolder {
    /// Pairs the images of one folder and the masks of another by their names without the ending, except for
    /// those that the list in `top` excludes. `layout` is the expected layout, for errors.
    fn open(
        top: &Path,
        [pictures, masks]: [&Path; 2],
        classes: Vec<String>,
        coding: Coding,
        layout: &str,
        options: &FileOptions,
    ) -> Result<MaskFolder, DataError> {
        let (excluded, mut remarks) = (Excluded::read(top)?, Vec::new());
        let mut faults = Faults::new(options);
        let found = list(pictures, layout, &mut remarks, &mut faults)?;
        let mut partners = list(masks, layout, &mut remarks, &mut faults)?;
        let (mut pairs, all) = (Vec::with_capacity(found.len()), found.len());
        let mut left_out = 0;
        for (stem, picture) in found {
            let mask = partners.remove(&stem);
            if [Some(&picture), mask.as_ref()].into_iter().flatten().any(|it| excluded.contains_file(it)) {
                left_out += 1;
                continue;
            }
            let Some(mask) = mask else {
                let problem = format!("has no mask of the same name in {}", masks.display());
                let of_masks = remarks.iter().find(|it| it.starts_with(&*masks.to_string_lossy()));
                let remedy = match of_masks.filter(|_| !faults.are_collected()) {
                    Some(remark) => format!("add it, or remove the image ({remark})"),
                    None => "add it, or remove the image".to_owned(),
                };
                faults.add(DataError::layout(picture, problem, remedy))?;
                continue;
            };
            pairs.push(Pair { picture, mask });
        }
        for mask in partners.into_values().filter(|mask| !excluded.contains_file(mask)) {
            let problem = format!("has no image of the same name in {}", pictures.display());
            faults.add(DataError::layout(mask, problem, "add it, or remove the mask"))?;
        }
        remarks.extend(excluded.remark(pictures, left_out));
        if left_out == all {
            return Err(DataError::layout(pictures, "has no images left", "exclude fewer images"));
        }
        if pairs.is_empty() {
            let problem = format!("has no image with a mask of the same name in {}", masks.display());
            return Err(DataError::layout(pictures, problem, "give masks the names of their images"));
        }
        let labeling = Labeling::Pixels { stride: 1 };
        let properties = Properties { labeling, ..Properties::new(3, classes, Normalization::imagenet()) };
        Ok(MaskFolder { pairs, coding, properties, remarks, faults, exif: options.exif })
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

/// The folder of a split below `images` and `masks`, under the first of these names that exists; the first of
/// the names if there is none.
fn half(folder: &Path, names: &[&str]) -> PathBuf {
    let found = splits::find(folder, names).map(|Found { name, .. }| name);
    folder.join(found.as_deref().unwrap_or(names[0]))
}

/// The images of a folder by their names without the ending, at least one. What else is there is remarked.
fn list(
    folder: &Path,
    layout: &str,
    remarks: &mut Vec<String>,
    faults: &mut Faults,
) -> Result<BTreeMap<OsString, PathBuf>, DataError> {
    if !folder.is_dir() {
        return Err(DataError::layout(folder, "is missing", layout));
    }
    let (mut files, mut strays) = (BTreeMap::<OsString, PathBuf>::new(), Strays::default());
    walk(folder, &mut strays, &mut |name, entry| {
        let path = folder.join(name);
        if entry == Entry::Picture
            && let Some(stem) = path.file_stem()
            && let Some(other) = files.insert(stem.to_owned(), path.clone())
        {
            let problem = format!("and {} have the same name", other.display());
            faults.add(DataError::layout(path, problem, "keep one of them"))?;
        }
        Ok(())
    })?;
    if files.is_empty() {
        let problem = match strays.text() {
            Some(others) => format!("has no images ({others})"),
            None => "is empty".to_owned(),
        };
        return Err(DataError::layout(folder, problem, layout));
    }
    remarks.extend(strays.remark(folder));
    Ok(files)
}

/// The lines of a text file, numbered from 1.
fn lines(path: &Path, layout: &str) -> Result<Vec<(usize, String)>, DataError> {
    let text = match read_text(path) {
        Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(DataError::layout(path, "is missing", layout));
        }
        other => other?,
    };
    Ok((1..).zip(text.lines().map(str::to_owned)).collect())
}

impl Dataset for MaskFolder {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn faults(&self) -> &[DataError] {
        self.faults.found()
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
