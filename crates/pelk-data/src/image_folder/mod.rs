//! Images in class folders, including ImageNet's, decoded on request.

mod files;
pub(crate) mod held_out;
mod lists;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::excluded::{encode, from_bytes};
use crate::faults::Faults;
use crate::picture::read_upright;
use crate::splits::{self, TEST, TRAIN};
use crate::strays::Strays;
use crate::{
    DataError, Dataset, Excluded, Exif, FileOptions, Normalization, Properties, Sample, Split, counted,
    listed,
};
use files::{Files, folders, pictures_below, pictures_in};

/// Where ImageNet's training folder may be below the folder where it was unpacked.
const ROOTS: [&str; 3] = ["", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"];
/// Names that divide a folder even if other folders lie beside them, which would otherwise be classes.
const PLAIN: [&str; 4] = ["train", "val", "validation", "test"];
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
    faults: Faults,
    exif: Exif,
}

/// Opens the training or the test images in `folder`, in one of these layouts:
///
/// - `train/CLASS/NAME` (or `training`) and `val/CLASS/NAME` (or `validation`, `valid`, `test`, `testing`:
///   the first that exists), in any case; class folders may have subfolders. Classes are numbered in the
///   order of the names of train's folders, as in torchvision.
/// - `CLASS/NAME` only: about a fifth of each class is held out as the test set, chosen by file names (two of
///   8 to 12 files, none of 2). A new file moves at most one other file between the sets. With
///   [`FileOptions::whole`], both sets are all images; one class is then enough.
/// - ImageNet's `ILSVRC/Data/CLS-LOC` as on Kaggle, or `train` and a flat `val` with a list of its classes:
///   `LOC_val_solution.csv`, `imagenet_2012_validation_synset_labels.txt` (a folder's name for each image, in
///   the order of the images' names), or Caffe's `val.txt` (`NAME NUMBER`); `LOC_synset_mapping.txt` or
///   `synset_words.txt` name the classes in words.
///
/// Images are JPEG, PNG, BMP, GIF, WebP, TIFF and PNM, see [`read_rgb`](crate::read_rgb), told by their
/// endings, or by their content if the ending says nothing. Hidden files, text files and what systems leave
/// behind (`Thumbs.db`, `@eaDir`) are passed over, and so are files listed in [`Excluded`] in `folder`.
/// [`Dataset::remarks`] reports this and the reader's other decisions.
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
    let mut set = ImageFolder::open(folder.as_ref(), split, options)?;
    let classes = set.classes().len();
    if classes != 1000 {
        let problem = format!("has {classes} classes, but ImageNet-1K has 1000");
        let remedy = "unpack the whole set, or read it as `folder`";
        set.faults.add(DataError::layout(folder.as_ref(), problem, remedy))?;
    }
    Ok(set)
}

/// The images in a folder and its subfolders, sorted, and a remark on what else is there; told as by
/// [`image_files`](crate::image_files).
///
/// # Errors
/// [`DataError`] if a folder cannot be read, or if folders are nested more than 16 deep.
pub fn image_files_below(folder: &Path) -> Result<(Vec<PathBuf>, Option<String>), DataError> {
    let mut strays = Strays::default();
    let names = pictures_below(folder, &mut strays)?;
    Ok((names.iter().map(|name| folder.join(from_bytes(name))).collect(), strays.remark(folder)))
}

impl ImageFolder {
    fn open(top: &Path, split: Split, options: &FileOptions) -> Result<ImageFolder, DataError> {
        if !top.is_dir() {
            return Err(DataError::layout(top, "is not a folder", LAYOUT));
        }
        let (mut remarks, mut strays) = (Vec::new(), Strays::default());
        let mut faults = Faults::new(options);
        let layout = Layout::of(top)?;
        let chosen_by_name = layout.train.is_none() && layout.test.is_none() && !options.whole;
        let root_path = &layout.root;
        let excluded = Excluded::read(top)?;
        let (classes, prefix, files) = match (&layout.train, &layout.test) {
            (Some(train), Some(test)) => {
                let folder = root_path.join(&train.name);
                let classes = class_folders(&folder, 2, &mut faults)?;
                remarks.extend(train.remark(root_path).into_iter().chain(test.remark(root_path)));
                let (name, files) = match split {
                    Split::Train => {
                        let files = in_class_folders(&folder, &classes, true, &mut strays, &mut faults)?;
                        (&train.name, files)
                    }
                    Split::Test => {
                        let lists = [top, root_path];
                        let folder = root_path.join(&test.name);
                        (&test.name, of_test(&folder, &lists, &classes, &mut strays, &mut faults)?)
                    }
                };
                (classes, layout.prefix(name), files)
            }
            (Some(half), None) | (None, Some(half)) => {
                let folder = root_path.join(&half.name);
                if !options.whole {
                    let own = if layout.train.is_some() { Split::Train } else { Split::Test };
                    let fault = layout.lack(top, half);
                    if split != own {
                        return Err(fault);
                    }
                    faults.add(fault)?;
                }
                let classes = class_folders(&folder, 1, &mut faults)?;
                let files = in_class_folders(&folder, &classes, true, &mut strays, &mut faults)?;
                remarks.push(format!("the {split} set is all images in {}", folder.display()));
                (classes, layout.prefix(&half.name), files)
            }
            (None, None) => {
                let classes = class_folders(top, if options.whole { 1 } else { 2 }, &mut faults)?;
                let files = in_class_folders(top, &classes, true, &mut strays, &mut faults)?;
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
                (classes, String::new(), files)
            }
        };
        let from = top.join(&prefix);
        remarks.extend(strays.remark(&from));
        let all = files.len();
        let files = files.filtered(&|_, path| !excluded.contains(&[prefix.as_bytes(), path].concat()));
        remarks.extend(excluded.remark(&from, all - files.len()));
        if files.len() == 0 {
            return Err(DataError::layout(from, "has no images", LAYOUT));
        }
        let classes = lists::class_names(&[top, root_path], classes)?;
        let properties =
            Properties { chosen_by_name, ..Properties::new(3, classes, Normalization::imagenet()) };
        let (top, exif) = (top.into(), options.exif);
        Ok(ImageFolder { top, prefix, files, properties, remarks, faults, exif })
    }

    /// The path of sample `index` relative to the folder, with `/` between its parts, as [`Excluded`] lists
    /// it.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    pub fn name(&self, index: usize) -> String {
        encode(&[self.prefix.as_bytes(), &self.files.path(index)].concat())
    }

    fn path(&self, index: usize) -> PathBuf {
        self.files.file(&self.top.join(&self.prefix), index)
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn faults(&self) -> &[DataError] {
        self.faults.found()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let (size, pixels) = read_upright(&self.path(index), self.exif)?;
        let labels = std::slice::from_ref(self.files.label(index));
        Ok(Sample::new(size, pixels, labels))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.path(index))
    }
}

/// How a folder is divided.
struct Layout {
    /// The path from the opened folder to the one that holds the halves, and the latter.
    below: &'static str,
    root: PathBuf,
    train: Option<splits::Found>,
    test: Option<splits::Found>,
}

impl Layout {
    fn of(top: &Path) -> Result<Self, DataError> {
        let of = |below: &'static str| {
            let root = if below.is_empty() { top.into() } else { top.join(below) };
            let [train, test] = [&TRAIN[..], &TEST].map(|names| splits::find(&root, names));
            Self { below, root, train, test }
        };
        let found = ROOTS.into_iter().map(of).find(|layout| layout.train.is_some());
        let mut layout = found.unwrap_or_else(|| of(""));
        // Beside other folders, a name such as `valid` may also be a class.
        if let (Some(half), None) | (None, Some(half)) = (&layout.train, &layout.test)
            && !PLAIN.contains(&half.name.as_str())
            && folders(&layout.root, &mut Strays::default())?.len() > 1
        {
            (layout.train, layout.test) = (None, None);
        }
        Ok(layout)
    }

    /// What is wrong with a folder that has only one `half`.
    fn lack(&self, top: &Path, half: &splits::Found) -> DataError {
        if self.train.is_none() {
            return DataError::layout(
                top,
                format!("has a folder {}, but no folder train", half.name),
                LAYOUT,
            );
        }
        let remedy = format!(
            "put test images into it, or give {} as the folder, so that a fifth of it is held out",
            self.root.join(&half.name).display()
        );
        DataError::layout(self.root.join(TEST[0]), "is missing", remedy)
    }

    /// The path of a half from the opened folder, with `/` at its end.
    fn prefix(&self, name: &str) -> String {
        if self.below.is_empty() { format!("{name}/") } else { format!("{}/{name}/", self.below) }
    }
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
fn class_folders(folder: &Path, least: usize, faults: &mut Faults) -> Result<Vec<String>, DataError> {
    let classes = folders(folder, &mut Strays::default())?;
    if classes.is_empty() {
        return Err(DataError::layout(folder, "has no class folders", LAYOUT));
    }
    if classes.len() < least {
        let problem = format!("has only one class folder, {}", classes[0]);
        let inside = folder.join(&classes[0]);
        let remedy = match folders(&inside, &mut Strays::default())?.len() {
            0 | 1 => "add a folder for each class".to_owned(),
            _ => format!("add a folder for each class, or give {} as the folder", inside.display()),
        };
        faults.add(DataError::layout(folder, problem, remedy))?;
    }
    Ok(classes)
}

/// The images in the folders of these classes; if `all`, every class must have some.
fn in_class_folders(
    folder: &Path,
    classes: &[String],
    all: bool,
    strays: &mut Strays,
    faults: &mut Faults,
) -> Result<Files, DataError> {
    let beside = pictures_in(folder, strays)?;
    if let Some(name) = beside.first() {
        let problem = format!("lies beside class folders (images there: {})", beside.len());
        let path = folder.join(from_bytes(name));
        faults.add(DataError::layout(path, problem, "move each into the folder of its class"))?;
    }
    let (mut files, mut empty) = (Files::default(), Vec::new());
    for (class, label) in classes.iter().zip(0..) {
        let path = folder.join(class);
        if !all && !path.is_dir() {
            continue;
        }
        let found = pictures_below(&path, strays)?;
        for name in &found {
            files.push(&[class.as_bytes(), b"/", name].concat(), label);
        }
        if found.is_empty() && all {
            empty.push(class.as_str());
        }
    }
    if !empty.is_empty() {
        let count = counted(empty.len(), "class folder", "class folders");
        let problem = format!("has {count} without images: {}", listed(&empty, SHOWN, ", "));
        let remedy = match strays.text().filter(|_| !faults.are_collected()) {
            Some(others) => format!("add images to them, or remove them (passed over: {others})"),
            None => "add images to them, or remove them".to_owned(),
        };
        faults.add(DataError::layout(folder, problem, remedy))?;
    }
    Ok(files)
}

/// The test images, in class folders or flat with a list in one of `lists`.
fn of_test(
    folder: &Path,
    lists: &[&Path],
    classes: &[String],
    strays: &mut Strays,
    faults: &mut Faults,
) -> Result<Files, DataError> {
    let theirs = folders(folder, &mut Strays::default())?;
    if theirs.is_empty() {
        let pictures = pictures_in(folder, strays)?;
        if pictures.is_empty() {
            return Err(DataError::layout(folder, "has no images", LAYOUT));
        }
        let names = pictures.into_iter().map(|name| {
            String::from_utf8(name).map_err(|error| {
                let path = folder.join(from_bytes(error.as_bytes()));
                DataError::layout(path, "has a name that is not UTF-8, so no list can name it", "rename it")
            })
        });
        let names = names.collect::<Result<Vec<String>, DataError>>()?;
        let lists = [lists, &[folder]].concat();
        return lists::label(folder, &names, &lists, classes);
    }
    let unknown: Vec<&str> =
        theirs.iter().filter(|name| classes.binary_search(name).is_err()).map(String::as_str).collect();
    if !unknown.is_empty() {
        let count = counted(unknown.len(), "class", "classes");
        let problem = format!("has {count} that train does not have: {}", listed(&unknown, SHOWN, ", "));
        faults.add(DataError::layout(folder, problem, "use the same names for class folders in both"))?;
    }
    in_class_folders(folder, classes, false, strays, faults)
}
