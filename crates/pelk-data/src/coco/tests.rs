//! What both readers of COCO's format have in common: layouts, wrong images, ids.

use std::fs;
use std::path::Path;

use crate::picture::write_png;
use crate::{Dataset, FileOptions, ObjectConfig, Split, coco, coco_instances};

pub(super) const IMAGES: &str = r#"{"id": 7, "file_name": "a.png", "height": 2, "width": 3, "license": 1}"#;
pub(super) const CATEGORIES: &str =
    r#"{"id": 9, "name": "dog"}, {"id": 3, "name": "cat", "supercategory": "animal"}"#;

/// A folder with an image of 2 x 3 pixels and these entries for training.
pub(super) fn folder(images: &str, annotations: &str, categories: &str) -> tempfile::TempDir {
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
pub(super) fn annotation(id: u64, category: u64, segmentation: &str) -> String {
    format!(
        r#"{{"id": {id}, "image_id": 7, "category_id": {category}, "iscrowd": 0, "area": 1.5,
            "bbox": [0, 0, 3, 2], "segmentation": {segmentation}}}"#
    )
}

/// What a reader makes of a set: the files of its images below the folder, and the remarks; or its error.
type Opened = Result<(Vec<String>, Vec<String>), String>;

fn opened<D: Dataset>(set: Result<D, crate::DataError>, folder: &Path) -> Opened {
    let set = set.map_err(|error| error.to_string())?;
    let is_chosen = set.remarks().iter().any(|remark| remark.contains("chosen by file name"));
    assert_eq!(set.chosen_by_name(), is_chosen, "{:?}", set.remarks());
    let name = |index| {
        let file = set.file(index).unwrap();
        assert!(set.sample(index).is_ok(), "{}", file.display());
        file.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")
    };
    Ok(((0..set.len()).map(name).collect(), set.remarks().to_vec()))
}

/// The set as both readers see it, which must be the same.
fn open_with(folder: &Path, split: Split, options: &FileOptions) -> Opened {
    let config = ObjectConfig { min_side: 0, skip_empty: false, ..ObjectConfig::default() };
    let pixels = opened(coco(folder, split, options), folder);
    let objects = opened(coco_instances(folder, split, &config, options), folder);
    assert_eq!(pixels, objects);
    pixels
}

fn open(folder: &Path, split: Split) -> Opened {
    open_with(folder, split, &FileOptions::default())
}

#[test]
fn both_readers_refuse_the_same_files() {
    let one = annotation(1, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
    let absent = IMAGES.replace("a.png", "b.png");
    let unnamed = r#"{"id": 7, "height": 2, "width": 3}"#;
    let other = IMAGES.replace("a.png", "other.png");
    let empty = IMAGES.replace("\"height\": 2", "\"height\": 0");
    let unsized_ = IMAGES.replace("\"height\": 2", "\"height\": null");
    let renamed = format!(r#"{CATEGORIES}, {{"id": 3, "name": "x"}}"#);
    for (images, annotation, categories, expected) in [
        (
            &*format!("{IMAGES}, {other}"),
            &*one,
            CATEGORIES,
            "2 images are passed over because the id occurs twice",
        ),
        (IMAGES, &one, &renamed, "category 3 occurs twice with different names"),
        (unnamed, &one, CATEGORIES, "is missing: it is image 7 of"),
        (&absent, &one, CATEGORIES, "b.png is missing: it is image 7 of"),
        (&empty, &one, CATEGORIES, "has no usable image: "),
        (&unsized_, &one, CATEGORIES, "1 image is passed over because `height` is missing (id 7)"),
        ("", "", CATEGORIES, "names no images"),
        (IMAGES, &one, "", "1 annotation is passed over because there is no such category (id 1)"),
        (
            IMAGES,
            "5, null",
            CATEGORIES,
            "2 annotations are passed over because an entry must be an object (entry 0, 1)",
        ),
        (
            "null, [7]",
            &one,
            CATEGORIES,
            "2 images are passed over because an entry must be an object (entry 0, 1)",
        ),
        (IMAGES, &one, "\"dog\"", "1 category is passed over because an entry must be an object (entry 0)"),
    ] {
        let folder = folder(images, annotation, categories);
        let options = FileOptions::default();
        let pixels = coco(folder.path(), Split::Train, &options).map(drop).unwrap_err().to_string();
        let config = ObjectConfig { min_side: 0, ..ObjectConfig::default() };
        let objects = coco_instances(folder.path(), Split::Train, &config, &options);
        for error in [pixels, objects.map(drop).unwrap_err().to_string()] {
            assert!(error.contains("instances_train2017.json"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let set = folder(IMAGES, "", CATEGORIES);
    let error = coco(set.path(), Split::Test, &FileOptions::default()).unwrap_err().to_string();
    assert!(error.contains("instances_train2017.json, but no such file of the test set"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let missing = || coco(empty.path(), Split::Test, &FileOptions::default()).unwrap_err().to_string();
    let error = missing();
    assert!(error.contains("instances_val.json is missing: unpack images"), "{error}");
    fs::create_dir(empty.path().join("annotations")).unwrap();
    fs::write(empty.path().join("annotations/persons.json"), "{}").unwrap();
    let error = missing();
    assert!(error.contains("instances_val.json is missing (found: persons.json): unpack images"), "{error}");
}

#[test]
fn one_wrong_image_does_not_cost_the_set() {
    let square = annotation(1, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
    let of =
        |id: &str, name: &str| format!(r#"{{"id": {id}, "file_name": {name:?}, "height": 2, "width": 3.0}}"#);
    for (more, annotation, remark) in [
        (of("8", "gone.png"), "", "1 image is passed over because its file is missing (id 8: \"gone.png\")"),
        (of("8", ""), "", "1 image is passed over because its file is missing (id 8: \"\")"),
        (IMAGES.to_owned(), "", "1 image is passed over because the id occurs twice (id 7)"),
        (of("null", "x.png"), "", "1 image is passed over because `id` is missing (entry 1)"),
        (
            of("8", "x.png").replace("3.0", "\"wide\""),
            "",
            "1 image is passed over because `width` is wrong (id 8)",
        ),
        (
            of("8", "x.png").replace("3.0", "0"),
            "",
            "1 image is passed over because its height or width is 0 (id 8)",
        ),
        (of("8", "gone.png"), "8", "1 image is passed over because its file is missing (id 8: \"gone.png\")"),
    ] {
        let mut annotations = square.clone();
        if !annotation.is_empty() {
            annotations += ", ";
            annotations +=
                &square.replace("\"id\": 1", "\"id\": 2").replace("\"image_id\": 7", "\"image_id\": 8");
        }
        let folder = folder(&format!("{IMAGES}, {more}"), &annotations, CATEGORIES);
        let (files, remarks) = open(folder.path(), Split::Train).unwrap();
        assert_eq!(files, ["images/train2017/a.png"]);
        let [found] = &remarks[..] else { panic!("{remarks:?}") };
        assert!(found.ends_with(remark), "{found}");
    }
}

#[test]
fn entries_that_are_not_objects_are_passed_over() {
    let square = annotation(1, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
    for other in ["null", "5", "-0.5", "true", "\"x\"", "[]", "[1, {}]"] {
        let [images, annotations, categories] =
            [IMAGES, &square, CATEGORIES].map(|entries| format!("{other}, {entries}, {other}"));
        let folder = folder(&images, &annotations, &categories);
        let (files, remarks) = open(folder.path(), Split::Train).unwrap();
        assert_eq!((files.len(), remarks.len()), (1, 3), "{other}: {remarks:?}");
        for (remark, many) in remarks.iter().zip(["annotations", "categories", "images"]) {
            let last = if many == "categories" { 3 } else { 2 };
            let reason = format!("because an entry must be an object (entry 0, {last})");
            assert!(remark.ends_with(&format!("json: 2 {many} are passed over {reason}")), "{remark}");
        }
    }
}

#[test]
fn names_of_images_may_repeat_folders_and_use_backslashes() {
    for (name, shortened) in [
        ("./a.png", false),
        ("sub\\\\a.png", false),
        ("sub/a.png", false),
        ("train2017/a.png", false),
        ("train2017\\\\a.png", false),
        ("images/train2017/a.png", false),
        ("../a.png", true),
        ("/home/me/pictures/a.png", true),
        ("C:\\\\pictures\\\\a.png", true),
        ("../../label-studio/data/media/upload/1/a.png", true),
    ] {
        let annotation = annotation(1, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
        let folder = folder(&IMAGES.replace("a.png", name), &annotation, CATEGORIES);
        let below = folder.path().join("images/train2017/sub");
        fs::create_dir(&below).unwrap();
        fs::copy(folder.path().join("images/train2017/a.png"), below.join("a.png")).unwrap();
        let (files, remarks) = open(folder.path(), Split::Train).unwrap();
        let expected = if name.starts_with("sub") { "sub/a.png" } else { "a.png" };
        assert_eq!(files, [format!("images/train2017/{expected}")], "{name}");
        let said =
            remarks.iter().filter(|remark| remark.contains("without the first folders in their names"));
        assert_eq!((said.count(), remarks.len()), (usize::from(shortened), usize::from(shortened)), "{name}");
    }
}

/// Writes annotations of these images of 2 x 3 pixels, one square on each, and the images in a folder.
fn set(root: &Path, json: &str, images: &str, names: &[&str]) {
    let (mut entries, mut annotations) = (Vec::new(), Vec::new());
    for (name, id) in names.iter().zip(0..) {
        let path = root.join(images).join(name.replace('\\', "/"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, [2, 3], 3, &[5; 18]).unwrap();
        entries.push(format!(r#"{{"id": {id}, "file_name": {name:?}, "height": 2, "width": 3}}"#));
        // Numbered from 0, as Roboflow does.
        let one = annotation(id, 9, "[[0, 0, 3, 0, 3, 2, 0, 2]]");
        annotations.push(one.replace("\"image_id\": 7", &format!("\"image_id\": {id}")));
    }
    let path = root.join(json);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (entries, annotations) = (entries.join(", "), annotations.join(", "));
    let text = format!(
        r#"{{"info": {{}}, "licenses": [], "categories": [{CATEGORIES}], "images": [{entries}],
            "annotations": [{annotations}]}}"#
    );
    fs::write(path, text).unwrap();
}

#[test]
fn layouts_of_labeling_tools_are_read() {
    // Annotations and images of both splits.
    for [train, train_images, test, test_images] in [
        ["annotations/instances_train.json", "train", "annotations/instances_val.json", "val"],
        [
            "annotations/instances_train2017.json",
            "train2017",
            "annotations/instances_val2017.json",
            "val2017",
        ],
        ["annotations/instances_train.json", "images", "annotations/instances_val.json", "images"],
        ["annotations/train.json", "images/train", "annotations/valid.json", "images/valid"],
        [
            "annotations/person_keypoints_train2017.json",
            "train2017",
            "annotations/person_keypoints_val2017.json",
            "val2017",
        ],
        // CVAT and Datumaro
        [
            "annotations/instances_Train.json",
            "images/Train",
            "annotations/instances_Validation.json",
            "images/Validation",
        ],
        // Roboflow
        ["train/_annotations.coco.json", "train", "valid/_annotations.coco.json", "valid"],
        ["train/_annotations.coco.json", "train", "test/_annotations.coco.json", "test"],
        // FiftyOne
        ["train/labels.json", "train/data", "validation/labels.json", "validation/data"],
        // Supervisely
        ["train/annotations/instances.json", "train/images", "val/annotations/instances.json", "val/images"],
        // labelme2coco
        ["train.json", "train", "val.json", "val"],
        ["train.json", "images", "test.json", "images"],
    ] {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), train, train_images, &["a.png", "b.png"]);
        set(root.path(), test, test_images, &["c.png"]);
        assert!(super::recognized(root.path()), "{train}");
        let below = |folder: &str, name: &str| format!("{folder}/{name}");
        let (files, remarks) = open(root.path(), Split::Train).unwrap();
        assert_eq!(files, ["a.png", "b.png"].map(|name| below(train_images, name)), "{train}");
        assert!(remarks.len() == 1 && remarks[0].contains("got an unused one"), "{remarks:?}");
        assert_eq!(open(root.path(), Split::Test).unwrap().0, [below(test_images, "c.png")], "{test}");
        // A name with the folder of its split.
        let text = fs::read_to_string(root.path().join(train)).unwrap();
        fs::write(root.path().join(train), text.replace("a.png", "train/a.png")).unwrap();
        assert_eq!(open(root.path(), Split::Train).unwrap().0.len(), 2, "{train}");
    }
}

#[test]
fn of_a_set_without_splits_a_fifth_is_held_out_by_name() {
    let names: Vec<String> = (0..10).map(|number| format!("IMG_{number}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut held_out = Vec::new();
    for (json, images) in [
        ("result.json", "images"),
        ("_annotations.coco.json", ""),
        ("labels.json", "data"),
        ("annotations/instances_default.json", "images"),
        ("annotations/instances_default.json", "images/default"),
        ("annotations/instances.json", "images"),
        ("annotations.json", "JPEGImages"),
        ("dataset.json", ""),
    ] {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), json, images, &names);
        assert!(super::recognized(root.path()), "{json}");
        let below = |files: Vec<String>| {
            let name = |file: String| file.strip_prefix(images).unwrap().trim_start_matches('/').to_owned();
            files.into_iter().map(name).collect::<Vec<_>>()
        };
        let (train, remarks) = open(root.path(), Split::Train).unwrap();
        let expected = "the train set is 8 of its 10 images, about four fifths, chosen by file name";
        assert!(remarks.iter().any(|remark| remark.ends_with(expected)), "{remarks:?}");
        let (train, test) = (below(train), below(open(root.path(), Split::Test).unwrap().0));
        assert_eq!((train.len(), test.len()), (8, 2), "{json}");
        assert!(names.iter().all(|name| train.iter().chain(&test).any(|file| file == name)));
        held_out.push(test);
        let whole = FileOptions { whole: true, ..FileOptions::default() };
        for split in [Split::Train, Split::Test] {
            assert_eq!(below(open_with(root.path(), split, &whole).unwrap().0), names);
        }
    }
    assert!(held_out.windows(2).all(|pair| pair[0] == pair[1]), "{held_out:?}");

    let root = tempfile::tempdir().unwrap();
    set(root.path(), "result.json", "images", &["a.png", "b.png"]);
    let error = open(root.path(), Split::Test).unwrap_err();
    assert!(error.contains("has too few images to hold some out"), "{error}");
}

#[test]
fn a_folder_with_one_split_is_opened_whole_only() {
    let root = tempfile::tempdir().unwrap();
    set(root.path(), "valid/_annotations.coco.json", "valid", &["a.png", "b.png"]);
    let error = open(root.path(), Split::Train).unwrap_err();
    assert!(error.contains("_annotations.coco.json, but no such file of the train set"), "{error}");
    let whole = FileOptions { whole: true, ..FileOptions::default() };
    assert_eq!(open_with(root.path(), Split::Train, &whole).unwrap().0.len(), 2);
    assert_eq!(open_with(root.path(), Split::Test, &whole).unwrap().0.len(), 2);
}

#[test]
fn annotation_files_can_be_named() {
    let root = tempfile::tempdir().unwrap();
    set(root.path(), "labels/person_train.json", "train", &["a.png", "b.png", "c.png"]);
    set(root.path(), "labels/mine.json", "valid", &["d.png"]);
    let with = |files: &[&str]| FileOptions {
        annotations: files.iter().map(|name| root.path().join(name)).collect(),
        ..FileOptions::default()
    };
    let two = with(&["labels/person_train.json", "labels/mine.json"]);
    assert_eq!(open_with(root.path(), Split::Train, &two).unwrap().0.len(), 3);
    assert_eq!(open_with(root.path(), Split::Test, &two).unwrap().0, ["valid/d.png"]);
    let one = with(&["labels/person_train.json"]);
    assert_eq!(open_with(root.path(), Split::Train, &one).unwrap().0.len(), 2);
    assert_eq!(open_with(root.path(), Split::Test, &one).unwrap().0.len(), 1);
    // Relative to the folder.
    let mut relative = with(&[]);
    relative.annotations = vec!["labels/person_train.json".into()];
    relative.whole = true;
    assert_eq!(open_with(root.path(), Split::Test, &relative).unwrap().0.len(), 3);
    let error = open_with(root.path(), Split::Test, &with(&["labels/other.json"])).unwrap_err();
    assert!(error.contains("other.json is missing"), "{error}");
    let error = open_with(root.path(), Split::Test, &with(&["a", "b", "c"])).unwrap_err();
    assert!(error.contains("annotations is 3, but must be one file"), "{error}");
}

#[test]
fn other_files_of_the_same_names_are_not_taken_for_annotations() {
    for (name, text) in [
        ("train/labels.json", r#"{"0": "cat", "1": "dog"}"#),
        ("labels.json", "[1, 2]"),
        ("result.json", r#"[{"id": 1, "annotations": []}]"#),
        ("annotations/a.xml", "<annotation/>"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        assert!(!super::recognized(root.path()), "{name}");
    }
}
