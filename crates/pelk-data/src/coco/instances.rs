//! COCO's instance annotations as objects.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::layout::Picture;
use super::select::{ObjectConfig, keep_largest, object};
use super::set::{Set, read_set};
use crate::{DataError, Dataset, FileOptions, Labeling, Normalization, Object, Properties, Sample, Split};

/// Images of any size with COCO's instance annotations, decoded on request: RGB, with objects.
/// [`coco_instances`] opens one.
///
/// Samples and classes are in the file's order, whatever gaps the ids of categories have.
#[derive(Debug)]
pub struct CocoInstances {
    annotations: PathBuf,
    pictures: Vec<Picture>,
    /// The objects of each picture.
    objects: Vec<Vec<Object>>,
    /// The id of each class in the file.
    category_ids: Vec<u64>,
    properties: Properties,
    remarks: Vec<String>,
}

/// Opens the training or the test set of COCO's instances, or of another dataset in COCO's format, for
/// detection; see [`coco`](crate::coco()) for the files.
///
/// Polygons become masks by the rule of COCO's own tools, and masks stay run lengths. A box or an area that
/// is missing or wrong is that of the mask. Boxes are clipped to the image. Crowds are kept as such.
/// Annotations that are marked with `ignore`, degenerate or wrong are passed over; [`Dataset::remarks`] tells
/// how many for which reason, with the first ids. Of the training set, images and objects are left out as
/// `config` says, and counted likewise; the test set is kept whole.
///
/// # Errors
/// [`DataError`] with the file, and the id, if the annotations are missing or damaged as a whole, or if no
/// image with an object is left; when a sample is read, also if an image has another size than the
/// annotations say.
pub fn coco_instances(
    folder: impl AsRef<Path>,
    split: Split,
    config: &ObjectConfig,
    options: &FileOptions,
) -> Result<CocoInstances, DataError> {
    config.validate()?;
    let set = read_set(folder.as_ref(), split, options, false)?;
    let Set { files, pictures: images, annotations, categories, mut passed, chosen_by_name, notes } = set;
    let classes: HashMap<u64, u32> = categories.iter().map(|category| category.id).zip(0..).collect();
    let total = images.len();
    let (mut pictures, mut kept, mut empty, mut small) = (Vec::new(), Vec::new(), 0, 0);
    for (image, annotations) in images.into_iter().zip(annotations) {
        let annotated = !annotations.is_empty();
        let mut objects = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            let (id, class) = (annotation.id, classes[&annotation.category_id]);
            match object(annotation, image.annotated_size(), class) {
                Ok(object) if image.orientation > 1 => objects.push(object.turned(image.orientation)),
                Ok(object) => objects.push(object),
                Err(reason) => passed.add("annotation", reason, id),
            }
        }
        if split == Split::Train {
            if config.skip_empty && !annotated {
                empty += 1;
                continue;
            }
            if image.size.into_iter().min() < Some(config.min_side) {
                small += 1;
                continue;
            }
            for id in keep_largest(&mut objects, config.max_objects) {
                passed.add("annotation", format!("the image has {} larger objects", config.max_objects), id);
            }
        }
        objects.shrink_to_fit();
        pictures.push(image);
        kept.push(objects);
    }

    let left_out = |count: usize, reason: &str| {
        let verb = if count == 1 { "is" } else { "are" };
        (count > 0)
            .then(|| format!("{count} of {total} images {verb} left out of training because of {reason}"))
    };
    let mut remarks: Vec<String> = passed.remarks().chain(notes).collect();
    remarks.extend(left_out(empty, "missing annotations"));
    remarks.extend(left_out(small, &format!("a side of less than {} pixels", config.min_side)));
    if !kept.iter().flatten().any(|object| !object.crowd) {
        let why = if remarks.is_empty() { "annotate some".to_owned() } else { remarks.join("; ") };
        return Err(files.lack("has no image with a usable object", why));
    }
    let path = files.annotations.display();
    let remarks = remarks.into_iter().map(|remark| format!("{path}: {remark}")).collect();
    let category_ids = categories.iter().map(|category| category.id).collect();
    let classes = categories.into_iter().map(|category| category.name).collect();
    let labeling = Labeling::Objects;
    let properties = Properties::new(3, classes, Normalization::imagenet());
    let properties = Properties { labeling, chosen_by_name, ..properties };
    let annotations = files.annotations;
    Ok(CocoInstances { annotations, pictures, objects: kept, category_ids, properties, remarks })
}

impl Dataset for CocoInstances {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let picture = &self.pictures[index];
        let pixels = picture.read(&self.annotations)?;
        let objects = Cow::Borrowed(&self.objects[index][..]);
        Ok(Sample { objects, ..Sample::new(picture.size, pixels, vec![]) })
    }

    fn sample_size(&self, index: usize) -> Option<[usize; 2]> {
        Some(self.pictures[index].size)
    }

    fn objects(&self, index: usize) -> Result<Cow<'_, [Object]>, DataError> {
        Ok(Cow::Borrowed(&self.objects[index]))
    }

    fn image_id(&self, index: usize) -> u64 {
        self.pictures[index].id
    }

    fn category_id(&self, class: u32) -> u64 {
        self.category_ids[class as usize]
    }

    fn annotations(&self) -> Option<&Path> {
        Some(&self.annotations)
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
    use std::fs;

    use super::super::tests::{CATEGORIES, annotation, folder};
    use super::*;
    use crate::picture::write_png;

    /// Four images of 2 x 3 pixels.
    const IMAGES: &str = r#"{"id": 7, "file_name": "a.png", "height": 2, "width": 3},
        {"id": 0, "file_name": "a.png", "height": 2, "width": 3},
        {"id": 5, "file_name": "b.png", "height": 40, "width": 50},
        {"id": 3, "file_name": "b.png", "height": 40, "width": 50}"#;

    /// The same entries for both splits; `b.png` has 40 x 50 pixels.
    fn both(annotations: &[String]) -> tempfile::TempDir {
        let folder = folder(IMAGES, &annotations.join(", "), CATEGORIES);
        let path = |name: &str| folder.path().join(name);
        write_png(&path("images/train2017/b.png"), [40, 50], 3, &[9; 6000]).unwrap();
        fs::create_dir(path("images/val2017")).unwrap();
        for name in ["a.png", "b.png"] {
            fs::copy(path(&format!("images/train2017/{name}")), path(&format!("images/val2017/{name}")))
                .unwrap();
        }
        let [train, val] =
            ["train", "val"].map(|split| path(&format!("annotations/instances_{split}2017.json")));
        fs::copy(train, val).unwrap();
        folder
    }

    fn open(folder: &tempfile::TempDir, split: Split, config: ObjectConfig) -> CocoInstances {
        coco_instances(folder.path(), split, &config, &FileOptions::default()).unwrap()
    }

    fn all_sizes() -> ObjectConfig {
        ObjectConfig { min_side: 0, ..ObjectConfig::default() }
    }

    /// An annotation of the upper left 20 x 20 pixels of image 5.
    fn square(id: u64) -> String {
        annotation(id, 3, "[[0, 0, 20, 0, 20, 20, 0, 20]]")
            .replace("\"image_id\": 7", "\"image_id\": 5")
            .replace("[0, 0, 3, 2]", "[0, 0, 20, 20]")
            .replace("\"area\": 1.5", "\"area\": 400")
    }

    #[test]
    fn annotations_become_objects_in_the_order_of_the_file() {
        let runs = annotation(2, 9, r#"{"counts": [1, 2, 3], "size": [2, 3]}"#)
            .replace("\"iscrowd\": 0", "\"iscrowd\": 1");
        let packed = annotation(4, 9, r#"{"counts": "06", "size": [2, 3]}"#);
        let folder = both(&[annotation(8, 3, "[[0, 0, 2, 0, 2, 2, 0, 2]]"), runs, packed, square(1)]);
        let set = open(&folder, Split::Train, all_sizes());
        assert_eq!(
            (set.classes(), set.labeling()),
            (&["dog".to_owned(), "cat".to_owned()][..], Labeling::Objects)
        );
        assert_eq!((set.category_id(0), set.category_id(1)), (9, 3));
        assert_eq!((set.len(), set.image_id(0), set.image_id(1)), (2, 7, 5));
        assert_eq!((set.sample_size(1), set.image_size()), (Some([40, 50]), None));
        assert!(set.annotations().unwrap().ends_with("annotations/instances_train2017.json"));

        let sample = set.sample(0).unwrap();
        assert_eq!((sample.size, &*sample.pixels, sample.labels.len()), ([2, 3], &[5; 18][..], 0));
        let of = |object: &Object| (object.id, object.class, object.crowd, object.mask.counts().to_vec());
        let objects: Vec<_> = sample.objects.iter().map(of).collect();
        assert_eq!(
            objects,
            [(8, 1, false, vec![0, 4, 2]), (2, 0, true, vec![1, 2, 3]), (4, 0, false, vec![0, 6]),]
        );
        assert_eq!((sample.objects[0].bbox, sample.objects[0].area), ([0.0, 0.0, 3.0, 2.0], 1.5));
        assert_eq!(set.objects(1).unwrap()[0].mask.area(), 400);
    }

    #[test]
    fn training_leaves_out_what_the_configuration_says_and_counts_it() {
        let folder = both(&[annotation(8, 3, "[[0, 0, 2, 0, 2, 2, 0, 2]]"), square(1)]);
        let ids = |set: &CocoInstances| (0..set.len()).map(|index| set.image_id(index)).collect::<Vec<_>>();
        let train = open(&folder, Split::Train, ObjectConfig::default());
        assert_eq!(ids(&train), [5]);
        let [empty, small] = train.remarks() else { panic!("{:?}", train.remarks()) };
        assert!(
            empty.ends_with("json: 2 of 4 images are left out of training because of missing annotations")
        );
        assert!(
            small.ends_with("1 of 4 images is left out of training because of a side of less than 32 pixels")
        );
        let whole = ObjectConfig { skip_empty: false, ..all_sizes() };
        let train = open(&folder, Split::Train, whole);
        assert_eq!((ids(&train), train.remarks().len()), (vec![7, 0, 5, 3], 0));
        assert!(train.sample(3).unwrap().objects.is_empty());
        let test = open(&folder, Split::Test, ObjectConfig::default());
        assert_eq!((ids(&test), test.remarks().len()), (vec![7, 0, 5, 3], 0));
    }

    #[test]
    fn the_largest_objects_of_an_image_are_kept_in_training() {
        let larger = square(2).replace("\"area\": 400", "\"area\": 401");
        let folder = both(&[square(1), larger, square(3)]);
        let config = ObjectConfig { max_objects: 1, ..ObjectConfig::default() };
        let train = open(&folder, Split::Train, config.clone());
        assert_eq!(train.objects(0).unwrap().iter().map(|object| object.id).collect::<Vec<_>>(), [2]);
        let expected = "2 annotations are passed over because the image has 1 larger objects (id 1, 3)";
        assert!(train.remarks()[0].ends_with(expected), "{:?}", train.remarks());
        let test = open(&folder, Split::Test, config);
        assert_eq!(test.objects(2).unwrap().len(), 3);
    }

    #[test]
    fn what_is_missing_is_taken_from_the_mask_and_counted() {
        let changed = |from: &str, to: &str| square(6).replace(from, to);
        for (entry, note) in [
            (
                changed("[0, 0, 20, 20]", "[0, 0, 20]"),
                "1 annotation has no usable `bbox`: that of the mask is",
            ),
            (changed("\"bbox\"", "\"x\""), "1 annotation has no usable `bbox`"),
            (changed("\"area\": 400", "\"area\": null"), "1 annotation has no usable `area`"),
            (changed("\"area\": 400", "\"area\": NaN"), "1 annotation has no usable `area`"),
            (changed("\"id\": 6", "\"id\": 0"), "1 annotation without a usable id got an unused one"),
        ] {
            let set = open(&both(&[square(1), entry.clone()]), Split::Test, all_sizes());
            let objects = set.objects(2).unwrap();
            let (bbox, area) = (objects[1].bbox, objects[1].area);
            assert_eq!((objects.len(), bbox, area), (2, [0.0, 0.0, 20.0, 20.0], 400.0), "{entry}");
            assert!(objects[1].id == 6 || objects[1].id == 2);
            let [remark] = set.remarks() else { panic!("{entry}: {:?}", set.remarks()) };
            assert!(remark.contains(note), "{remark}");
        }
    }

    #[test]
    fn what_is_wrong_is_passed_over_with_a_count() {
        let changed = |from: &str, to: &str| square(6).replace(from, to);
        for (entry, reason) in [
            (changed("\"area\": 400", "\"area\": 400, \"ignore\": 1"), "`ignore` is set (id 6, 7)"),
            (changed("[0, 0, 20, 20]", "[0, 0, 20, 0]"), "the box or the area is empty"),
            (changed("[0, 0, 20, 20]", "[0, 0, 20, -3]"), "the box or the area is empty"),
            (changed("[0, 0, 20, 20]", "[60, 0, 20, 20]"), "the box is outside the image"),
            (changed("\"image_id\": 5", "\"image_id\": 6"), "there is no usable image of this id"),
            (changed("\"category_id\": 3", "\"category_id\": 4"), "there is no such category"),
            (changed("\"id\": 6", "\"id\": 1"), "the id occurs twice (id 1, 1)"),
            (changed("\"segmentation\"", "\"x\""), "there is no segmentation"),
            (changed("[[0, 0, 20, 0, 20, 20, 0, 20]]", "[]"), "the segmentation has no polygon"),
            (changed("[[0, 0, 20, 0, 20, 20, 0, 20]]", "[[0, 0, 20, 20]]"), "fewer than three corners"),
            (
                changed("[0, 0, 20, 0, 20, 20, 0, 20]", "[0, 0, 20, 20, 9, 9, 9]"),
                "an odd number of coordinates",
            ),
            (changed("[0, 0, 20, 0, 20, 20, 0, 20]", "[0, 0, 20, NaN, 9, 9]"), "`segmentation` is wrong"),
            (
                changed("[[0, 0, 20, 0, 20, 20, 0, 20]]", r#"{"counts": [6], "size": [2, 3]}"#),
                "the mask is for another size",
            ),
        ] {
            let folder = both(&[square(1), entry.clone(), entry.replace("\"id\": 6", "\"id\": 7")]);
            let set = open(&folder, Split::Test, ObjectConfig::default());
            assert_eq!(set.objects(2).unwrap().len(), 1, "{entry}");
            let [remark] = set.remarks() else { panic!("{entry}: {:?}", set.remarks()) };
            let count = "2 annotations are passed over because";
            assert!(remark.contains(count) && remark.contains(reason), "{remark}");
            if reason.contains("occurs") {
                continue;
            }
            // Alone, nothing is left to learn.
            let folder = both(&[entry]);
            let error = coco_instances(folder.path(), Split::Train, &all_sizes(), &FileOptions::default());
            let error = error.unwrap_err().to_string();
            let expected =
                "instances_train2017.json has no image with a usable object: 1 annotation is passed";
            assert!(error.contains(expected), "{error}");
        }
        let folder = both(&[]);
        let set = coco_instances(folder.path(), Split::Test, &all_sizes(), &FileOptions::default());
        let error = set.unwrap_err().to_string();
        assert!(error.ends_with("has no image with a usable object: annotate some"), "{error}");
    }
}
