//! `data check` on small folders: contents, problems, and excluding files.

use crate::sandbox::{Sandbox, refuse, succeed};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::process::Output;

/// A picture in one color.
pub fn save(sandbox: &Sandbox, name: &str, [height, width]: [u32; 2], color: u8) {
    let path = sandbox.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(width, height, Rgb([color, 10, 20])).save(path).unwrap();
}

/// Two classes of different sizes, `train` and `val`.
pub fn photos(sandbox: &Sandbox) {
    for number in 0..6 {
        save(sandbox, &format!("photos/train/cat/{number}.png"), [20 + u32::from(number), 30], number);
    }
    for number in 0..3 {
        save(sandbox, &format!("photos/train/dog/{number}.jpg"), [40, 50], 100 + 20 * number);
    }
    save(sandbox, "photos/val/cat/0.png", [10, 10], 200);
}

/// Whether the table has a row with these cells.
fn has_row(text: &str, cells: &[&str]) -> bool {
    text.lines()
        .any(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).eq(cells.iter().copied()))
}

#[test]
fn a_folder_of_pictures_is_counted() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    GrayImage::from_pixel(8, 9, Luma([7])).save(sandbox.path("photos/val/dog.png")).unwrap();
    std::fs::create_dir(sandbox.path("photos/val/dog")).unwrap();
    std::fs::rename(sandbox.path("photos/val/dog.png"), sandbox.path("photos/val/dog/gray.jpg")).unwrap();
    let text = succeed(&mut sandbox.pelk(["data", "check", "photos"]));
    for row in [
        &["all", "9", "2"][..],
        &["cannot be read", "0", "0"],
        &["JPEG", "3", "0"],
        &["PNG", "6", "2"],
        &["gray", "0", "1"],
        &["with the extension of another format", "0", "1"],
        &["smallest, height x width", "20 x 30", "9 x 8"],
        &["median", "24 x 30", "9 x 8"],
        &["largest", "40 x 50", "10 x 10"],
        &["cat", "6", "1"],
        &["dog", "3", "1"],
    ] {
        assert!(has_row(&text, row), "{row:?}\n{text}");
    }
    assert!(text.starts_with("photos: folder\n") && text.ends_with("All 11 images can be read\n"), "{text}");
    assert!(!text.contains("more than once"), "{text}");
}

#[test]
fn images_that_are_there_twice_are_told_apart_by_what_that_does() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    save(&sandbox, "photos/val/cat/again.bmp", [22, 30], 2);
    save(&sandbox, "photos/train/dog/cat.png", [21, 30], 1);
    save(&sandbox, "photos/train/cat/twice.png", [20, 30], 0);
    let text = succeed(&mut sandbox.pelk(["data", "check", "photos"]));
    for (what, names) in [
        ("1 image is in both train and test", "train/cat/2.png = photos/val/cat/again.bmp"),
        (
            "1 image occurs more than once, with different labels",
            "train/cat/1.png = photos/train/dog/cat.png",
        ),
        ("1 image occurs more than once:", "train/cat/0.png = photos/train/cat/twice.png"),
        ("1 class is missing in test: dog", ""),
    ] {
        assert!(text.contains(what) && text.contains(names), "{what}\n{text}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_can_be_left_out() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    let whole = sandbox.read("photos/train/dog/0.jpg");
    std::fs::write(sandbox.path("photos/train/dog/0.jpg"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(sandbox.path("photos/val/cat/page.png"), "<html>").unwrap();
    let Output { status, stdout, stderr } = sandbox.pelk(["data", "check", "photos"]).output().unwrap();
    let (text, message) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(1));
    assert!(
        text.contains("1 in train cannot be read (damaged):\n  photos/train/dog/0.jpg is damaged"),
        "{text}"
    );
    assert!(
        text.contains("1 in test cannot be read (not an image):\n  photos/val/cat/page.png is an HTML page"),
        "{text}"
    );
    assert!(message.contains("2 of 11 images cannot be read: repair or remove them, or"), "{message}");
    assert!(!sandbox.path("photos/excluded.txt").exists(), "only on request");

    let text = succeed(&mut sandbox.pelk(["data", "check", "photos", "--exclude"]));
    assert!(
        text.contains("2 of 11 images cannot be read and are now excluded by photos/excluded.txt"),
        "{text}"
    );
    let list = String::from_utf8(sandbox.read("photos/excluded.txt")).unwrap();
    assert_eq!(list.lines().skip(1).collect::<Vec<_>>(), ["train/dog/0.jpg", "val/cat/page.png"]);

    // Now the reader skips them and says so; files damaged later are added to the list.
    let mut check = sandbox.pelk(["data", "check", "photos"]);
    let output = check.output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("Notes on train:\n  photos/train/: leaving out 1 image listed in photos/excluded.txt"),
        "{said}"
    );
    std::fs::write(sandbox.path("photos/train/dog/1.jpg"), &whole[..20]).unwrap();
    succeed(&mut sandbox.pelk(["data", "check", "photos", "--exclude"]));
    let list = String::from_utf8(sandbox.read("photos/excluded.txt")).unwrap();
    assert_eq!(
        list.lines().skip(1).collect::<Vec<_>>(),
        ["train/dog/0.jpg", "val/cat/page.png", "train/dog/1.jpg"]
    );
}

#[test]
fn other_layouts_are_recognized_and_their_errors_shown() {
    let sandbox = Sandbox::new();
    refuse(&mut sandbox.pelk(["data", "check", "images"]), &["IDX files", "--task mnist"]);
    let text = succeed(&mut sandbox.pelk(["data", "check", "images", "--task", "mnist"]));
    assert!(has_row(&text, &["all", "64", "32"]) && has_row(&text, &["7", "6", "3"]), "{text}");
    refuse(
        &mut sandbox.pelk(["data", "check", "images", "--task", "mnist", "--exclude"]),
        &["--exclude works only for images with files of their own"],
    );
    std::fs::write(sandbox.path("images/t10k-labels-idx1-ubyte"), [0, 0]).unwrap();
    refuse(
        &mut sandbox.pelk(["data", "check", "images", "--task", "mnist"]),
        &["the test set cannot be opened", "t10k-labels", "ends after 2"],
    );
    refuse(&mut sandbox.pelk(["data", "check", "nowhere"]), &["nowhere is not a folder"]);
    refuse(&mut sandbox.pelk(["data", "check", "run"]), &["run is not a folder"]);
    photos(&sandbox);
    save(&sandbox, "photos/val/horse/1.png", [5, 5], 1);
    refuse(&mut sandbox.pelk(["data", "check", "photos"]), &["1 fault of the folder prevents training"]);
    // Labels of pixels: a picture and its mask.
    save(&sandbox, "masks/images/train/1.png", [2, 3], 9);
    save(&sandbox, "masks/images/test/1.png", [2, 3], 8);
    for split in ["train", "test"] {
        std::fs::create_dir_all(sandbox.path(&format!("masks/masks/{split}"))).unwrap();
        GrayImage::from_pixel(3, 2, Luma([1]))
            .save(sandbox.path(&format!("masks/masks/{split}/1.png")))
            .unwrap();
    }
    std::fs::write(sandbox.path("masks/palette.txt"), "0 0 0 ground\n9 9 9 thing\n").unwrap();
    let text = succeed(&mut sandbox.pelk(["data", "check", "masks"]));
    assert!(text.starts_with("masks: masks\n") && has_row(&text, &["thing", "6", "6"]), "{text}");
    assert!(text.contains("1 class is missing in train: ground"), "{text}");
}

#[test]
fn a_format_that_is_not_read_is_named() {
    let sandbox = Sandbox::empty();
    std::fs::create_dir_all(sandbox.path("data/cifar-10-batches-py")).unwrap();
    for name in ["batches.meta", "data_batch_1", "test_batch"] {
        std::fs::write(sandbox.path(&format!("data/cifar-10-batches-py/{name}")), "x").unwrap();
    }
    let words = ["the Python version of CIFAR-10", "cifar-10-binary.tar.gz"];
    refuse(&mut sandbox.pelk(["data", "check", "data"]), &words);
    refuse(&mut sandbox.pelk(["data", "check", "data/cifar-10-batches-py"]), &words);
    refuse(&mut sandbox.pelk(["train", "--preset", "cifar10", "--data", "data", "--dry-run"]), &words);
}

#[test]
fn pictures_with_masks_can_be_left_out() {
    let sandbox = Sandbox::empty();
    for split in ["train", "test"] {
        for name in ["1.png", "2.png"] {
            save(&sandbox, &format!("masks/images/{split}/{name}"), [2, 3], 9);
            let mask = sandbox.path(&format!("masks/masks/{split}/{name}"));
            std::fs::create_dir_all(mask.parent().unwrap()).unwrap();
            GrayImage::from_pixel(3, 2, Luma([1])).save(mask).unwrap();
        }
        std::fs::write(sandbox.path(&format!("masks/masks/{split}/Thumbs.db")), "x").unwrap();
    }
    std::fs::write(sandbox.path("masks/palette.txt"), "\u{feff}0 0 0 ground\n9 9 9 thing\n").unwrap();
    std::fs::write(sandbox.path("masks/images/train/1.png"), "").unwrap();
    GrayImage::from_pixel(3, 2, Luma([7])).save(sandbox.path("masks/masks/train/2.png")).unwrap();
    save(&sandbox, "masks/images/train/3.png", [2, 3], 1);
    GrayImage::from_pixel(3, 2, Luma([0])).save(sandbox.path("masks/masks/train/3.png")).unwrap();
    let text = succeed(&mut sandbox.pelk(["data", "check", "masks", "--exclude"]));
    assert!(text.contains("2 of 5 images cannot be read and are now excluded"), "{text}");
    let text = succeed(&mut sandbox.pelk(["data", "check", "masks"]));
    assert!(text.contains("All 3 images can be read"), "{text}");
}
