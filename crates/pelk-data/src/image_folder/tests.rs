//! Layouts in small folders of one-pixel images whose red value is the expected label.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::EXCLUDED;
use crate::picture::write_png;

/// A folder with these files: PNG files with this red, and text files.
fn folder(files: &[(&str, u8)], texts: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, red) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, [1, 1], 3, &[*red, 0, 0]).unwrap();
    }
    for (name, text) in texts {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// The names of a set's samples and their labels, which must match their images.
fn samples(set: &ImageFolder) -> Vec<(String, u32)> {
    let sample = |index| {
        let sample = set.sample(index).unwrap();
        assert_eq!((sample.size, sample.labels.as_ref()), ([1, 1], &[u32::from(sample.pixels[0])][..]));
        (set.name(index), sample.labels[0])
    };
    (0..set.len()).map(sample).collect()
}

fn open(root: &Path, split: Split) -> Result<ImageFolder, DataError> {
    image_folder(root, split, &FileOptions::default())
}

fn names(set: &ImageFolder) -> Vec<String> {
    samples(set).into_iter().map(|(name, _)| name).collect()
}

fn error(root: &Path, split: Split) -> String {
    open(root, split).unwrap_err().to_string()
}

#[test]
fn class_folders_are_numbered_as_train_has_them() {
    for test in TEST.into_iter().chain(["Val", "TEST"]) {
        let inside = |name: &str| format!("{test}/{name}");
        let names_of_test = ["cat/9.png", "dog/1.png"].map(inside);
        let root = folder(
            &[
                ("train/dog/b.jpg", 2),
                ("train/dog/deep/er/a.png", 2),
                ("train/Zebra/a.png", 0),
                ("train/cat/a.webp", 1),
                (&names_of_test[0], 1),
                (&names_of_test[1], 2),
            ],
            &[],
        );
        let train = open(root.path(), Split::Train).unwrap();
        assert_eq!(train.classes(), ["Zebra", "cat", "dog"]);
        let expected = [
            ("train/Zebra/a.png", 0),
            ("train/cat/a.webp", 1),
            ("train/dog/b.jpg", 2),
            ("train/dog/deep/er/a.png", 2),
        ];
        assert_eq!(samples(&train), expected.map(|(name, label)| (name.to_owned(), label)));
        assert_eq!(train.file(2).unwrap(), root.path().join("train/dog/b.jpg"));
        // A test set may have fewer classes; the others keep their numbers.
        let test = open(root.path(), Split::Test).unwrap();
        assert_eq!((test.classes(), names(&test)), (train.classes(), names_of_test.to_vec()));
        assert!(train.remarks().is_empty() && test.remarks().is_empty());
        assert!(!train.chosen_by_name() && !test.chosen_by_name());
        assert_eq!((train.channels(), train.image_size()), (3, None));
        assert_eq!(*train.statistics(), Normalization::imagenet());
    }
}

#[test]
fn class_folders_alone_are_divided_and_that_is_said() {
    let names_of = |class: &'static str| (0..10).map(move |i| format!("{class}/{i}.png"));
    let all: Vec<String> = names_of("a").chain(names_of("b")).collect();
    let files: Vec<(&str, u8)> =
        all.iter().map(|name| (name.as_str(), u8::from(name.starts_with('b')))).collect();
    let root = folder(&files, &[]);
    let [train, test] = [Split::Train, Split::Test].map(|split| open(root.path(), split).unwrap());
    assert_eq!((train.len(), test.len()), (16, 4));
    assert!(train.chosen_by_name() && test.chosen_by_name());
    let mut both = [names(&train), names(&test)].concat();
    both.sort();
    assert_eq!(both, all);
    let remark = &test.remarks()[0];
    assert!(remark.contains("the test set is 4 of its 20 images, about a fifth of each class"), "{remark}");
    let small = folder(&[("a/1.png", 0), ("b/1.png", 1)], &[]);
    assert!(error(small.path(), Split::Test).contains("too few images to hold some out"));
}

#[test]
fn all_images_of_a_plain_or_half_set_are_read_on_request() {
    let whole = |root: &Path, split| {
        image_folder(root, split, &FileOptions { whole: true, ..FileOptions::default() })
    };
    for prefix in ["", "train/", "val/", "ILSVRC/Data/CLS-LOC/train/"] {
        let all: Vec<String> =
            ["a/1.png", "a/2.png", "a/3.png", "b/1.png"].map(|name| format!("{prefix}{name}")).into();
        let files: Vec<(&str, u8)> = all.iter().map(String::as_str).zip([0, 0, 0, 1]).collect();
        let root = folder(&files, &[]);
        for split in [Split::Train, Split::Test] {
            let set = whole(root.path(), split).unwrap();
            assert_eq!((names(&set), set.classes().len()), (all.clone(), 2), "{prefix}");
            assert!(set.remarks()[0].contains("set is all images in"), "{:?}", set.remarks());
            assert!(!set.chosen_by_name());
        }
        // One class is enough.
        let one = folder(&files[..3], &[]);
        assert_eq!(whole(one.path(), Split::Test).unwrap().classes(), ["a"]);
        assert!(open(one.path(), Split::Test).is_err());
    }
    // A folder with both parts is read as ever.
    let root = folder(&[("train/a/1.png", 0), ("train/b/1.png", 1), ("val/b/2.png", 1)], &[]);
    assert_eq!(names(&whole(root.path(), Split::Test).unwrap()), ["val/b/2.png"]);
    assert_eq!(whole(root.path(), Split::Train).unwrap().len(), 2);
}

#[test]
fn a_division_without_test_images_is_not_called_four_fifths() {
    let root = folder(&[("a/1.png", 0), ("a/2.png", 0), ("b/1.png", 1), ("b/2.png", 1)], &[]);
    let train = open(root.path(), Split::Train).unwrap();
    assert!(
        train.remarks()[0].contains("the train set is 4 of its 4 images, chosen"),
        "{:?}",
        train.remarks()
    );
}

/// A small ImageNet: two classes, and a flat validation folder.
fn flat(root: &str, texts: &[(&str, &str)]) -> tempfile::TempDir {
    let train = ["train/n01/x.JPEG", "train/n02/x.JPEG", "val/v_1.JPEG", "val/v_2.JPEG", "val/v_3.JPEG"];
    let names = train.map(|name| format!("{root}{name}"));
    let files: Vec<(&str, u8)> = names.iter().map(String::as_str).zip([0, 1, 1, 0, 1]).collect();
    folder(&files, texts)
}

const SOLUTION: (&str, &str) = (
    "LOC_val_solution.csv",
    "ImageId,PredictionString\nv_2,n01 1 2 3 4 n01 5 6 7 8 \nv_3,n02 85 1 499 272 \nv_1,n02 1 1 1 1\n",
);

#[test]
fn a_flat_validation_folder_goes_by_its_list() {
    for (root, list) in [
        ("ILSVRC/Data/CLS-LOC/", SOLUTION),
        ("Data/CLS-LOC/", SOLUTION),
        ("", SOLUTION),
        ("", ("imagenet_2012_validation_synset_labels.txt", "n02\nn01\nn02\n")),
        ("", ("val.txt", "v_3.JPEG 1\nv_1.JPEG 1\nv_2.JPEG 0\n")),
        ("", ("val/val.txt", "v_3.JPEG 1\nv_1.JPEG 1\nv_2.JPEG 0\n")),
    ] {
        let words = ("LOC_synset_mapping.txt", "n01 tench, Tinca tinca\nn02 crane\nn03 x\n");
        let set = flat(root, &[list, words]);
        let test = open(set.path(), Split::Test).unwrap();
        let expected = ["v_1", "v_2", "v_3"].map(|name| format!("{root}val/{name}.JPEG"));
        assert_eq!(
            (names(&test), test.classes()),
            (expected.to_vec(), &["tench".to_owned(), "crane".to_owned()][..])
        );
        assert_eq!(names(&open(set.path(), Split::Train).unwrap()).len(), 2);
    }
}

#[test]
fn classes_with_equal_names_keep_their_folders_names() {
    let set = flat("", &[SOLUTION, ("synset_words.txt", "n01 crane, bird\nn02 crane\n")]);
    assert_eq!(open(set.path(), Split::Train).unwrap().classes(), ["crane (n01)", "crane (n02)"]);
}

#[test]
fn lists_that_do_not_fit_are_named_with_their_line() {
    for (name, text, expected) in [
        ("LOC_val_solution.csv", "ImageId\nv_1,n09 1", "line 2 of"),
        ("LOC_val_solution.csv", "ImageId\nv_1,n09 1", "one of the 2 classes of train"),
        ("LOC_val_solution.csv", "ImageId\n\nv_9,n01 1", "line 3 of"),
        ("LOC_val_solution.csv", "ImageId\nv_1,n01\n", "does not have the class of"),
        ("imagenet_2012_validation_synset_labels.txt", "n01\nn01\n", "has 2 lines, but"),
        ("imagenet_2012_validation_synset_labels.txt", "n01\nn01\nn3", "line 3 of"),
        ("val.txt", "v_1.JPEG 2", "a number below 2"),
        ("val.txt", "v_1.JPEG -1", "a number below 2"),
        ("val.txt", "v_1 0", "a name of an image in"),
        ("README", "", "no list of their classes: put LOC_val_solution.csv"),
    ] {
        let set = flat("", &[(name, text)]);
        let error = error(set.path(), Split::Test);
        assert!(error.contains(expected) && (name == "README" || error.contains(name)), "{error}");
    }
    let set = flat("", &[SOLUTION, ("synset_words.txt", "n01\n")]);
    assert!(error(set.path(), Split::Train).contains("line 1 of"));
}

#[test]
fn folders_that_are_no_set_say_what_they_lack() {
    let a = ("train/a/1.png", 0);
    let b = ("train/b/1.png", 1);
    for (split, files, texts, expected) in [
        (Split::Train, &[][..], &[][..], "has no class folders: it must have train/CLASS"),
        (Split::Train, &[("a/1.png", 0)], &[], "has only one class folder, a"),
        (Split::Train, &[a, b], &[], "val is missing: put test images"),
        (Split::Train, &[("val/a/1.png", 0)], &[], "has a folder val, but no folder train"),
        (
            Split::Train,
            &[a, b, ("train/1.png", 0), ("val/a/1.png", 0)],
            &[],
            "train/1.png lies beside class folders (images there: 1)",
        ),
        (
            Split::Train,
            &[a, b, ("val/a/1.png", 0)],
            &[("train/c/x", "")],
            "has 1 class folder without images: c",
        ),
        (
            Split::Test,
            &[a, b, ("val/a/1.png", 0), ("val/c/1.png", 0)],
            &[],
            "has 1 class that train does not have: c",
        ),
        (Split::Test, &[a, b], &[("val/x", "")], "val has no images"),
        (Split::Test, &[a, b], &[("val/a/x", "")], "val/ has no images"),
    ] {
        let set = folder(files, texts);
        let error = error(set.path(), split);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(error(Path::new("no/where"), Split::Train).contains("no/where is not a folder"));
    let set = flat("", &[SOLUTION]);
    let error = imagenet_1k(set.path(), Split::Train, &FileOptions::default()).unwrap_err().to_string();
    assert!(error.contains("has 2 classes, but ImageNet-1K has 1000"), "{error}");
}

#[test]
fn excluded_pictures_are_left_out_and_counted() {
    let files: BTreeMap<String, u8> =
        (0..4).flat_map(|i| [(format!("train/a/{i}.png"), 0), (format!("train/b/{i}.png"), 1)]).collect();
    let mut files: Vec<(&str, u8)> = files.iter().map(|(name, &red)| (name.as_str(), red)).collect();
    files.extend([("val/a/1.png", 0), ("val/a/2.png", 0)]);
    let list = "# broken\ntrain/a/0.png\n train/b/3.png \nval/a/2.png\nnot/there.png\n";
    let root = folder(&files, &[(EXCLUDED, list), ("train/a/notes.txt", "")]);
    let [train, test] = [Split::Train, Split::Test].map(|split| open(root.path(), split).unwrap());
    assert_eq!((train.len(), names(&test)), (6, vec!["val/a/1.png".to_owned()]));
    assert!(names(&train).iter().all(|name| name != "train/a/0.png" && name != "train/b/3.png"));
    let [others, excluded] = train.remarks() else { panic!("{:?}", train.remarks()) };
    assert!(others.contains("train/: passing over 1 entry that is not an image: 1 .txt"), "{others}");
    assert!(excluded.contains("train/: leaving out 2 images listed in"), "{excluded}");
    assert_eq!(test.remarks().len(), 1);
}

#[test]
fn a_damaged_picture_is_an_error_of_its_sample_alone() {
    let root = folder(&[("train/a/1.png", 0), ("train/b/2.png", 1), ("val/a/1.png", 0)], &[]);
    fs::write(root.path().join("train/b/2.png"), "<html>").unwrap();
    let set = open(root.path(), Split::Train).unwrap();
    assert!(set.sample(0).is_ok());
    let error = set.sample(1).unwrap_err().to_string();
    assert!(error.contains("train/b/2.png is an HTML page, not an image"), "{error}");
}

#[test]
fn what_systems_leave_behind_is_no_class_and_no_image() {
    let all: Vec<String> =
        ["a", "b"].iter().flat_map(|class| (0..6).map(move |i| format!("{class}/{i}.png"))).collect();
    let files: Vec<(&str, u8)> =
        all.iter().map(|name| (name.as_str(), u8::from(name.starts_with('b')))).collect();
    let texts: Vec<(String, &str)> = [
        ".ipynb_checkpoints/x.jpg",
        "a/.ipynb_checkpoints/0-checkpoint.jpg",
        "__MACOSX/a/._0.jpg",
        "a/._0.png",
        ".DS_Store",
        "a/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
        "lost+found/x",
        "a/Thumbs.db",
        "b/desktop.ini",
        "b/deep/Thumbs.db",
        "labels.csv",
    ]
    .map(|name| (name.to_owned(), "\u{0}"))
    .into();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let root = folder(&files, &texts);
    let whole = FileOptions { whole: true, ..FileOptions::default() };
    let set = image_folder(root.path(), Split::Train, &whole).unwrap();
    assert_eq!((set.classes(), names(&set)), (&["a".to_owned(), "b".to_owned()][..], all));
    let remark = set.remarks().iter().find(|it| it.contains("passing over")).unwrap();
    for part in ["2 Thumbs.db", "1 @eaDir/", "1 __MACOSX/", "1 lost+found/", "1 .DS_Store", "1 .csv"] {
        assert!(remark.contains(part), "{part}: {remark}");
    }
    // An empty folder of another name is a class without images.
    fs::create_dir(root.path().join("bird")).unwrap();
    let error = image_folder(root.path(), Split::Train, &whole).unwrap_err().to_string();
    assert!(error.contains("1 class folder without images: bird"), "{error}");
}

#[test]
fn names_of_halves_may_be_classes_beside_other_folders() {
    for (other, half) in [("invalid", "valid"), ("resting", "Training"), ("poor", "Test")] {
        let all: Vec<String> =
            (0..3).flat_map(|i| [format!("{other}/{i}.png"), format!("{half}/{i}.png")]).collect();
        let files: Vec<(&str, u8)> = all.iter().map(|name| (name.as_str(), 0)).collect();
        let root = folder(&files, &[]);
        assert_eq!(open(root.path(), Split::Train).unwrap().classes().len(), 2, "{half}");
    }
    // Both halves in other words, and what is not read is said.
    let root = folder(
        &[("Training/a/1.png", 0), ("Training/b/1.png", 1), ("valid/b/2.png", 1), ("test/a/3.png", 0)],
        &[],
    );
    let test = open(root.path(), Split::Test).unwrap();
    assert_eq!(names(&test), ["valid/b/2.png"]);
    assert!(test.remarks()[0].ends_with("reading valid, not test"), "{:?}", test.remarks());
}

#[test]
fn a_folder_around_the_set_is_named() {
    let root = folder(&[("photos/a/1.png", 0), ("photos/b/1.png", 1)], &[("__MACOSX/x", "")]);
    let error = error(root.path(), Split::Train);
    assert!(
        error.contains("only one class folder, photos") && error.contains("photos as the folder"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn every_name_can_be_excluded() {
    let root = folder(&[("#a/1.png", 0), (" b/1.png", 0)], &[]);
    let mut expected = Vec::new();
    for name in [&b"#a/x%41.png"[..], b" b/two\nlines.png", b"#a/\xff.png", b" b/end .png "] {
        let path = root.path().join(from_bytes(name));
        fs::copy(root.path().join("#a/1.png"), &path).unwrap();
        expected.push(path);
    }
    let whole = FileOptions { whole: true, ..FileOptions::default() };
    let open = || image_folder(root.path(), Split::Train, &whole).unwrap();
    // The file whose name ends in a space has no ending that is known: its content tells what it is.
    assert_eq!(open().len(), 6);
    let mut list = Excluded::read(root.path()).unwrap();
    expected.iter().for_each(|path| list.add(path).unwrap());
    fs::write(root.path().join(EXCLUDED), list.text()).unwrap();
    let set = open();
    assert_eq!((0..set.len()).map(|i| set.name(i)).collect::<Vec<_>>(), ["%20b/1.png", "%23a/1.png"]);
    assert!(set.sample(0).is_ok() && set.sample(1).is_ok());
}

#[test]
fn faults_of_a_folder_are_listed_on_request_and_errors_otherwise() {
    let files = ["train/a/1.png", "train/a/2.png", "val/a/3.png", "val/c/4.png", "val/5.png", "train/6.png"];
    let root = tempfile::tempdir().unwrap();
    for name in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::create_dir(root.path().join("train/b")).unwrap();
    let lenient = FileOptions { lenient: true, ..FileOptions::default() };
    for (split, images, expected) in [
        (Split::Train, 2, ["6.png lies beside class folders", "has 1 class folder without images: b"]),
        (Split::Test, 1, ["has 1 class that train does not have: c", "5.png lies beside class folders"]),
    ] {
        let set = image_folder(root.path(), split, &lenient).unwrap();
        let faults: Vec<String> = set.faults().iter().map(ToString::to_string).collect();
        assert_eq!((set.len(), faults.len()), (images, 2), "{faults:?}");
        assert!(faults.iter().zip(expected).all(|(fault, expected)| fault.contains(expected)), "{faults:?}");
        // Without the option, the first of them is the error.
        let error = image_folder(root.path(), split, &FileOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), faults[0]);
    }

    // Of a folder with only one half, that one is opened.
    fs::remove_dir_all(root.path().join("val")).unwrap();
    let set = image_folder(root.path(), Split::Train, &lenient).unwrap();
    assert_eq!((set.len(), set.faults().len()), (2, 3));
    let error = image_folder(root.path(), Split::Test, &lenient).unwrap_err();
    assert_eq!(error.to_string(), set.faults()[0].to_string());
    assert!(error.to_string().contains("val is missing"), "{error}");
}
