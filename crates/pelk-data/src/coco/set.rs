//! Reads an annotation file and finds its images, for both kinds of labels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pelk_coco::{Annotation, Category, Image, Instances, Masks, ReadOptions, Repaired};
use rayon::prelude::*;

use super::layout::{Files, LAYOUT, Picture};
use super::passed::PassedOver;
use super::search;
use crate::image_folder::held_out;
use crate::{DataError, Excluded, Exif, FileOptions, Split, counted};

/// A split's images whose files are there, with their annotations, both in the file's order.
pub(super) struct Set {
    pub files: Files,
    pub pictures: Vec<Picture>,
    /// The annotations of each picture, with masks as runs if they have any.
    pub annotations: Vec<Vec<Annotation>>,
    pub categories: Vec<Category>,
    pub passed: PassedOver,
    /// [`Properties::chosen_by_name`](crate::Properties::chosen_by_name).
    pub chosen_by_name: bool,
    /// What else users should know.
    pub notes: Vec<String>,
}

/// Reads a split. Wrong entries and images without file are passed over; boxes may be empty if
/// `allow_empty_boxes`.
///
/// # Errors
/// [`DataError`] if there is no annotation file, if it is damaged as a whole, or if no image is left.
pub(super) fn read_set(
    folder: &Path,
    split: Split,
    options: &FileOptions,
    allow_empty_boxes: bool,
) -> Result<Set, DataError> {
    let files = Files::find(folder, split, options)?;
    let read = ReadOptions { masks: Masks::Runs, allow_empty_boxes };
    let mut file = Instances::read_repaired(&files.annotations, read)?;
    let mut passed = PassedOver::default();
    file.problems.iter().for_each(|problem| passed.add_problem(problem));
    let mut notes = notes(&file);
    let mut images = std::mem::take(&mut file.instances.images);
    images.retain(|image| {
        let usable = image.height > 0 && image.width > 0;
        if !usable {
            passed.add("image", "its height or width is 0", image.id);
        }
        usable
    });
    if images.is_empty() {
        let remarks: Vec<String> = passed.remarks().collect();
        return Err(match remarks.is_empty() {
            true => files.lack("names no images", LAYOUT),
            false => files.lack("has no usable image", remarks.join("; ")),
        });
    }
    let chosen_by_name = files.undivided && !options.whole;
    if files.undivided {
        images = part(images, split, &files, options.whole, &mut notes)?;
    }
    let mut pictures = pictures(&images, &files, options.exif, &mut passed, &mut notes)?;
    let (excluded, all) = (Excluded::read(folder)?, pictures.len());
    pictures.retain(|picture| !excluded.contains_file(&picture.path));
    notes.extend(excluded.note(all - pictures.len()));
    if pictures.is_empty() {
        return Err(files.lack("has no images left", "exclude fewer images"));
    }
    if options.exif == Exif::Apply {
        pictures.par_iter_mut().for_each(Picture::turn_annotations);
        let turned = pictures.iter().filter(|picture| picture.orientation != 1).count();
        if turned > 0 {
            let images = counted(turned, "image", "images");
            notes.push(format!("annotations of {images} are for the stored image and are turned with it"));
        }
    }
    let places: HashMap<u64, usize> = pictures.iter().map(|picture| picture.id).zip(0..).collect();
    let mut annotations = vec![Vec::new(); pictures.len()];
    let Instances { annotations: all, categories, .. } = file.instances;
    for annotation in all {
        if let Some(&place) = places.get(&annotation.image_id) {
            annotations[place].push(annotation);
        }
    }
    Ok(Set { files, pictures, annotations, categories, passed, chosen_by_name, notes })
}

/// What was filled in.
fn notes(file: &Repaired) -> Vec<String> {
    let annotations = |count| counted(count, "annotation has", "annotations have");
    let mut notes = Vec::new();
    if file.boxes > 0 {
        notes.push(format!("{} no usable `bbox`: that of the mask is taken", annotations(file.boxes)));
    }
    if file.areas > 0 {
        notes.push(format!("{} no usable `area`: that of the mask is taken", annotations(file.areas)));
    }
    if file.numbered > 0 {
        let annotations = counted(file.numbered, "annotation", "annotations");
        notes.push(format!("{annotations} without a usable id got an unused one"));
    }
    if file.named_images {
        let first = file.instances.images.first().map_or(0, |image| image.id);
        notes.push(format!(
            "ids of images are texts: files of results have numbers instead, in the order of the file, the \
             first image {first}"
        ));
    }
    notes
}

/// The images of a split of a file with both: a fifth is held out, chosen by file names.
fn part(
    images: Vec<Image>,
    split: Split,
    files: &Files,
    whole: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Image>, DataError> {
    if whole {
        notes.push(format!("the {split} set is all of its images"));
        return Ok(images);
    }
    let all = images.len();
    let test = held_out::first((0..all).collect(), &|index| images[index].file_name.as_str());
    if split == Split::Test && test.is_empty() {
        return Err(files.lack("has too few images to hold some out: it needs three", "add images"));
    }
    let mut is_test = vec![false; all];
    test.iter().for_each(|&index| is_test[index] = true);
    let of_split = images.into_iter().zip(is_test).filter(|(_, test)| *test == (split == Split::Test));
    let images: Vec<Image> = of_split.map(|(image, _)| image).collect();
    notes.push(format!(
        "it is not divided into training and test images: the {split} set is {} of its {}, about {}, chosen \
         by file name",
        images.len(),
        counted(all, "image", "images"),
        if split == Split::Train { "four fifths" } else { "a fifth" },
    ));
    Ok(images)
}

/// The images whose files are there.
///
/// # Errors
/// [`DataError::Layout`] with the first file if none is.
fn pictures(
    images: &[Image],
    files: &Files,
    exif: Exif,
    passed: &mut PassedOver,
    notes: &mut Vec<String>,
) -> Result<Vec<Picture>, DataError> {
    let (mut pictures, mut shortened) = (Vec::with_capacity(images.len()), Vec::new());
    for (image, found) in images.iter().zip(search::files(images, &files.folders)) {
        let Some(search::Found { path, shortened: is_shortened }) = found else {
            passed.add("image", "its file is missing", format!("{}: {:?}", image.id, image.file_name));
            continue;
        };
        if is_shortened {
            shortened.push(format!("{:?} is {}", image.file_name, path.display()));
        }
        let size = [image.height, image.width];
        pictures.push(Picture { id: image.id, path, size, exif, orientation: 1 });
    }
    if pictures.is_empty() {
        let Image { id, file_name, .. } = &images[0];
        // Not joined, because a name may be absolute.
        let path = PathBuf::from(format!("{}/{file_name}", files.folders[0].display()));
        let others = match images.len() {
            1 => String::new(),
            count => format!(", and no file of its {count} images is there"),
        };
        let remedy = format!("it is image {id} of {}{others}; {LAYOUT}", files.annotations.display());
        return Err(DataError::layout(path, "is missing", remedy));
    }
    if let Some(first) = shortened.first() {
        let count = counted(shortened.len(), "image is", "images are");
        notes.push(format!("{count} found without the first folders in their names: {first}"));
    }
    Ok(pictures)
}
