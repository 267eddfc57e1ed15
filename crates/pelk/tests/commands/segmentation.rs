//! Segmentation from scenes and from files: training, measuring, pictures, and data that cannot be used.

use crate::sandbox::{Sandbox, refuse, succeed};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::path::Path;
use std::process::Command;

/// A small network.
pub const NETWORK: [&str; 8] = [
    "model.depths=[1, 1]",
    "model.widths=[8, 16]",
    "model.kernels=[7, 5]",
    "model.upernet={ channels = 8, auxiliary_channels = 4, pools = [1, 2] }",
    "batch.size=4",
    "batch.evaluation_size=3",
    "schedule.evaluate_every=3",
    "schedule.warmup_steps=2",
];
/// A few scenes.
const SCENES: [&str; 3] = [
    "data.canvases={ train = 24, test = 8 }",
    "data.scenes={ size = [48, 40], shelves = [0, 0], items = [2, 4], sides = [16, 30] }",
    "schedule.steps=6",
];
/// Square crops from pictures of different sizes.
pub const FILES: &str =
    "data.augmentation={ crop_padding = 0, crop_size = 32, scale = [0.5, 2.0], crop_max_share = 0.75 }";

fn train(sandbox: &Sandbox, data: &str, out: &str, settings: &[&str]) -> Command {
    let settings = NETWORK.iter().chain(settings).flat_map(|setting| ["--set", setting]);
    sandbox.pelk(["train", "--preset", "scenes", "--data", data, "--out", out].into_iter().chain(settings))
}

/// The numbers of the last line of a run's metrics.
fn last_row(sandbox: &Sandbox, run: &str) -> Vec<f64> {
    let lines = sandbox.metrics(run);
    // The columns of averaged weights are empty.
    lines.last().unwrap().split(',').map(|field| field.parse().unwrap_or(f64::NAN)).collect()
}

/// The number that `eval` prints next to this name.
fn printed(out: &str, name: &str) -> f64 {
    let line = out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}:\n{out}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn scenes_are_trained_measured_and_drawn() {
    let sandbox = Sandbox::new();
    let out = succeed(&mut train(&sandbox, "images", "run", &SCENES));
    assert!(
        out.contains("24 training and 8 test images") && out.contains("open run/predictions.png"),
        "{out}"
    );
    let sheet = image::open(sandbox.path("run/predictions.png")).unwrap();
    assert!(sheet.width() > 6 * 40 && sheet.height() > 4 * 48, "{} x {}", sheet.width(), sheet.height());
    let header = String::from_utf8(sandbox.read("run/metrics.csv")).unwrap();
    assert!(header.contains(",test_accuracy,test_top5_accuracy,test_mean_iou,"));

    // `eval` of the last weights agrees with the last line.
    let eval = |more: &[&str]| {
        let args = ["eval", "--data", "images", "--checkpoint", "run/last.safetensors"];
        succeed(&mut sandbox.pelk(args.into_iter().chain(more.iter().copied())))
    };
    let row = last_row(&sandbox, "run");
    for more in [&[][..], &["--batch", "1"], &["--folded"], &["--window", "48", "--stride", "32"]] {
        let out = eval(more);
        assert!((printed(&out, "aAcc") - 100.0 * row[5]).abs() < 0.011, "{row:?}\n{out}");
        assert!((printed(&out, "mIoU") - 100.0 * row[7]).abs() < 0.011, "{row:?}\n{out}");
        assert!((printed(&out, "loss") - row[4]).abs() < 1e-4, "{row:?}\n{out}");
        assert!(out.contains("mAcc") && out.contains("background") && out.contains("Ankle boot"), "{out}");
    }
    // Other options give other results.
    for more in [&["--window", "32"][..], &["--scales", "0.5,1,1.5"], &["--flip"]] {
        assert_ne!(printed(&eval(more), "loss"), printed(&eval(&[]), "loss"), "{more:?}");
    }

    // A run in two halves has the same weights.
    let limit = |out| {
        let mut command = train(&sandbox, "images", out, &SCENES);
        command.args(["--max-steps", "4"]);
        command
    };
    succeed(&mut limit("halves"));
    assert!(!sandbox.path("halves/predictions.png").exists(), "a sheet is made at the end");
    succeed(&mut sandbox.resume("halves", &[]));
    sandbox.assert_same_run("run", "halves");
}

#[test]
fn a_prediction_is_the_picture_under_colors_with_a_legend() {
    let sandbox = Sandbox::new();
    succeed(&mut train(&sandbox, "images", "run", &SCENES));
    // Of any size, not just the training size.
    RgbImage::from_fn(70, 50, |x, y| Rgb([x as u8 * 3, 200, y as u8 * 5]))
        .save(sandbox.path("a view.png"))
        .unwrap();
    GrayImage::from_pixel(40, 48, Luma([90])).save(sandbox.path("gray.jpg")).unwrap();
    let predict = |out: &str| {
        let args =
            ["predict", "--checkpoint", "run/best.safetensors", "--out", out, "a view.png", "gray.jpg"];
        sandbox.pelk(args)
    };
    let out = succeed(&mut predict("views"));
    assert!(out.contains("a view.png: views/a view.png") && out.contains("pixels"), "{out}");
    for (name, [width, height]) in [("a view", [70, 50]), ("gray", [40, 48])] {
        let picture = image::open(sandbox.path("views").join(format!("{name}.png"))).unwrap();
        let factor = picture.width() / width;
        assert!(factor >= 8 && picture.width() == factor * width, "{name}: {} wide", picture.width());
        assert!(picture.height() > factor * height, "{name}: no room for a legend");
    }
    let args = ["predict", "--checkpoint", "run/best.safetensors", "no-such.png"];
    refuse(&mut sandbox.pelk(args), &["cannot read no-such.png"]);
    std::fs::write(sandbox.path("file"), "mine").unwrap();
    refuse(&mut predict("file"), &["cannot create file"]);
    // A classifier draws nothing and cannot use windows.
    sandbox.trained("classifier", 4);
    let args = ["eval", "--data", "images", "--checkpoint", "classifier/best.safetensors", "--flip"];
    refuse(&mut sandbox.pelk(args), &["model.upernet"]);
}

#[test]
fn written_scenes_are_trained_on_in_both_layouts() {
    let sandbox = Sandbox::new();
    for layout in ["ade20k", "coco"] {
        let write = |more: &[&str]| {
            let args = ["data", "write", "--layout", layout, "--out", layout, "--data", "images"];
            let size = ["--train", "12", "--test", "4", "--set", "size=[60,70]", "--set", "shelves=[1,3]"];
            sandbox.pelk(args.into_iter().chain(size).chain(more.iter().copied()))
        };
        let out = succeed(&mut write(&[]));
        assert!(out.contains("12 train scenes in") && out.contains("4 test scenes in"), "{out}");
        refuse(&mut write(&[]), &["into another folder"]);
        let dataset = format!("data.dataset={layout}");
        succeed(&mut train(
            &sandbox,
            layout,
            &format!("run-{layout}"),
            &[&dataset, FILES, "schedule.steps=3"],
        ));
        let show = ["data", "show", "--task", layout, "--data", layout, "--test", "--count", "4"];
        let picture = format!("{layout}.png");
        succeed(&mut sandbox.pelk(show.into_iter().chain(["--out", &picture])));
        assert!(image::open(sandbox.path(&picture)).unwrap().width() > 4 * 192);
    }
    // The same pictures, hence the same pixels of each class. (ADE20K's value 0 is none of the classes, so
    // background is one.)
    let shares = |layout: &str| {
        let checkpoint = format!("run-{layout}/best.safetensors");
        let out = succeed(&mut sandbox.pelk(["eval", "--data", layout, "--checkpoint", &checkpoint]));
        let shares = out.lines().filter(|line| line.contains('%')).take(11);
        shares.map(|line| line.split('%').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shares("ade20k"), shares("coco"));
}

/// A set of four pictures with masks of two classes in the folder `set`.
fn masks(sandbox: &Sandbox) {
    for split in ["train", "test"] {
        for i in 0..4 {
            let [pictures, masks] =
                ["images", "masks"].map(|kind| sandbox.path("set").join(kind).join(split));
            for folder in [&pictures, &masks] {
                std::fs::create_dir_all(folder).unwrap();
            }
            let picture = RgbImage::from_fn(40, 36, |x, y| Rgb([x as u8 * 6, 9 * i, y as u8 * 7]));
            picture.save(pictures.join(format!("{i}.jpg"))).unwrap();
            let mask =
                RgbImage::from_fn(40, 36, |x, _| if x < 20 { Rgb([0, 0, 0]) } else { Rgb([255, 0, 0]) });
            mask.save(masks.join(format!("{i}.png"))).unwrap();
        }
    }
    std::fs::write(sandbox.path("set/palette.txt"), "0 0 0 ground\n255 0 0 roof\n").unwrap();
}

#[test]
fn test_images_without_a_label_are_measured_as_none_and_never_the_best() {
    let sandbox = Sandbox::new();
    masks(&sandbox);
    for i in 0..4 {
        let unlabeled = GrayImage::from_pixel(40, 36, Luma([255]));
        unlabeled.save(sandbox.path(&format!("set/masks/test/{i}.png"))).unwrap();
    }
    let steps = ["data.dataset=masks", FILES, "schedule.steps=3"];
    let said = succeed(&mut train(&sandbox, "set", "run", &steps));
    assert!(said.contains("Test mIoU none at the end (best none)"), "{said}");
    let lines = sandbox.metrics("run");
    assert!(lines.last().unwrap().contains(",none,none,none,none,"), "{lines:?}");
    assert!(!sandbox.path("run/best.safetensors").exists() && sandbox.path("run/curves.svg").exists());
    let eval = ["eval", "--checkpoint", "run/last.safetensors", "--data", "set"];
    let said = succeed(&mut sandbox.pelk(eval));
    for name in ["mIoU", "mAcc", "aAcc", "loss"] {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some("none"), "{said}");
    }
    let json = succeed(&mut sandbox.pelk(eval.into_iter().chain(["--json", "-"])));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["scores"]["mean_iou"].is_null() && json["scores"]["loss"].is_null(), "{json}");
    let train = ["--train", "--json", "-"];
    let json = succeed(&mut sandbox.pelk(eval.into_iter().chain(train)));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["scores"]["mean_iou"].is_f64(), "{json}");
}

#[test]
fn pictures_and_masks_that_do_not_fit_are_refused_by_name() {
    let sandbox = Sandbox::new();
    masks(&sandbox);
    let steps = ["data.dataset=masks", FILES, "schedule.steps=3"];
    succeed(&mut train(&sandbox, "set", "run", &steps));
    let set = sandbox.path("set");
    let with = |file: &str, change: &dyn Fn(&Path), words: &[&str]| {
        let path = set.join(file);
        let good = std::fs::read(&path).unwrap();
        change(&path);
        refuse(&mut train(&sandbox, "set", "refused", &steps), words);
        std::fs::write(&path, good).unwrap();
        // A mask is only read when it is needed, after the run has begun.
        if sandbox.path("refused").exists() {
            std::fs::remove_dir_all(sandbox.path("refused")).unwrap();
        }
    };
    let one_mask = "masks/train/2.png";
    with(
        one_mask,
        &|path| GrayImage::new(40, 35).save(path).unwrap(),
        &[one_mask, "35 x 40", "2.jpg", "36 x 40"],
    );
    let beyond = GrayImage::from_fn(40, 36, |x, y| Luma([u8::from((x, y) == (7, 5)) * 2]));
    with(
        one_mask,
        &|path| beyond.save(path).unwrap(),
        &[one_mask, "row 5, column 7", "value 2", "2 classes"],
    );
    let unknown = RgbImage::from_pixel(40, 36, Rgb([1, 2, 3]));
    with(one_mask, &|path| unknown.save(path).unwrap(), &[one_mask, "color 1 2 3"]);
    with(one_mask, &|path| std::fs::remove_file(path).unwrap(), &["images/train/2.jpg", "no mask"]);
    with(
        "images/test/1.jpg",
        &|path| std::fs::remove_file(path).unwrap(),
        &["masks/test/1.png", "no image of the same name"],
    );
    with(
        "images/train/3.jpg",
        &|path| std::fs::write(path, "no picture").unwrap(),
        &["images/train/3.jpg", "not an image"],
    );
    with(
        "palette.txt",
        &|path| std::fs::write(path, "0 0 0 ground\n255 0 roof\n").unwrap(),
        &["line 2", "palette.txt"],
    );
    with("palette.txt", &|path| std::fs::remove_file(path).unwrap(), &["palette.txt is missing"]);
    refuse(&mut train(&sandbox, "nowhere", "refused", &steps), &["nowhere", "is missing", "palette.txt"]);
    let uncut = ["data.dataset=masks", "schedule.steps=3"];
    refuse(&mut train(&sandbox, "set", "refused", &uncut), &["crop_size", "differ in size"]);
    succeed(&mut train(&sandbox, "set", "again", &steps));
    sandbox.assert_same_run("run", "again");
}

#[test]
fn weights_of_a_file_start_a_network_that_they_fit() {
    let sandbox = Sandbox::new();
    // Scenes have three channels: a classifier of gray images does not fit.
    sandbox.trained("gray", 4);
    let start = |out: &str, weights: &str| {
        let mut command = train(&sandbox, "images", out, &SCENES);
        command.args(["--weights", weights]);
        command
    };
    refuse(
        &mut start("refused", "gray/best.safetensors"),
        &["gray/best.safetensors", "downsample_layers.0.0.weight", "another backbone"],
    );
    refuse(&mut start("refused", "missing.safetensors"), &["missing.safetensors"]);
    assert!(!sandbox.path("refused").exists());
    succeed(&mut train(&sandbox, "images", "first", &SCENES));
    let out = succeed(&mut start("second", "first/best.safetensors"));
    assert!(out.contains("from first/best.safetensors; newly initialized: none"), "{out}");
    assert_ne!(last_row(&sandbox, "first"), last_row(&sandbox, "second"));
}
