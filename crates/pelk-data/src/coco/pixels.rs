//! COCO's instance annotations as labels of pixels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pelk_coco::Rle;

use super::layout::Picture;
use super::select::mask;
use super::set::{Set, read_set};
use crate::object::{paint, turned};
use crate::{DataError, Dataset, FileOptions, Labeling, Normalization, Properties, Sample, Split};

/// Images of any size with COCO's instance annotations, decoded on request: RGB, with a label per pixel.
/// [`coco`] opens one.
///
/// Samples are in the file's order. Label 0 is background, which is measured like the others; the others are
/// the categories in the order of their ids.
#[derive(Debug)]
pub struct Coco {
    annotations: PathBuf,
    pictures: Vec<Picture>,
    /// Labels and pixels of the annotations of each picture, from back to front.
    shapes: Vec<Vec<(u32, Rle)>>,
    properties: Properties,
    remarks: Vec<String>,
}

/// Opens the training or the test set of COCO's instances (Lin et al., Microsoft COCO), or of another dataset
/// in COCO's format. Its files are in one of these layouts, where the test set may be called `val`, `valid`,
/// `validation`, `test` or `testing`:
///
/// - `annotations/instances_train2017.json` and images in `train2017` or `images/train2017`, the same with
///   `val`; all names with or without `2017`, preferably without;
/// - a folder for each split with its annotations and images: Roboflow's `train/_annotations.coco.json`
///   beside the images, or any of the following;
/// - a folder with all images and one file of annotations: `_annotations.coco.json`, `result.json` (Label
///   Studio), `labels.json` (FiftyOne), `annotations/instances_default.json` (CVAT, Datumaro),
///   `annotations/instances.json` (Supervisely), `annotations.json`, `dataset.json` or `instances.json`.
///   About a fifth of its images is held out as the test set, chosen by file names, unless
///   [`FileOptions::whole`].
///
/// Images are looked for in the folder of their split, beside the annotations and in `images` and `data`
/// there. [`FileOptions::annotations`] names other files of annotations.
///
/// An annotation's pixels are those of its run lengths or of its polygons, by the rule of COCO's own tools
/// ([`Rle::from_polygons`]). Of overlapping annotations, the later one counts; crowds are treated like other
/// instances. [`coco_instances`](crate::coco_instances) reads the annotations as objects.
///
/// Wrong entries and images without file are passed over; [`Dataset::remarks`] tells how many for which
/// reason, with the first ids.
///
/// # Errors
/// [`DataError`] with the file if the annotations are missing or damaged as a whole, or if none of their
/// images or annotations is usable; when a sample is read, also if an image has another size than the
/// annotations say.
pub fn coco(folder: impl AsRef<Path>, split: Split, options: &FileOptions) -> Result<Coco, DataError> {
    let set = read_set(folder.as_ref(), split, options, true)?;
    let Set { files, pictures, annotations, mut categories, mut passed, chosen_by_name, notes } = set;
    categories.sort_by_key(|category| category.id);
    let labels: BTreeMap<u64, u32> = categories.iter().map(|category| category.id).zip(1..).collect();
    let classes = std::iter::once("background".to_owned());
    let classes: Vec<String> = classes.chain(categories.into_iter().map(|category| category.name)).collect();

    let mut shapes = Vec::with_capacity(pictures.len());
    for (picture, annotations) in pictures.iter().zip(annotations) {
        let mut of_picture = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            match mask(annotation.segmentation) {
                Some(mask) => {
                    let mask =
                        if picture.orientation > 1 { turned(&mask, picture.orientation) } else { mask };
                    of_picture.push((labels[&annotation.category_id], mask));
                }
                None => passed.add("annotation", "there is no segmentation", annotation.id),
            }
        }
        shapes.push(of_picture);
    }
    let remarks: Vec<String> = passed.remarks().chain(notes).collect();
    // Without any annotation, all is background; but wrong annotations must not turn into background.
    if passed.has("annotation") && shapes.iter().all(Vec::is_empty) {
        return Err(files.lack("has no usable annotation", remarks.join("; ")));
    }
    let path = files.annotations.display();
    let remarks = remarks.into_iter().map(|remark| format!("{path}: {remark}")).collect();
    let labeling = Labeling::Pixels { stride: 1 };
    let properties = Properties::new(3, classes, Normalization::imagenet());
    let properties = Properties { labeling, chosen_by_name, ..properties };
    Ok(Coco { annotations: files.annotations, pictures, shapes, properties, remarks })
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
        let pixels = picture.read(&self.annotations)?;
        let size = picture.size;
        let mut labels = vec![0; size[0] * size[1]];
        for (label, mask) in &self.shapes[index] {
            paint(mask, *label, &mut labels);
        }
        Ok(Sample::new(size, pixels, labels))
    }

    fn sample_size(&self, index: usize) -> Option<[usize; 2]> {
        Some(self.pictures[index].size)
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.pictures[index].path.clone())
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{CATEGORIES, IMAGES, annotation, folder};
    use super::*;

    #[test]
    fn later_annotations_lie_on_top_and_classes_follow_the_ids() {
        let annotations = [
            annotation(1, 9, r#"{"counts": [0, 4, 2], "size": [2, 3]}"#),
            annotation(2, 3, "[[1, 0, 3, 0, 3, 1, 1, 1]]"),
        ];
        let folder = folder(IMAGES, &annotations.join(", "), CATEGORIES);
        let set = coco(folder.path(), Split::Train, &FileOptions::default()).unwrap();
        assert_eq!((set.len(), set.image_size(), set.background()), (1, None, None));
        assert_eq!(set.classes(), ["background", "cat", "dog"]);
        let sample = set.sample(0).unwrap();
        assert_eq!((sample.size, sample.labels.as_ref()), ([2, 3], &[2, 1, 1, 2, 2, 0][..]));
        assert_eq!(sample.pixels.as_ref(), [5; 18]);
    }

    #[test]
    fn wrong_annotations_are_passed_over_with_a_count() {
        let polygon = "[[1, 0, 3, 0, 3, 1, 1, 1]]";
        let other = annotation(5, 9, polygon).replace("\"image_id\": 7", "\"image_id\": 8");
        let without = annotation(5, 9, "5").replace(", \"segmentation\": 5", "");
        for (wrong, expected) in [
            (other, "there is no usable image of this id (id 5)"),
            (without, "there is no segmentation (id 5)"),
            (annotation(5, 9, "null"), "there is no segmentation (id 5)"),
            (annotation(5, 9, "[1, 0, 3, 0, 3, 1]"), "`segmentation` is wrong (id 5)"),
            (annotation(5, 9, "[]"), "the segmentation has no polygon (id 5)"),
            (annotation(5, 9, "[[1, 2, 3]]"), "a polygon has an odd number of coordinates (id 5)"),
            (annotation(5, 9, "[[1, 2, 3, 4]]"), "a polygon has fewer than three corners (id 5)"),
            (annotation(5, 8, polygon), "there is no such category (id 5)"),
            (
                annotation(6, 9, r#"{"counts": [1, 2], "size": [2, 3]}"#),
                "the runs do not cover the image (id 6)",
            ),
        ] {
            let expected = format!("json: 1 annotation is passed over because {expected}");
            let good = annotation(1, 9, polygon);
            let folder = folder(IMAGES, &format!("{wrong}, {good}"), CATEGORIES);
            let set = coco(folder.path(), Split::Train, &FileOptions::default()).unwrap();
            let [remark] = set.remarks() else { panic!("{expected}: {:?}", set.remarks()) };
            assert!(remark.ends_with(&expected), "{remark}");
            assert_eq!(*set.sample(0).unwrap().labels, [0, 2, 2, 0, 0, 0]);
            // Alone, it must not turn into background.
            let folder = self::folder(IMAGES, &wrong, CATEGORIES);
            let error = coco(folder.path(), Split::Train, &FileOptions::default()).unwrap_err().to_string();
            assert!(error.contains("json has no usable annotation: 1 annotation is passed over"), "{error}");
        }
    }

    #[test]
    fn a_picture_of_another_size_is_named() {
        let tall = IMAGES.replace("\"height\": 2", "\"height\": 4");
        let set = folder(&tall, "", CATEGORIES);
        let error = coco(set.path(), Split::Train, &FileOptions::default())
            .unwrap()
            .sample(0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a.png has 2 x 3 pixels, but ") && error.contains("json says 4 x 3"),
            "{error}"
        );
    }
}
