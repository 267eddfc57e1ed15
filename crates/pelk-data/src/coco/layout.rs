//! The files of a dataset in COCO's layout.

use std::path::{Component, Path, PathBuf};

use pelk_coco::Image;

use crate::picture::{read_rgb, swaps_sides};
use crate::{DataError, PictureError, Split};

pub(super) const LAYOUT: &str = "unpack images and annotations from https://cocodataset.org/#download there, \
                                 or use their layout: annotations/instances_train.json, train/NAME, the same \
                                 with val, each with or without 2017";

/// The name of a split in this layout.
pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "val",
    }
}

/// The files of a split: `annotations/instances_train2017.json` and images in `train2017` or
/// `images/train2017`, the same with `val`; all names with or without `2017`, preferably without.
pub(super) struct Files {
    /// The annotation file.
    pub annotations: PathBuf,
    /// The folder of the images.
    pictures: PathBuf,
}

impl Files {
    /// # Errors
    /// [`DataError::Layout`] without annotations.
    pub fn find(folder: &Path, split: Split) -> Result<Self, DataError> {
        let name = split_name(split);
        let file = |year: &str| folder.join("annotations").join(format!("instances_{name}{year}.json"));
        let year = if file("").is_file() || !file("2017").is_file() { "" } else { "2017" };
        let annotations = file(year);
        if !annotations.is_file() {
            return Err(DataError::layout(annotations, "is missing", LAYOUT));
        }
        let name = format!("{name}{year}");
        let inside = folder.join("images").join(&name);
        let pictures = if inside.is_dir() { inside } else { folder.join(name) };
        Ok(Self { annotations, pictures })
    }

    /// An entry of the annotations with its file, which must be there. It is read later.
    ///
    /// # Errors
    /// [`DataError`] with the file and the entry's id.
    pub fn picture(&self, image: &Image) -> Result<Picture, DataError> {
        let name = Path::new(&image.file_name);
        let mut parts = name.components();
        if image.file_name.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            let problem = format!("is {:?}: use the name of a file in the folder of images", image.file_name);
            let path = self.annotations.clone();
            return Err(DataError::Annotation { path, what: "image", id: image.id, problem });
        }
        let path = self.pictures.join(name);
        if !path.is_file() {
            let remedy = format!("it is image {} of the annotations; {LAYOUT}", image.id);
            return Err(DataError::layout(path, "is missing", remedy));
        }
        Ok(Picture { id: image.id, path, size: [image.height, image.width] })
    }

    /// The error for annotations without what is needed.
    pub fn lack(&self, problem: &str, remedy: impl Into<String>) -> DataError {
        DataError::layout(&self.annotations, problem, remedy)
    }
}

/// An image of a dataset.
#[derive(Debug)]
pub(super) struct Picture {
    /// Its id in the annotations.
    pub id: u64,
    pub path: PathBuf,
    /// Its height and width according to the annotations.
    pub size: [usize; 2],
}

impl Picture {
    /// Its pixels as RGB.
    ///
    /// # Errors
    /// [`DataError`] with the file if it cannot be read or has another size than the annotations say.
    pub fn read(&self, annotations: &Path) -> Result<Vec<u8>, DataError> {
        let (found, pixels) = read_rgb(&self.path)?;
        if found != self.size {
            let (path, partner) = (self.path.clone(), annotations.display().to_string());
            let expected = self.size;
            let turned = [found[1], found[0]] == expected && swaps_sides(&path);
            return Err(PictureError::PartnerSize { path, found, partner, expected, turned }.into());
        }
        Ok(pixels)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;
    use crate::picture::write_png;
    use crate::{ObjectConfig, coco, coco_instances};

    pub const IMAGES: &str = r#"{"id": 7, "file_name": "a.png", "height": 2, "width": 3, "license": 1}"#;
    pub const CATEGORIES: &str =
        r#"{"id": 9, "name": "dog"}, {"id": 3, "name": "cat", "supercategory": "animal"}"#;

    /// A folder with an image of 2 x 3 pixels and these entries for training.
    pub fn folder(images: &str, annotations: &str, categories: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("annotations")).unwrap();
        fs::create_dir_all(path("images/train2017")).unwrap();
        write_png(&path("images/train2017/a.png"), [2, 3], 3, &[5; 18]).unwrap();
        let text = format!(
            r#"{{"info": {{}}, "images": [{images}], "annotations": [{annotations}],
                "categories": [{categories}]}}"#
        );
        fs::write(path("annotations/instances_train2017.json"), text).unwrap();
        folder
    }

    /// An annotation of the whole image with these pixels.
    pub fn annotation(id: u64, category: u64, segmentation: &str) -> String {
        format!(
            r#"{{"id": {id}, "image_id": 7, "category_id": {category}, "iscrowd": 0, "area": 1.5,
                "bbox": [0, 0, 3, 2], "segmentation": {segmentation}}}"#
        )
    }

    #[test]
    fn both_readers_refuse_the_same_files() {
        let one = annotation(1, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
        let twice = |entry: &str| format!("{entry}, {entry}");
        let outside = IMAGES.replace("a.png", "../a.png");
        let absent = IMAGES.replace("a.png", "b.png");
        let unnamed = r#"{"id": 7, "height": 2, "width": 3}"#;
        for (images, annotation, categories, expected) in [
            (&*twice(IMAGES), &*one, CATEGORIES, "image 7 occurs twice"),
            (IMAGES, &one, &twice(r#"{"id": 1, "name": "x"}"#), "category 1 occurs twice"),
            (&outside, &one, CATEGORIES, "image 7 is \"../a.png\""),
            (unnamed, &one, CATEGORIES, "image 7 is \"\""),
            (&absent, &one, CATEGORIES, "b.png is missing: it is image 7 of the annotations"),
            ("", "", CATEGORIES, "names no images"),
            (IMAGES, &one, "", "annotation 1: `category_id` is 9, but there is no such category"),
            (IMAGES, "5", CATEGORIES, "is damaged or not a file of instance annotations"),
        ] {
            let folder = folder(images, annotation, categories);
            let read = |error: DataError| error.to_string();
            let pixels = coco(folder.path(), Split::Train).map(drop).map_err(read).unwrap_err();
            let config = ObjectConfig { min_side: 0, ..ObjectConfig::default() };
            let objects = coco_instances(folder.path(), Split::Train, &config);
            let objects = objects.map(drop).map_err(read).unwrap_err();
            for error in [&pixels, &objects] {
                assert!(
                    error.contains("instances_train2017.json") || error.contains("train2017/b.png"),
                    "{error}"
                );
            }
            assert!(pixels.contains(expected), "{pixels}");
            assert!(objects.contains(expected) || categories.is_empty(), "{objects}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let set = folder(IMAGES, "", CATEGORIES);
        let error = coco(set.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("instances_val.json is missing: unpack images"), "{error}");
    }
}
