//! COCO's instance annotations as labels of pixels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pelk_coco::{Instances, Masks, ReadOptions, Rle};

use super::layout::{Files, LAYOUT, Picture};
use super::select::mask;
use crate::object::paint;
use crate::{DataError, Dataset, Labeling, Normalization, Properties, Sample, Split};

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
}

/// Opens the training or the validation set of COCO's instances (Lin et al., Microsoft COCO), or another
/// dataset in its layout: `annotations/instances_train2017.json` and images in `train2017` or
/// `images/train2017`, the same with `val`; all names with or without `2017`, preferably without.
///
/// An annotation's pixels are those of its run lengths or of its polygons, by the rule of COCO's own tools
/// ([`Rle::from_polygons`]). Of overlapping annotations, the later one counts; crowds are treated like other
/// instances. [`coco_instances`](crate::coco_instances) reads the annotations as objects.
///
/// # Errors
/// [`DataError`] with the file, and the id, if a file is missing, or an annotation is not usable; when a
/// sample is read, also if an image has another size than the annotations say.
pub fn coco(folder: impl AsRef<Path>, split: Split) -> Result<Coco, DataError> {
    let files = Files::find(folder.as_ref(), split)?;
    let options = ReadOptions { masks: Masks::Runs, allow_empty_boxes: true };
    let Instances { images, annotations, mut categories } = Instances::read(&files.annotations, options)?;
    if images.is_empty() {
        return Err(files.lack("names no images", LAYOUT));
    }
    categories.sort_by_key(|category| category.id);
    let labels: BTreeMap<u64, u32> = categories.iter().map(|category| category.id).zip(1..).collect();
    let classes = std::iter::once("background".to_owned());
    let classes: Vec<String> = classes.chain(categories.into_iter().map(|category| category.name)).collect();

    let pictures = images.iter().map(|image| files.picture(image)).collect::<Result<Vec<_>, _>>()?;
    let places: BTreeMap<u64, usize> = pictures.iter().map(|picture| picture.id).zip(0..).collect();
    let mut shapes = vec![Vec::new(); pictures.len()];
    for annotation in annotations {
        let place = places[&annotation.image_id];
        let Some(mask) = mask(annotation.segmentation) else {
            let (path, problem) = (files.annotations, "has no `segmentation`".to_owned());
            return Err(DataError::Annotation { path, what: "annotation", id: annotation.id, problem });
        };
        shapes[place].push((labels[&annotation.category_id], mask));
    }
    let labeling = Labeling::Pixels { stride: 1 };
    let properties = Properties { labeling, ..Properties::new(3, classes, Normalization::imagenet()) };
    Ok(Coco { annotations: files.annotations, pictures, shapes, properties })
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
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{CATEGORIES, IMAGES, annotation, folder};
    use super::*;

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
    fn wrong_annotations_are_named_with_file_and_id() {
        let polygon = "[[1, 0, 3, 0, 3, 1]]";
        let other = annotation(5, 9, polygon).replace("\"image_id\": 7", "\"image_id\": 8");
        let without = annotation(5, 9, "5").replace(", \"segmentation\": 5", "");
        for (annotation, expected) in [
            (other, "annotation 5: `image_id` is 8, but there is no such image"),
            (without, "annotation 5 has no `segmentation`"),
            (annotation(5, 9, "[[1, 2, 3]]"), "annotation 5: `segmentation`: a polygon has 3 numbers"),
            (
                annotation(6, 9, r#"{"counts": [1, 2], "size": [2, 3]}"#),
                "annotation 6: `segmentation`: the runs add up to 3 pixels",
            ),
        ] {
            let folder = folder(IMAGES, &annotation, CATEGORIES);
            let error = coco(folder.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("instances_train2017.json"), "{error}");
        }
    }

    #[test]
    fn a_picture_of_another_size_is_named() {
        let tall = IMAGES.replace("\"height\": 2", "\"height\": 4");
        let set = folder(&tall, "", CATEGORIES);
        let error = coco(set.path(), Split::Train).unwrap().sample(0).unwrap_err().to_string();
        assert!(
            error.contains("a.png has 2 x 3 pixels, but ") && error.contains("json says 4 x 3"),
            "{error}"
        );
    }
}
