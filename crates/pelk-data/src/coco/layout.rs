//! The files of a dataset in COCO's format: where annotations and images are.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::picture::{read_upright, stored_size, swaps_sides};
use crate::splits::names;
use crate::{DataError, Exif, FileOptions, PictureError, Split, listed};

pub(super) const LAYOUT: &str = "unpack images and annotations from https://cocodataset.org/#download there, \
                                 or use their layout: annotations/instances_train.json, train/NAME, the same \
                                 with val, each with or without 2017";

/// Annotation files of a folder with its images: of Roboflow, FiftyOne, labelme2coco, Label Studio and
/// Supervisely.
const BESIDE: &[&str] = &[
    "_annotations.coco.json",
    "annotations/instances.json",
    "annotations/instances_default.json",
    "annotations/person_keypoints_default.json",
    "annotations/_annotations.coco.json",
    "result.json",
    "labels.json",
    "annotations.json",
    "dataset.json",
    "instances.json",
];
/// Folders of images beside an annotation file.
const IMAGES: &[&str] = &["images", "images/default", "data", "JPEGImages", "img"];

/// The name of a split in this layout.
pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "val",
    }
}

/// Whether the folder has annotations in COCO's format, judged by the names and the starts of files.
pub(crate) fn recognized(folder: &Path) -> bool {
    let below = Listing::of(&folder.join("annotations"));
    below.names.iter().any(|name| name.to_ascii_lowercase().ends_with(".json"))
        || [Split::Train, Split::Test]
            .iter()
            .any(|split| divided(folder, names(*split)).is_some_and(|(file, _)| is_coco(&file)))
        || undivided(folder).is_some_and(|(file, _)| is_coco(&file))
}

/// Whether a file has annotations: names such as `labels.json` may stand for anything.
fn is_coco(path: &Path) -> bool {
    if path.ends_with(BESIDE[0]) {
        return true;
    }
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut start));
    let has = |word: &[u8]| start.windows(word.len()).any(|part| part == word);
    let first = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start().first();
    read.is_ok() && first == Some(&b'{') && (has(b"\"images\"") || has(b"\"annotations\""))
}

/// The files of a split.
pub(super) struct Files {
    /// The annotation file.
    pub annotations: PathBuf,
    /// The folders in which images are looked for, one after the other; at least one.
    pub folders: Vec<PathBuf>,
    /// Whether the annotations are of both splits.
    pub undivided: bool,
}

impl Files {
    /// The files of a split of `folder`.
    ///
    /// # Errors
    /// [`DataError::Layout`] without annotations.
    pub fn find(folder: &Path, split: Split, options: &FileOptions) -> Result<Self, DataError> {
        if !options.annotations.is_empty() {
            return Self::given(folder, split, options);
        }
        if let Some((annotations, folders)) = divided(folder, names(split)) {
            return Ok(Self { annotations, folders, undivided: false });
        }
        let other = if split == Split::Train { Split::Test } else { Split::Train };
        let (annotations, folders) = match divided(folder, names(other)) {
            Some(found) if options.whole => found,
            None => undivided(folder).ok_or_else(|| missing(folder, split))?,
            Some((file, _)) => {
                let problem = format!("has {}, but no such file of the {split} set", file.display());
                return Err(DataError::layout(folder, problem, LAYOUT));
            }
        };
        Ok(Self { annotations, folders, undivided: true })
    }

    /// The files that the options name.
    fn given(folder: &Path, split: Split, options: &FileOptions) -> Result<Self, DataError> {
        let (file, undivided) = match &options.annotations[..] {
            [one] => (one, true),
            [train, test] => (if split == Split::Train { train } else { test }, false),
            more => {
                let expected = "one file, or one for training and one for testing";
                return Err(DataError::config("annotations", more.len(), expected));
            }
        };
        let annotations = if file.is_file() { file.clone() } else { folder.join(file) };
        if !annotations.is_file() {
            return Err(DataError::layout(file, "is missing", "give an annotation file in COCO's format"));
        }
        // A file such as instances_val2017.json tells where its images are.
        let stem = annotations.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = stem.rsplit(['_', '-']).next().unwrap_or_default();
        let mut folders = of_split(folder, name);
        folders.extend(beside(&annotations, folder));
        if !undivided {
            let names = names(split).iter().flat_map(|name| [name.to_string(), format!("{name}2017")]);
            folders.extend(names.flat_map(|name| of_split(folder, &name)));
        }
        Ok(Self { annotations, folders, undivided })
    }

    /// The error for annotations without what is needed.
    pub fn lack(&self, problem: &str, remedy: impl Into<String>) -> DataError {
        DataError::layout(&self.annotations, problem, remedy)
    }
}

fn missing(folder: &Path, split: Split) -> DataError {
    let folder = folder.join("annotations");
    let mut others = Listing::of(&folder).names;
    others.retain(|name| name.to_ascii_lowercase().ends_with(".json"));
    let problem = match others.is_empty() {
        true => "is missing".to_owned(),
        false => format!("is missing (found: {})", listed(&others, 5, ", ")),
    };
    DataError::layout(folder.join(format!("instances_{}.json", split_name(split))), problem, LAYOUT)
}

/// The annotations of a split with one of these names, and the folders of its images: COCO's
/// `annotations/instances_train2017.json` with `train2017` or `images/train2017`, the same without `2017`
/// (preferred), with `person_keypoints_` or without `instances_`; a folder of the split with annotations
/// beside or above its images; or `train.json`. Capital letters do not matter where there is no exact match.
fn divided(folder: &Path, names: &[&str]) -> Option<(PathBuf, Vec<PathBuf>)> {
    let top = Listing::of(folder);
    let below = Listing::of(&top.find("annotations").unwrap_or_else(|| folder.join("annotations")));
    for name in names {
        for year in ["", "2017"] {
            let name = format!("{name}{year}");
            let file = ["instances_", "person_keypoints_", ""];
            let file = file.iter().find_map(|kind| below.find(&format!("{kind}{name}.json")));
            if let Some(file) = file.filter(|file| file.is_file()) {
                let mut folders = of_split(folder, &name);
                if folders.is_empty() && !folder.join("images").is_dir() {
                    // Where they should be.
                    folders.push(folder.join(&name));
                }
                folders.extend(beside(&file, folder));
                return Some((file, folders));
            }
        }
        if let Some(own) = top.find(name).filter(|own| own.is_dir())
            && let Some((file, folders)) = undivided(&own)
        {
            return Some((file, folders.into_iter().chain([folder.to_owned()]).collect()));
        }
        if let Some(file) = top.find(&format!("{name}.json")).filter(|file| file.is_file()) {
            let folders = of_split(folder, name).into_iter().chain(beside(&file, folder)).collect();
            return Some((file, folders));
        }
    }
    None
}

/// The annotations of a folder that is not divided into splits, and the folders of its images.
fn undivided(folder: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
    let file = BESIDE.iter().map(|name| folder.join(name)).find(|file| file.is_file())?;
    let folders = beside(&file, folder);
    Some((file, folders))
}

/// The existing folders of the images of the split `name`.
fn of_split(folder: &Path, name: &str) -> Vec<PathBuf> {
    let top = Listing::of(folder);
    let images = top.find("images").map(|images| Listing::of(&images));
    let inside = images.and_then(|images| images.find(name));
    let own = inside.into_iter().chain(top.find(name)).filter(|own| own.is_dir());
    own.flat_map(|own| {
        let deeper: Vec<PathBuf> = IMAGES.iter().map(|name| own.join(name)).collect();
        std::iter::once(own).chain(deeper.into_iter().filter(|folder| folder.is_dir()))
    })
    .collect()
}

/// The folders of images that go with an annotation file, wherever it lies in `folder`; at least one.
fn beside(file: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for top in [file.parent().unwrap_or(folder), folder] {
        let images = IMAGES.iter().map(|name| top.join(name)).filter(|images| images.is_dir());
        for found in std::iter::once(top.to_owned()).chain(images) {
            if !folders.contains(&found) {
                folders.push(found);
            }
        }
    }
    folders
}

/// The names in a folder.
struct Listing {
    folder: PathBuf,
    names: Vec<String>,
}

impl Listing {
    /// Empty if the folder cannot be read.
    fn of(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Self { folder: folder.to_owned(), names }
    }

    /// The path of this name, or else of the first that differs in case alone.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let exact = self.names.iter().find(|known| *known == name);
        let found = exact.or_else(|| self.names.iter().find(|known| known.eq_ignore_ascii_case(name)));
        found.map(|found| self.folder.join(found))
    }
}

/// An image of a dataset.
#[derive(Debug)]
pub(super) struct Picture {
    /// Its id in the annotations.
    pub id: u64,
    pub path: PathBuf,
    /// Its height and width, turned if the annotations are.
    pub size: [usize; 2],
    /// Whether to turn it upright.
    pub exif: Exif,
    /// The EXIF orientation by which its annotations are turned; 1 if they are not.
    pub orientation: u8,
}

impl Picture {
    /// Finds out whether its annotations are for the image as it is stored: they are turned with it if only
    /// the stored image has their size, and otherwise are taken for those of the upright image, also where
    /// both have the same size.
    ///
    /// Programs for annotation show images upright: browsers, and so CVAT and Label Studio, and labelme.
    /// Detectron2 and MMDetection turn images, too, and expect annotations to fit the upright ones.
    pub fn turn_annotations(&mut self) {
        // An image that cannot be read is an error of its sample.
        let Ok((stored, orientation @ 5..=8)) = stored_size(&self.path) else { return };
        let [height, width] = self.size;
        if stored == self.size && height != width {
            (self.size, self.orientation) = ([width, height], orientation);
        }
    }

    /// Its height and width according to the annotations.
    pub fn annotated_size(&self) -> [usize; 2] {
        let [height, width] = self.size;
        if self.orientation > 4 { [width, height] } else { self.size }
    }

    /// Its pixels as RGB.
    ///
    /// # Errors
    /// [`DataError`] with the file if it cannot be read or has another size than the annotations say.
    pub fn read(&self, annotations: &Path) -> Result<Vec<u8>, DataError> {
        let (found, pixels) = read_upright(&self.path, self.exif)?;
        if found != self.size {
            let (path, partner) = (self.path.clone(), annotations.display().to_string());
            let expected = self.size;
            let turned = [found[1], found[0]] == expected && swaps_sides(&path);
            return Err(PictureError::PartnerSize { path, found, partner, expected, turned }.into());
        }
        Ok(pixels)
    }
}
