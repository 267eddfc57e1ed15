//! COCO's instance annotations as labels of pixels.

mod shapes;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::picture::read_rgb;
use crate::{DataError, Dataset, Labeling, Normalization, Properties, Sample, Split};

pub(crate) use shapes::{Runs, Segmentation};

const LAYOUT: &str = "unpack images and annotations from https://cocodataset.org/#download there, or use \
                      their layout: annotations/instances_train.json, train/NAME, the same with val, each with \
                      or without 2017";

/// The fields of an annotation file that are used.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Annotations {
    pub images: Vec<Image>,
    pub annotations: Vec<Annotation>,
    pub categories: Vec<Category>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    pub id: u64,
    pub file_name: String,
    pub height: usize,
    pub width: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Annotation {
    pub id: u64,
    pub image_id: u64,
    pub category_id: u64,
    pub segmentation: Segmentation,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Category {
    pub id: u64,
    pub name: String,
}

/// The name of a split in this layout.
pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "val",
    }
}

/// Images of any size with COCO's instance annotations, decoded on request: RGB, with a label per pixel.
/// [`coco`] opens one.
///
/// Samples are in the file's order. Label 0 is background, which is measured like the others; the others are
/// the categories in the order of their ids.
#[derive(Debug)]
pub struct Coco {
    path: PathBuf,
    pictures: Vec<Picture>,
    properties: Properties,
}

#[derive(Debug)]
struct Picture {
    path: PathBuf,
    size: [usize; 2],
    /// Labels and pixels of its annotations, from back to front.
    shapes: Vec<(u32, Segmentation)>,
}

/// Opens the training or the validation set of COCO's instances (Lin et al., Microsoft COCO), or another
/// dataset in its layout: `annotations/instances_train2017.json` and images in `train2017` or
/// `images/train2017`, the same with `val`; all names with or without `2017`, preferably without.
///
/// An annotation's pixels are those whose centers lie in one of its polygons by the even-odd rule, or those
/// of its run lengths (numbers, not packed). COCO's own tools draw polygons on a finer grid and so differ in
/// single pixels along outlines. Of overlapping annotations, the later one counts; crowds are treated like
/// other instances.
///
/// # Errors
/// [`DataError`] with the file, and the id, if a file is missing, an annotation's image or category is
/// unknown, an id occurs twice, or run lengths or polygons do not fit their image; when a sample is read,
/// also if an image has another size than the annotations say.
pub fn coco(folder: impl AsRef<Path>, split: Split) -> Result<Coco, DataError> {
    let (folder, name) = (folder.as_ref(), split_name(split));
    let file = |year: &str| folder.join("annotations").join(format!("instances_{name}{year}.json"));
    let year = if file("").is_file() || !file("2017").is_file() { "" } else { "2017" };
    let path = file(year);
    let name = format!("{name}{year}");
    let inside = folder.join("images").join(&name);
    let pictures = if inside.is_dir() { inside } else { folder.join(name) };
    let reader = File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DataError::layout(&path, "is missing", LAYOUT),
        _ => DataError::Io { path: path.clone(), source },
    })?;
    let read = serde_json::from_reader(BufReader::new(reader));
    let annotations = read.map_err(|source| DataError::Json { path: path.clone(), source })?;
    Coco::new(path, &pictures, annotations)
}

impl Coco {
    fn new(path: PathBuf, folder: &Path, file: Annotations) -> Result<Coco, DataError> {
        let error = |what, id, problem: &str| DataError::Annotation {
            path: path.clone(),
            what,
            id,
            problem: problem.to_owned(),
        };
        let (mut classes, mut labels) = (vec!["background".to_owned()], BTreeMap::new());
        let mut categories = file.categories;
        categories.sort_by_key(|category| category.id);
        for category in categories {
            if labels.insert(category.id, classes.len() as u32).is_some() {
                return Err(error("category", category.id, "occurs twice: ids must be unique"));
            }
            classes.push(category.name);
        }

        let (mut pictures, mut places) = (Vec::new(), BTreeMap::new());
        for image in file.images {
            if places.insert(image.id, pictures.len()).is_some() {
                return Err(error("image", image.id, "occurs twice: ids must be unique"));
            }
            let name = Path::new(&image.file_name);
            if !name.components().all(|part| matches!(part, Component::Normal(_))) {
                let problem =
                    format!("is {:?}: use the name of a file in the folder of images", image.file_name);
                return Err(error("image", image.id, &problem));
            }
            let path = folder.join(name);
            if !path.is_file() {
                let remedy = format!("it is image {} of the annotations; {LAYOUT}", image.id);
                return Err(DataError::layout(path, "is missing", remedy));
            }
            pictures.push(Picture { path, size: [image.height, image.width], shapes: Vec::new() });
        }
        if pictures.is_empty() {
            return Err(DataError::layout(&path, "names no images", LAYOUT));
        }

        for annotation in file.annotations {
            let error = |problem: &str| error("annotation", annotation.id, problem);
            let Some(&place) = places.get(&annotation.image_id) else {
                let problem =
                    format!("is of image {}, which the file does not name: add it", annotation.image_id);
                return Err(error(&problem));
            };
            let Some(&label) = labels.get(&annotation.category_id) else {
                let id = annotation.category_id;
                return Err(error(&format!("is of category {id}, which the file does not have: add it")));
            };
            let picture: &mut Picture = &mut pictures[place];
            if let Some(problem) = annotation.segmentation.problem(picture.size) {
                return Err(error(&problem));
            }
            picture.shapes.push((label, annotation.segmentation));
        }
        let labeling = Labeling::Pixels { stride: 1 };
        let properties = Properties { labeling, ..Properties::new(3, classes, Normalization::imagenet()) };
        Ok(Coco { path, pictures, properties })
    }
}

impl Dataset for Coco {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let picture = &self.pictures[index];
        let (size, pixels) = read_rgb(&picture.path)?;
        if size != picture.size {
            return Err(DataError::PartnerSize {
                path: picture.path.clone(),
                found: size,
                partner: self.path.display().to_string(),
                expected: picture.size,
            });
        }
        let mut labels = vec![0; size[0] * size[1]];
        for (label, shape) in &picture.shapes {
            shape.for_each(size, |place| labels[place] = *label);
        }
        Ok(Sample::new(size, pixels, labels))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.pictures[index].path.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::picture::write_png;

    const IMAGES: &str = r#"{"id": 7, "file_name": "a.png", "height": 2, "width": 3, "license": 1}"#;
    const CATEGORIES: &str =
        r#"{"id": 9, "name": "dog"}, {"id": 3, "name": "cat", "supercategory": "animal"}"#;

    /// A folder with an image of 2 x 3 pixels and these entries for training.
    fn folder(images: &str, annotations: &str, categories: &str) -> tempfile::TempDir {
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

    fn annotation(id: u64, category: u64, segmentation: &str) -> String {
        format!(
            r#"{{"id": {id}, "image_id": 7, "category_id": {category}, "iscrowd": 1, "area": 1.5,
                "segmentation": {segmentation}}}"#
        )
    }

    #[test]
    fn later_annotations_lie_on_top_and_classes_follow_the_ids() {
        let annotations = [
            annotation(1, 9, r#"{"counts": [0, 4, 2], "size": [2, 3]}"#),
            annotation(2, 3, "[[1, 0, 3, 0, 3, 1, 1, 1]]"),
        ];
        let folder = folder(IMAGES, &annotations.join(", "), CATEGORIES);
        let set = coco(folder.path(), Split::Train).unwrap();
        assert_eq!((set.len(), set.image_size(), set.background()), (1, None, None));
        assert_eq!(set.classes(), ["background", "cat", "dog"]);
        let sample = set.sample(0).unwrap();
        assert_eq!((sample.size, sample.labels.as_ref()), ([2, 3], &[2, 1, 1, 2, 2, 0][..]));
        assert_eq!(sample.pixels.as_ref(), [5; 18]);
    }

    #[test]
    fn contradictions_are_named_with_file_and_id() {
        let polygon = "[[1, 0, 3, 0, 3, 1]]";
        let other = annotation(5, 9, polygon).replace("\"image_id\": 7", "\"image_id\": 8");
        let twice = |entry: &str| format!("{entry}, {entry}");
        let outside = IMAGES.replace("a.png", "../a.png");
        let absent = IMAGES.replace("a.png", "b.png");
        for (images, annotation, categories, expected) in [
            (IMAGES, annotation(5, 4, polygon), CATEGORIES, "annotation 5 is of category 4, which"),
            (IMAGES, other, CATEGORIES, "annotation 5 is of image 8, which"),
            (
                IMAGES,
                annotation(5, 9, "[[1, 2, 3, 4]]"),
                CATEGORIES,
                "annotation 5 has a polygon of 4 numbers",
            ),
            (
                IMAGES,
                annotation(6, 9, r#"{"counts": [1, 2], "size": [2, 3]}"#),
                CATEGORIES,
                "annotation 6 has run lengths that do not add up",
            ),
            (&twice(IMAGES), String::new(), CATEGORIES, "image 7 occurs twice"),
            (IMAGES, String::new(), &twice(r#"{"id": 1, "name": "x"}"#), "category 1 occurs twice"),
            (&outside, String::new(), CATEGORIES, "image 7 is \"../a.png\""),
            (&absent, String::new(), CATEGORIES, "b.png is missing: it is image 7 of the annotations"),
            ("", String::new(), CATEGORIES, "names no images"),
            (IMAGES, "5".into(), CATEGORIES, "is damaged or has no instance annotations"),
        ] {
            let folder = folder(images, &annotation, categories);
            let error = coco(folder.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(
                error.contains("instances_train2017.json") || error.contains("train2017/b.png"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_picture_of_another_size_and_a_missing_file_are_named() {
        let tall = IMAGES.replace("\"height\": 2", "\"height\": 4");
        let set = folder(&tall, "", CATEGORIES);
        let error = coco(set.path(), Split::Train).unwrap().sample(0).unwrap_err().to_string();
        assert!(
            error.contains("a.png has 2 x 3 pixels, but ") && error.contains("json says 4 x 3"),
            "{error}"
        );
        let error = coco(set.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("instances_val.json is missing: unpack images"), "{error}");
    }
}
