//! Images in class folders, including ImageNet's, decoded on request.

mod files;
pub(crate) mod held_out;
mod lists;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::picture::read_upright;
use crate::{
    DataError, Dataset, Exif, FileOptions, Normalization, Properties, Sample, Split, counted, listed,
};
use files::{Files, Found, folders, pictures_below, pictures_in};

pub use files::EXCLUDED;

/// Where ImageNet's training folder may be below the folder where it was unpacked.
const ROOTS: [&str; 3] = ["", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"];
/// Names of the folder of test images, in order of preference: ImageNet's `test` has no labels.
const TESTS: [&str; 3] = ["val", "validation", "test"];
/// The number of names in a message.
const SHOWN: usize = 5;
const LAYOUT: &str =
    "it must have train/CLASS/*.jpg and val/CLASS/*.jpg, or just CLASS/*.jpg, a fifth of which is held out";

/// Images of any size in one folder per class, decoded on request: RGB, one label each, ImageNet's
/// statistics.
///
/// [`image_folder`] and [`imagenet_1k`] open one. Samples are in the order of classes and file names.
#[derive(Debug)]
pub struct ImageFolder {
    /// The folder that was opened, and the path from there to the images of this split, which ends in `/` or
    /// is empty.
    top: PathBuf,
    prefix: String,
    files: Files,
    properties: Properties,
    remarks: Vec<String>,
    exif: Exif,
}

/// Opens the training or the test images in `folder`, in one of these layouts:
///
/// - `train/CLASS/NAME` and `val/CLASS/NAME` (or `validation`, or `test`: the first that exists); class
///   folders may have subfolders. Classes are numbered in the order of the names of train's folders, as in
///   torchvision.
/// - `CLASS/NAME` only: about a fifth of each class is held out as the test set, chosen by file names (two of
///   8 to 12 files, none of 2). A new file moves at most one other file between the sets. With
///   [`FileOptions::whole`], both sets are all images; one class is then enough.
/// - ImageNet's `ILSVRC/Data/CLS-LOC` as on Kaggle, or `train` and a flat `val` with a list of its classes:
///   `LOC_val_solution.csv`, `imagenet_2012_validation_synset_labels.txt` (a folder's name for each image, in
///   the order of the images' names), or Caffe's `val.txt` (`NAME NUMBER`); `LOC_synset_mapping.txt` or
///   `synset_words.txt` name the classes in words.
///
/// Images are JPEG, PNG, BMP, GIF, WebP, TIFF and PNM, see [`read_rgb`](crate::read_rgb). Files listed in
/// [`EXCLUDED`] in `folder` are skipped. [`Dataset::remarks`] reports this and the reader's other decisions.
///
/// # Errors
/// [`DataError`] with the file or folder if nothing is there, a class has no images, `val` has a class that
/// `train` does not have, images lie beside class folders, or a list does not fit. A damaged image is an
/// error of its sample.
pub fn image_folder(
    folder: impl AsRef<Path>,
    split: Split,
    options: &FileOptions,
) -> Result<ImageFolder, DataError> {
    ImageFolder::open(folder.as_ref(), split, options)
}

/// Opens ImageNet-1K (Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge; 1,281,167 and
/// 50,000 images) as [`image_folder`] does, and checks that it has 1000 classes.
///
/// # Errors
/// Same as [`image_folder`], and [`DataError::Layout`] if there are not 1000 classes.
pub fn imagenet_1k(
    folder: impl AsRef<Path>,
    split: Split,
    options: &FileOptions,
) -> Result<ImageFolder, DataError> {
    let set = ImageFolder::open(folder.as_ref(), split, options)?;
    match set.classes().len() {
        1000 => Ok(set),
        classes => {
            let problem = format!("has {classes} classes, but ImageNet-1K has 1000");
            Err(DataError::layout(folder.as_ref(), problem, "unpack the whole set, or read it as `folder`"))
        }
    }
}

impl ImageFolder {
    fn open(top: &Path, split: Split, options: &FileOptions) -> Result<ImageFolder, DataError> {
        if !top.is_dir() {
            return Err(DataError::layout(top, "is not a folder", LAYOUT));
        }
        let mut remarks = Vec::new();
        let root = ROOTS.into_iter().find(|root| top.join(root).join("train").is_dir());
        let root_path = top.join(root.unwrap_or(""));
        let join = |name: &str| match root {
            Some("") | None => format!("{name}/"),
            Some(root) => format!("{root}/{name}/"),
        };
        let test = TESTS.into_iter().find(|name| root_path.join(name).is_dir());
        let (classes, prefix, files, others) = match (root, test) {
            (Some(_), Some(test)) => {
                let train = root_path.join("train");
                let classes = class_folders(&train, 2)?;
                let (name, Labeled { files, others }) = match split {
                    Split::Train => ("train", in_class_folders(&train, &classes, true)?),
                    Split::Test => (test, of_test(&root_path.join(test), &[top, &root_path], &classes)?),
                };
                (classes, join(name), files, others)
            }
            (Some(_), None) if !options.whole => {
                let train = root_path.join("train");
                let remedy = format!(
                    "put test images into it, or give {} as the folder, so that a fifth of it is held out",
                    train.display()
                );
                return Err(DataError::layout(root_path.join(TESTS[0]), "is missing", remedy));
            }
            (None, Some(test)) if !options.whole => {
                let problem = format!("has a folder {test}, but no folder train");
                return Err(DataError::layout(top, problem, LAYOUT));
            }
            (Some(_), None) | (None, Some(_)) => {
                let name = test.unwrap_or("train");
                let folder = root_path.join(name);
                let classes = class_folders(&folder, 1)?;
                let Labeled { files, others } = in_class_folders(&folder, &classes, true)?;
                remarks.push(format!("the {split} set is all images in {}", folder.display()));
                (classes, join(name), files, others)
            }
            (None, None) => {
                let classes = class_folders(top, if options.whole { 1 } else { 2 })?;
                let Labeled { files, others } = in_class_folders(top, &classes, true)?;
                let files = if options.whole {
                    remarks.push(format!("the {split} set is all images in {}", top.display()));
                    files
                } else {
                    let all = files.len();
                    let files = held_out::part(files, split);
                    if split == Split::Test && files.len() == 0 {
                        let problem = "has too few images to hold some out: no class has three";
                        return Err(DataError::layout(top, problem, "add images"));
                    }
                    remarks.push(division(top, split, files.len(), all));
                    files
                };
                (classes, String::new(), files, others)
            }
        };
        if others > 0 {
            remarks.push(format!(
                "{}: skipping {} without the name of an image file",
                top.join(&prefix).display(),
                counted(others, "file", "files"),
            ));
        }
        let files = without_excluded(files, top, &prefix, &mut remarks)?;
        if files.len() == 0 {
            return Err(DataError::layout(top.join(&prefix), "has no images", LAYOUT));
        }
        let classes = lists::class_names(&[top, &root_path], classes)?;
        let properties = Properties::new(3, classes, Normalization::imagenet());
        Ok(ImageFolder { top: top.into(), prefix, files, properties, remarks, exif: options.exif })
    }

    /// The path of sample `index` relative to the folder, with `/` between its parts, as [`EXCLUDED`] lists
    /// it.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    pub fn name(&self, index: usize) -> String {
        format!("{}{}", self.prefix, self.files.name(index))
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let (size, pixels) = read_upright(&self.top.join(self.name(index)), self.exif)?;
        let labels = std::slice::from_ref(self.files.label(index));
        Ok(Sample::new(size, pixels, labels))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.top.join(self.name(index)))
    }
}

/// Images with labels, and the number of other files in their folders.
struct Labeled {
    files: Files,
    others: usize,
}

/// The remark on a folder that is divided into a training and a test set.
fn division(top: &Path, split: Split, count: usize, all: usize) -> String {
    let share = match split {
        // Classes of one or two images have no test image.
        Split::Train if count == all => String::new(),
        Split::Train => ", about four fifths of each class".to_owned(),
        Split::Test => ", about a fifth of each class".to_owned(),
    };
    format!(
        "{} has no folders train and val: the {split} set is {count} of its {}{share}, chosen by file name",
        top.display(),
        counted(all, "image", "images"),
    )
}

/// The names of a folder's class folders, at least `least`.
fn class_folders(folder: &Path, least: usize) -> Result<Vec<String>, DataError> {
    let classes = folders(folder)?;
    match classes.len() {
        0 => Err(DataError::layout(folder, "has no class folders", LAYOUT)),
        1 if least > 1 => {
            let problem = format!("has only one class folder, {}", classes[0]);
            Err(DataError::layout(folder, problem, "add a folder for each class"))
        }
        _ => Ok(classes),
    }
}

/// The images in the folders of these classes; if `all`, every class must have some.
fn in_class_folders(folder: &Path, classes: &[String], all: bool) -> Result<Labeled, DataError> {
    let strays = pictures_in(folder)?;
    if let Some(name) = strays.pictures.first() {
        let problem = format!("lies beside class folders (images there: {})", strays.pictures.len());
        return Err(DataError::layout(folder.join(name), problem, "move each into the folder of its class"));
    }
    let (mut files, mut others, mut empty) = (Files::default(), strays.others, Vec::new());
    for (class, label) in classes.iter().zip(0..) {
        let path = folder.join(class);
        if !all && !path.is_dir() {
            continue;
        }
        let found = pictures_below(&path)?;
        for name in &found.pictures {
            files.push(&format!("{class}/{name}"), label);
        }
        others += found.others;
        if found.pictures.is_empty() && all {
            empty.push(class.as_str());
        }
    }
    if !empty.is_empty() {
        let count = counted(empty.len(), "class folder", "class folders");
        let problem = format!("has {count} without images: {}", listed(&empty, SHOWN, ", "));
        return Err(DataError::layout(folder, problem, "add images to them, or remove them"));
    }
    Ok(Labeled { files, others })
}

/// The test images, in class folders or flat with a list in one of `lists`.
fn of_test(folder: &Path, lists: &[&Path], classes: &[String]) -> Result<Labeled, DataError> {
    let theirs = folders(folder)?;
    if theirs.is_empty() {
        let Found { pictures, others } = pictures_in(folder)?;
        if pictures.is_empty() {
            return Err(DataError::layout(folder, "has no images", LAYOUT));
        }
        let lists = [lists, &[folder]].concat();
        return Ok(Labeled { files: lists::label(folder, &pictures, &lists, classes)?, others });
    }
    let unknown: Vec<&str> =
        theirs.iter().filter(|name| classes.binary_search(name).is_err()).map(String::as_str).collect();
    if !unknown.is_empty() {
        let count = counted(unknown.len(), "class", "classes");
        let problem = format!("has {count} that train does not have: {}", listed(&unknown, SHOWN, ", "));
        return Err(DataError::layout(folder, problem, "use the same names for class folders in both"));
    }
    in_class_folders(folder, classes, false)
}

/// The files except for those listed in [`EXCLUDED`] at the top of the folder, and a remark on their number.
fn without_excluded(
    files: Files,
    top: &Path,
    prefix: &str,
    remarks: &mut Vec<String>,
) -> Result<Files, DataError> {
    let path = top.join(EXCLUDED);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(source) => return Err(DataError::Io { path, source }),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let excluded: HashSet<&str> = lines.filter_map(|line| line.strip_prefix(prefix)).collect();
    let all = files.len();
    let files = files.filtered(|_, name, _| !excluded.contains(name));
    if files.len() < all {
        remarks.push(format!(
            "{}: leaving out {} listed in {}",
            top.join(prefix).display(),
            counted(all - files.len(), "image", "images"),
            path.display()
        ));
    }
    Ok(files)
}
