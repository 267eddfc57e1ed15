//! `data check` on folders with one instance of every fault: all of them are named in one run, on one screen,
//! each once and with its remedy.

use crate::data_check::{photos, save};
use crate::sandbox::Sandbox;
use image::{GrayImage, Luma};

/// Lines of a screen.
const SCREEN: usize = 60;

/// Exit status and output, which is all on standard output but for the final error.
fn check(sandbox: &Sandbox, args: &[&str]) -> (Option<i32>, String) {
    let output = sandbox.pelk(["data", "check"].iter().chain(args).copied()).output().unwrap();
    let (text, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(error.is_empty() || error.starts_with("error: "), "{error}");
    (output.status.code(), text + &error)
}

/// Checks that each of these words is there exactly once, on one screen.
fn each_once(text: &str, expected: &[&str]) {
    for word in expected {
        assert_eq!(text.matches(word).count(), 1, "{word}\n{text}");
    }
    assert!(text.lines().count() <= SCREEN, "{} lines\n{text}", text.lines().count());
}

fn write(sandbox: &Sandbox, name: &str, bytes: &[u8]) {
    let path = sandbox.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A file of the library's tests.
fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pelk-data/tests/fixtures/pictures");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// The JPEG with an EXIF orientation.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

/// A folder of class folders with one instance of each fault.
fn faults(sandbox: &Sandbox) {
    photos(sandbox);
    let write = |name: &str, bytes: &[u8]| write(sandbox, &format!("photos/{name}"), bytes);
    let whole = sandbox.read("photos/train/dog/0.jpg");
    write("train/cat/zero.jpg", b"");
    write("train/cat/page.jpg", b"<!DOCTYPE html><html>404</html>");
    write("train/cat/pointer.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    write("train/cat/photo.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    write("train/cat/web.jpg", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf");
    write("train/cat/p.HEIC", b"x");
    write("train/cat/arithmetic.jpg", &fixture("arithmetic.jpg"));
    write("train/dog/cut.jpg", &whole[..whole.len() / 2]);
    write("val/dog/cut too.jpg", &whole[..whole.len() / 3]);
    write("train/dog/# two\nlines%41.png", b"\x89PNG\r\n\x1a\n");
    write("train/dog/endless.jpg", &whole[..whole.len() - 2]);
    write("train/dog/turned.jpg", &turned(&fixture("plain.jpg"), 6));
    for stray in ["Thumbs.db", "desktop.ini", "notes.txt", "._0.jpg", "@eaDir/0.jpg/thumb.jpg"] {
        write(&format!("train/cat/{stray}"), b"\0");
    }
    for stray in ["__MACOSX/cat/._0.jpg", "lost+found/x", ".ipynb_checkpoints/0-checkpoint.jpg"] {
        write(&format!("train/{stray}"), b"\0");
    }
    for number in 0..60 {
        save(sandbox, &format!("photos/train/dog/same {number}.png"), [30, 30], 77);
    }
    save(sandbox, "photos/train/cat/labeled twice.png", [30, 30], 77);
    save(sandbox, "photos/val/cat/leak.png", [20, 30], 0);
    save(sandbox, "photos/test/cat/unread.png", [20, 30], 3);
    // Faults of the folders, which alone would keep the sets from being opened.
    std::fs::create_dir(sandbox.path("photos/train/horse")).unwrap();
    save(sandbox, "photos/val/bird/1.png", [20, 31], 5);
    save(sandbox, "photos/train/loose.png", [20, 32], 5);
}

#[test]
fn every_fault_of_class_folders_is_named_on_one_screen() {
    let sandbox = Sandbox::new();
    faults(&sandbox);
    let (code, text) = check(&sandbox, &["photos"]);
    assert_eq!(code, Some(1));
    each_once(
        &text,
        &[
            // Files, with the remedies of their kinds.
            "zero.jpg is empty (0 bytes): download it again or remove it",
            "page.jpg is an HTML page, not an image: download the image itself",
            "pointer.png is a pointer of Git LFS, not an image: run `git lfs pull`",
            "photo.jpg is a HEIC image, which is not supported: convert it",
            "web.jpg is an AVIF image, which is not supported: convert it",
            "arithmetic.jpg is a JPEG with arithmetic coding, which is not supported: convert it",
            "2 in train, 1 in test cannot be read (damaged):",
            "cut.jpg is damaged",
            "cut too.jpg is damaged",
            "To fix: download it again, or restore it from the original",
            // Faults of the folders.
            "2 faults of train, 1 fault of test (layout of the folder):",
            "photos/train has 1 class folder without images: horse: add images to them, or remove them",
            "loose.png lies beside class folders (images there: 1): move each into the folder of its class",
            "photos/val has 1 class that train does not have: bird: use the same names for class folders",
            // What was passed over.
            "Notes on train:\n  photos/train/: passing over",
            "1 HEIC image, which is not supported (convert it",
            "1 Thumbs.db",
            "1 desktop.ini",
            "1 .txt",
            "1 ._*",
            "1 @eaDir/",
            "1 __MACOSX/",
            "1 lost+found/",
            "1 .ipynb_checkpoints/",
            "Notes on train and test:\n  photos: reading val, not test",
            // What can be read, but is odd.
            "without an end marker",
            "with an EXIF orientation (see --exif)",
            "1 image is in both train and test, so test results are too good: remove",
            "1 image occurs more than once, with different labels: keep the right ones",
            "and 56 more",
            "1 class is missing in train: horse",
            "2 classes are missing in test: dog, horse",
            "3 faults of the folder prevent training",
            "9 of 83 images cannot be read: repair or remove them, or exclude them with --exclude",
        ],
    );
    assert!(text.len() < 7000, "{} characters\n{text}", text.len());

    // All files can be left out, whatever their names; the folders remain.
    let (code, text) = check(&sandbox, &["photos", "--exclude"]);
    assert_eq!(code, Some(1), "{text}");
    each_once(&text, &["9 of 83 images cannot be read and are now excluded", "3 faults of the folder"]);
    for folder in ["photos/train/horse", "photos/val/bird"] {
        std::fs::remove_dir_all(sandbox.path(folder)).unwrap();
    }
    std::fs::remove_file(sandbox.path("photos/train/loose.png")).unwrap();
    let (code, text) = check(&sandbox, &["photos"]);
    assert_eq!(code, Some(0), "{text}");
    each_once(&text, &["leaving out 8 images", "leaving out 1 image ", "All 74 images can be read"]);
}

/// Gray masks beside pictures, with one instance of each fault.
fn mask_faults(sandbox: &Sandbox) {
    let mask = |name: &str, [height, width]: [u32; 2], value: u8| {
        let path = sandbox.path(&format!("masks/masks/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(width, height, Luma([value])).save(path).unwrap();
    };
    let picture = |name: &str, color| save(sandbox, &format!("masks/images/{name}"), [2, 3], color);
    for (number, name) in (0..).zip(["good", "lossy", "colored", "small", "unknown", "alone"]) {
        picture(&format!("train/{name}.png"), number);
    }
    picture("val/good.png", 50);
    for (name, size, value) in [
        ("train/good.png", [2, 3], 0),
        ("train/small.png", [1, 3], 0),
        ("train/unknown.png", [2, 3], 7),
        ("train/orphan.png", [2, 3], 1),
        ("val/good.png", [2, 3], 1),
    ] {
        mask(name, size, value);
    }
    let jpeg = GrayImage::from_pixel(3, 2, Luma([1]));
    jpeg.save(sandbox.path("masks/masks/train/lossy.jpg")).unwrap();
    save(sandbox, "masks/masks/train/colored.png", [2, 3], 200);
    write(sandbox, "masks/images/train/turned.jpg", &turned(&fixture("plain.jpg"), 6));
    let [height, width] = {
        let picture = image::open(sandbox.path("masks/images/train/turned.jpg")).unwrap();
        [picture.height(), picture.width()]
    };
    mask("train/turned.png", [width, height], 0);
    write(sandbox, "masks/masks/train/Thumbs.db", b"\0");
    write(sandbox, "masks/palette.txt", b"0 0 0 ground\n9 9 9 thing\n");
}

#[test]
fn every_fault_of_masks_is_named_on_one_screen() {
    let sandbox = Sandbox::empty();
    mask_faults(&sandbox);
    let (code, text) = check(&sandbox, &["masks"]);
    assert_eq!(code, Some(1));
    each_once(
        &text,
        &[
            "alone.png has no mask of the same name in masks/masks/train: add it, or remove the image",
            "orphan.png has no image of the same name in masks/images/train: add it, or remove the mask",
            "lossy.jpg is a JPEG file, which does not keep values exactly: masks must be lossless",
            "has the color 200 10 20, which stands for none of the 2 classes",
            "has the value 7, which stands for none of the 2 classes",
            "To fix: correct the mask or name the class",
            "small.png has 1 x 3 pixels, but",
            "masks/images/train/small.png says 2 x 3: put files of the same image there",
            "turned.png has",
            "(--exif apply, data.exif)",
            "1 Thumbs.db",
            "2 faults of the folder prevent training",
            "5 of 7 images cannot be read",
        ],
    );
    // Turned upright, its mask fits.
    let (_, text) = check(&sandbox, &["masks", "--exif", "apply"]);
    each_once(&text, &["4 of 7 images cannot be read"]);
    assert!(!text.contains("turned.png"), "{text}");
}

#[test]
fn sets_that_cannot_be_opened_hide_nothing_else() {
    let sandbox = Sandbox::empty();
    mask_faults(&sandbox);
    write(&sandbox, "masks/images/train/cut.png", b"\x89PNG\r\n\x1a\n");
    std::fs::remove_file(sandbox.path("masks/palette.txt")).unwrap();
    let (code, text) = check(&sandbox, &["masks", "--task", "masks"]);
    assert_eq!(code, Some(1));
    each_once(
        &text,
        &[
            "1 in neither set cannot be read (damaged):\n  masks/images/train/cut.png is damaged",
            "neither set can be opened: masks/palette.txt is missing",
            "1 of 17 files cannot be read",
        ],
    );

    // A folder without test images: the others are checked as they are.
    photos(&sandbox);
    std::fs::remove_dir_all(sandbox.path("photos/val")).unwrap();
    write(&sandbox, "photos/train/cat/page.png", b"<html>");
    std::fs::create_dir(sandbox.path("photos/train/horse")).unwrap();
    let (code, text) = check(&sandbox, &["photos"]);
    assert_eq!(code, Some(1));
    each_once(
        &text,
        &[
            "page.png is an HTML page",
            "1 class folder without images: horse",
            "the test set cannot be opened: photos/val is missing",
            "1 of 10 images cannot be read",
        ],
    );
}

#[test]
fn every_fault_of_coco_annotations_is_named_on_one_screen() {
    let sandbox = Sandbox::empty();
    let image = |id: u32, name: &str, size: [u32; 2]| {
        format!(r#"{{"id": {id}, "file_name": "{name}", "height": {}, "width": {}}}"#, size[0], size[1])
    };
    let annotation = |id: u32, more: &str| {
        format!(
            r#"{{"id": {id}, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 9, "bbox": [0, 0, 3, 3],
                {more}}}"#
        )
    };
    let good = |id| annotation(id, r#""segmentation": [[0, 0, 3, 0, 3, 3, 0, 3]]"#);
    let (jpeg, [height, width]) = (fixture("plain.jpg"), {
        let picture = image::load_from_memory(&fixture("plain.jpg")).unwrap();
        [picture.height(), picture.width()]
    });
    let images = [
        image(1, "a.png", [40, 40]),
        image(2, "gone.png", [40, 40]),
        image(3, "turned.jpg", [width, height]),
        image(4, "small.png", [40, 40]),
        image(5, "page.png", [40, 40]),
        r#"{"id": 6, "file_name": "a.png", "width": 40}"#.to_owned(),
    ];
    let annotations = [
        good(1),
        annotation(2, r#""segmentation": []"#),
        annotation(3, r#""segmentation": [[0, 0, 1, 1]]"#),
        annotation(4, r#""segmentation": [[0, 0, 1, 1, 2, 2, 3]]"#),
        annotation(5, r#""x": 1"#),
        good(6).replace("\"image_id\": 1", "\"image_id\": 77"),
        good(7).replace("\"category_id\": 1", "\"category_id\": 77"),
        good(8).replace("[0, 0, 3, 3]", "[0, 0, 0, 3]"),
        good(9).replace("\"bbox\"", "\"none\""),
    ];
    let json = format!(
        r#"{{"images": [{}], "annotations": [{}], "categories": [{{"id": 1, "name": "cat"}}]}}"#,
        images.join(", "),
        annotations.join(", ")
    );
    for split in ["train", "val"] {
        write(&sandbox, &format!("set/annotations/instances_{split}.json"), json.as_bytes());
        save(&sandbox, &format!("set/{split}/a.png"), [40, 40], split.len() as u8);
        save(&sandbox, &format!("set/{split}/small.png"), [30, 40], 40 + split.len() as u8);
        write(&sandbox, &format!("set/{split}/turned.jpg"), &turned(&jpeg, 6));
        write(&sandbox, &format!("set/{split}/page.png"), b"<html>");
    }
    let args = ["set", "--task", "coco-instances"];
    let (code, text) = check(&sandbox, &args);
    assert_eq!(code, Some(1));
    let train: String = text.lines().filter(|line| !line.contains("instances_val.json: ")).collect();
    for expected in [
        "1 image is passed over because its file is missing (id 2: \"gone.png\")",
        "1 image is passed over because `height` is missing (id 6)",
        "the segmentation has no polygon (id 2)",
        "a polygon has fewer than three corners (id 3)",
        "a polygon has an odd number of coordinates (id 4)",
        "there is no segmentation (id 5)",
        "there is no usable image of this id (id 6)",
        "there is no such category (id 7)",
        "the box or the area is empty",
        "1 annotation has no usable `bbox`",
    ] {
        assert_eq!(train.matches(expected).count(), 1, "{expected}\n{text}");
    }
    each_once(
        &text,
        &[
            "cannot be read (not an image):",
            "cannot be read (size differs):",
            "(--exif apply, data.exif)",
            "instances_val.json says 40 x 40: put files of the same image there",
        ],
    );
}
