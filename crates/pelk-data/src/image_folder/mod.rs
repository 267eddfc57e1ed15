//! Pictures in class folders, ImageNet's too, decoded when asked for.

mod files;
mod held_out;
mod lists;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::masks::imagenet;
use crate::picture::read_rgb;
use crate::{DataError, Dataset, Properties, Sample, Split};
use files::{Files, Found, folders, pictures_below, pictures_in};

/// The file that lists images to leave out: one path per line, relative to the dataset's folder.
pub const EXCLUDED: &str = "excluded.txt";

/// Where the training pictures of ImageNet may lie below the folder that one unpacks it in.
const ROOTS: [&str; 3] = ["", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"];
/// What the folder of test pictures may be called, first the one that is taken where there are several: ImageNet's `test`
/// has no labels.
const TESTS: [&str; 3] = ["val", "validation", "test"];
const LAYOUT: &str = "it must hold train/CLASS/*.jpg and val/CLASS/*.jpg, or just CLASS/*.jpg, of which a fifth is then held out";

/// Pictures of any size in a folder for each class, decoded when asked for: RGB, one label each, ImageNet's statistics.
///
/// [`image_folder`] and [`imagenet_1k`] open one. Samples are in the order of the classes and of the files' names.
#[derive(Debug)]
pub struct ImageFolder {
    /// The folder that was asked for, and the path from there to the pictures of this split, with `/` at its end or empty.
    top: PathBuf,
    prefix: String,
    files: Files,
    properties: Properties,
    remarks: Vec<String>,
}

/// Opens the training or the test pictures in `folder`.
///
/// - `train/CLASS/NAME` and `val/CLASS/NAME` (or `validation`, or `test`, the first that is there), with folders within class
///   folders if one likes. Classes are numbered in the order of the names of train's folders, as torchvision does.
/// - `CLASS/NAME` alone: about a fifth of each class is held out as the test set, chosen by the files' names alone
///   (two of 8 to 12 files, none of 2). Another file changes the place of at most one.
/// - ImageNet's `ILSVRC/Data/CLS-LOC` as Kaggle has it, or `train` and a flat `val`, whose classes a list says:
///   `LOC_val_solution.csv`, `imagenet_2012_validation_synset_labels.txt` (a folder's name for each picture in the order of
///   their names), or Caffe's `val.txt` (`NAME NUMBER`); and `LOC_synset_mapping.txt` or `synset_words.txt` for words
///   as the names of classes.
///
/// Pictures are JPEG, PNG, BMP, GIF, WebP, TIFF and PNM, see [`read_rgb`](crate::read_rgb). What [`EXCLUDED`] in `folder` lists is left
/// out; this and everything else that the reader decided says [`Dataset::remarks`].
///
/// # Errors
/// [`DataError`] naming the file or folder: nothing is there, a class without pictures, a class in `val` that `train` lacks,
/// pictures that lie beside class folders, a list that does not fit. A damaged picture is one when its sample is read.
pub fn image_folder(folder: impl AsRef<Path>, split: Split) -> Result<ImageFolder, DataError> {
    ImageFolder::open(folder.as_ref(), split)
}

/// Opens ImageNet-1K (Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge; 1,281,167 and 50,000 pictures)
/// as [`image_folder`] does, and insists on its 1000 classes.
///
/// # Errors
/// As [`image_folder`], and [`DataError::Layout`] where there are not 1000 classes.
pub fn imagenet_1k(folder: impl AsRef<Path>, split: Split) -> Result<ImageFolder, DataError> {
    let set = ImageFolder::open(folder.as_ref(), split)?;
    match set.classes().len() {
        1000 => Ok(set),
        classes => {
            let problem = format!("holds {classes} classes, ImageNet-1K has 1000");
            Err(DataError::layout(folder.as_ref(), problem, "unpack the whole set, or read it as `folder`"))
        }
    }
}

impl ImageFolder {
    fn open(top: &Path, split: Split) -> Result<ImageFolder, DataError> {
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
                let classes = class_folders(&train)?;
                let (name, Labeled { files, others }) = match split {
                    Split::Train => ("train", in_class_folders(&train, &classes, true)?),
                    Split::Test => (test, of_test(&root_path.join(test), &[top, &root_path], &classes)?),
                };
                (classes, join(name), files, others)
            }
            (Some(_), None) => {
                let train = root_path.join("train");
                let remedy = format!(
                    "put pictures to measure with into it, or give {} as the folder, of which a fifth is then held out",
                    train.display()
                );
                return Err(DataError::layout(root_path.join(TESTS[0]), "is missing", remedy));
            }
            (None, Some(test)) => {
                return Err(DataError::layout(top, format!("holds {test}, but no folder train"), LAYOUT));
            }
            (None, None) => {
                let classes = class_folders(top)?;
                let Labeled { files, others } = in_class_folders(top, &classes, true)?;
                let all = files.len();
                let files = held_out::part(files, split);
                if split == Split::Test && files.len() == 0 {
                    let problem = "has too few pictures to hold some out: no class has three";
                    return Err(DataError::layout(top, problem, "add pictures"));
                }
                remarks.push(format!(
                    "{} has no folders train and val: {} of its {all} pictures make the {split} set, of each class about \
                     {}, chosen by the files' names",
                    top.display(),
                    files.len(),
                    if split == Split::Train { "four in five" } else { "one in five" },
                ));
                (classes, String::new(), files, others)
            }
        };
        if others > 0 {
            remarks.push(format!(
                "{others} files in {} are passed over: their endings are no pictures'",
                top.join(&prefix).display()
            ));
        }
        let files = without_excluded(files, top, &prefix, &mut remarks)?;
        if files.len() == 0 {
            return Err(DataError::layout(top.join(&prefix), "holds no pictures", LAYOUT));
        }
        let classes = lists::class_names(&[top, &root_path], classes)?;
        let properties = Properties::new(3, classes, imagenet());
        Ok(ImageFolder { top: top.into(), prefix, files, properties, remarks })
    }
    /// The path of sample `index` from the folder on, with `/` between its parts, as it would stand in [`EXCLUDED`].
    ///
    /// # Panics
    /// When `index` is not below [`Dataset::len`], as slices do.
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
        let (size, pixels) = read_rgb(&self.top.join(self.name(index)))?;
        let labels = std::slice::from_ref(self.files.label(index));
        Ok(Sample { size, pixels: pixels.into(), labels: labels.into(), groups: Cow::Borrowed(&[]) })
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.top.join(self.name(index)))
    }
}

/// Pictures with labels, and how many other files lie between them.
struct Labeled {
    files: Files,
    others: usize,
}

/// The names of a folder's class folders, at least two.
fn class_folders(folder: &Path) -> Result<Vec<String>, DataError> {
    let classes = folders(folder)?;
    match classes.len() {
        0 => Err(DataError::layout(folder, "holds no class folders", LAYOUT)),
        1 => {
            let problem = format!("holds one class folder only, {}", classes[0]);
            Err(DataError::layout(folder, problem, "add one for each class that is to be told apart"))
        }
        _ => Ok(classes),
    }
}

/// The pictures in the folders of these classes; every class must have some if `all`.
fn in_class_folders(folder: &Path, classes: &[String], all: bool) -> Result<Labeled, DataError> {
    let strays = pictures_in(folder)?;
    if let Some(name) = strays.pictures.first() {
        let problem = format!("is one of {} pictures beside class folders", strays.pictures.len());
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
        let problem = format!("has {} class folders without pictures: {}", empty.len(), some(&empty));
        return Err(DataError::layout(folder, problem, "add pictures to them, or take them away"));
    }
    Ok(Labeled { files, others })
}

/// The test pictures, in class folders or flat with a list in one of `lists`.
fn of_test(folder: &Path, lists: &[&Path], classes: &[String]) -> Result<Labeled, DataError> {
    let theirs = folders(folder)?;
    if theirs.is_empty() {
        let Found { pictures, others } = pictures_in(folder)?;
        if pictures.is_empty() {
            return Err(DataError::layout(folder, "holds no pictures", LAYOUT));
        }
        let lists = [lists, &[folder]].concat();
        return Ok(Labeled { files: lists::label(folder, &pictures, &lists, classes)?, others });
    }
    let unknown: Vec<&str> =
        theirs.iter().filter(|name| classes.binary_search(name).is_err()).map(String::as_str).collect();
    if !unknown.is_empty() {
        let problem = format!("has {} classes that train lacks: {}", unknown.len(), some(&unknown));
        return Err(DataError::layout(folder, problem, "name class folders alike in both"));
    }
    in_class_folders(folder, classes, false)
}

/// The files without those that the list at the top of the folder names, and a remark on how many they are.
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
        let (left, folder) = (all - files.len(), top.join(prefix));
        remarks.push(format!(
            "{left} pictures in {} are left out: {} names them",
            folder.display(),
            path.display()
        ));
    }
    Ok(files)
}

/// The first few of these names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}
