//! Boxes and masks of objects: `data write`, `data check` and `data show`, and a detector from training to
//! predictions.

use crate::sandbox::{Sandbox, refuse, succeed};
use pelk_train::Checkpoint;
use std::process::Command;

/// A small detector on a few scenes.
pub const DETECTOR: [&str; 10] = [
    "model.depths=[1, 1]",
    "model.widths=[8, 16]",
    "model.kernels=[7, 5]",
    "model.cascade={ channels = 8, anchor_scales = [3.0], box_convs = 1, box_features = 16, mask_convs = 1 }",
    "data.canvases={ train = 8, test = 3 }",
    "data.scenes={ size = [64, 80], shelves = [0, 0], items = [2, 3], sides = [20, 40] }",
    "batch.size=2",
    "schedule.steps=2",
    "schedule.evaluate_every=2",
    "schedule.warmup_steps=1",
];

fn train(sandbox: &Sandbox, out: &str) -> Command {
    let settings = DETECTOR.iter().flat_map(|setting| ["--set", setting]);
    let args = ["train", "--preset", "scenes-detection", "--data", "images", "--out", out];
    sandbox.pelk(args.into_iter().chain(settings))
}

/// A folder `set` with scenes in COCO's layout.
pub fn written() -> Sandbox {
    let sandbox = Sandbox::new();
    let write = ["data", "write", "--layout", "coco", "--out", "set", "--data", "images"];
    let size = ["--train", "6", "--test", "3", "--set", "size=[60,70]", "--set", "shelves=[0,0]"];
    succeed(&mut sandbox.pelk(write.into_iter().chain(size)));
    sandbox
}

#[test]
fn annotations_are_checked_and_what_is_passed_over_is_counted() {
    let sandbox = written();
    let check = || sandbox.pelk(["data", "check", "set", "--task", "coco-instances"]).output().unwrap();
    let (out, errors) = (check().stdout, check().stderr);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("set: coco-instances\n") && text.contains("10 classes, objects per class"),
        "{text}"
    );
    assert!(text.ends_with("All 9 images can be read\n") && errors.is_empty(), "{text}");

    let path = sandbox.path("set/annotations/instances_train.json");
    let file = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&file).unwrap();
    json["annotations"][0]["category_id"] = 77.into();
    json["annotations"][1]["bbox"][2] = 0.into();
    let ids = [0, 1].map(|i| json["annotations"][i]["id"].clone());
    std::fs::write(&path, json.to_string()).unwrap();
    let notes = String::from_utf8(check().stdout).unwrap();
    for (id, reason) in ids.iter().zip(["there is no such category", "the box or the area is empty"]) {
        let known = notes.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{notes}"));
        assert!(known.contains("instances_train.json: 1 annotation is passed over"), "{known}");
        assert!(known.contains(&format!("(id {id})")), "{known}");
    }
    std::fs::write(&path, &file[..file.len() / 2]).unwrap();
    let args = ["data", "check", "set", "--task", "coco-instances"];
    refuse(&mut sandbox.pelk(args), &["instances_train.json is damaged"]);
}

#[test]
fn annotation_files_are_named_for_training_and_evaluation() {
    let sandbox = written();
    let moved = |from: &str, to: &str| {
        std::fs::rename(sandbox.path(&format!("set/annotations/{from}")), sandbox.path(to)).unwrap();
    };
    moved("instances_train.json", "mine_train.json");
    moved("instances_val.json", "set/held-out.json");
    let both = ["--annotations", "mine_train.json", "--annotations", "held-out.json"];
    let check = succeed(&mut sandbox.pelk(["data", "check", "set"].into_iter().chain(both)));
    assert!(check.contains("set: coco\n") && check.ends_with("All 9 images can be read\n"), "{check}");

    let train = |more: &[&str]| {
        let dataset = ["--set", "data.dataset=coco-instances", "--set", "data.evaluation.fit=[64, 64]"];
        let args = ["train", "--preset", "scenes-detection", "--data", "set", "--out", "run", "--seed", "1"];
        let settings = DETECTOR.iter().flat_map(|setting| ["--set", setting]);
        sandbox.pelk(args.into_iter().chain(settings).chain(dataset).chain(more.iter().copied()))
    };
    refuse(&mut train(&[]), &["instances_train.json is missing"]);
    succeed(&mut train(&both));
    let config = std::fs::read_to_string(sandbox.path("run/config.toml")).unwrap();
    assert!(config.contains("mine_train.json\", \"held-out.json\"]"), "{config}");
    let eval = ["eval", "--checkpoint", "run/last.safetensors"];
    let text = succeed(&mut sandbox.pelk(eval));
    assert!(text.contains("3 test images of coco-instances"), "{text}");
    // One file is measured whole.
    let text = succeed(&mut sandbox.pelk(eval.into_iter().chain(["--annotations", "mine_train.json"])));
    assert!(text.contains("6 test images of coco-instances"), "{text}");
    let show = ["data", "show", "--task", "folder", "--data", "set", "--annotations", "held-out.json"];
    refuse(&mut sandbox.pelk(show), &["data.annotations`: is set, but folder has no such files"]);
}

#[test]
fn objects_are_drawn_as_they_are_and_as_a_detector_sees_them() {
    let sandbox = written();
    for (task, data) in [("coco-instances", "set"), ("scenes-instances", "images")] {
        let show = ["data", "show", "--task", task, "--data", data, "--count", "4", "--out", "raw.png"];
        let out = succeed(&mut sandbox.pelk(show));
        assert!(out.contains("train images of"), "{out}");
        // Two rows of two images, enlarged to at least 288 pixels.
        let sheet = image::open(sandbox.path("raw.png")).unwrap();
        assert!(sheet.height() >= 2 * 288 && sheet.width() >= 2 * 288, "{sheet:?}");
    }
    let config = "model.name = \"pelk_atto\"
        [data]
        dataset = \"coco-instances\"
        augmentation.crop_padding = 0
        augmentation.multiscale = { long = 120, short = [64, 80], crop_short = [50], crop_sides = [32, 48] }
        evaluation.fit = [100, 80]";
    std::fs::write(sandbox.path("config.toml"), config).unwrap();
    let show = |more: &[&str]| {
        let args = ["data", "show", "--config", "config.toml", "--data", "set", "--set", "batch.size=2"];
        sandbox.pelk(args.into_iter().chain(more.iter().copied()))
    };
    let out = succeed(&mut show(&["--batches", "3", "--out", "train.png"]));
    assert!(out.contains("3 batches of 2 train images") && out.contains("with their objects"), "{out}");
    // The mean color of the padding and the tints of masks.
    let sheet = image::open(sandbox.path("train.png")).unwrap().into_rgb8();
    assert!(sheet.height() >= 3 * 288 && sheet.width() >= 2 * 288, "{:?}", sheet.dimensions());
    let out = succeed(&mut show(&["--test", "--out", "test.png"]));
    assert!(out.contains("batches of 1 test images of 96 x 96 pixels"), "{out}");
    let padding = ["--set", "data.augmentation.crop_padding=4"];
    refuse(&mut show(&padding), &["crop_padding is 4, but must be 0", "objects"]);
    refuse(&mut show(&["--set", "data.evaluation={}", "--test"]), &["evaluation.fit is [0, 0]"]);
}

#[test]
fn a_detector_run_ends_with_a_sheet_of_truth_and_predictions() {
    let sandbox = Sandbox::new();
    let mut half = train(&sandbox, "half");
    half.args(["--max-steps", "1"]);
    succeed(&mut half);
    assert!(!sandbox.path("half/predictions.png").exists(), "a sheet is made at the end");
    let out = succeed(&mut train(&sandbox, "run"));
    assert!(out.contains("open run/predictions.png"), "{out}");
    // Three images, two in a row, each twice and enlarged to 5 x 64 = 320 rows, below the headings.
    let sheet = image::open(sandbox.path("run/predictions.png")).unwrap().into_rgb8();
    assert!(sheet.width() > 4 * 400 && sheet.width() < 4 * 400 + 40, "{:?}", sheet.dimensions());
    assert!(sheet.height() > 2 * 320 && sheet.height() < 2 * 320 + 40, "{:?}", sheet.dimensions());
    // The fourth image does not exist.
    let place = |row: u32, column: u32| {
        let tile = image::imageops::crop_imm(&sheet, 404 * column + 10, 324 * row + 40, 380, 270).to_image();
        tile.pixels().all(|pixel| pixel.0 == [255; 3])
    };
    assert_eq!([0, 1, 2, 3].map(|column| place(0, column)), [false; 4]);
    assert_eq!([0, 1, 2, 3].map(|column| place(1, column)), [false, false, true, true]);
}

#[test]
fn on_shelves_a_detector_is_measured_by_distance() {
    let sandbox = Sandbox::new();
    succeed(train(&sandbox, "run").args(["--set", "data.scenes.shelves=[1, 2]"]));
    let eval = ["eval", "--checkpoint", "run/last.safetensors", "--data", "images", "--results", "out.json"];
    let out = succeed(&mut sandbox.pelk(eval));
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = rows.iter().position(|row| *row == ["group", "objects", "box", "AP", "mask", "AP"]);
    let table = &rows[head.unwrap_or_else(|| panic!("{out}"))..][..5];
    let names: Vec<&str> = table[2..].iter().map(|row| row[0]).collect();
    assert_eq!(names, ["d<16", "d16-32", "d>=32"]);

    let csv = String::from_utf8(sandbox.read("run/groups.csv")).unwrap();
    assert!(csv.starts_with("epoch,step,group,objects,box_ap,mask_ap\n"), "{csv}");
    for row in &table[2..] {
        let start = format!(",2,{},{},", row[0], row[1]);
        assert!(csv.lines().any(|line| line.contains(&start)), "{start} is missing: {csv}");
    }

    // Without shelves nothing outside an item shows its class.
    succeed(&mut train(&sandbox, "plain"));
    assert!(!sandbox.path("plain/groups.csv").exists());
}

#[test]
fn a_folded_detector_is_measured_and_predicts_like_the_original() {
    let sandbox = Sandbox::new();
    succeed(&mut train(&sandbox, "run"));
    let fold = |more: &[&str]| {
        let args = ["fold", "--checkpoint", "run/last.safetensors"];
        sandbox.pelk(args.into_iter().chain(more.iter().copied()))
    };
    let out = succeed(&mut fold(&["--data", "images"]));
    for words in ["compared on 3 test images of scenes-instances", "in 0 of 3 images", "at 0 of ", " boxes\n"]
    {
        assert!(out.contains(words), "{words:?} is missing: {out}");
    }
    let found =
        out.lines().find_map(|line| line.strip_prefix("objects found")).unwrap_or_else(|| panic!("{out}"));
    assert!(!found.trim().starts_with("0 "), "{out}");
    let folded = Checkpoint::read(&sandbox.path("run/last.folded.safetensors")).unwrap();
    assert!(folded.description.network.folded);
    assert!(folded.tensors.keys().all(|name| !name.contains("_bn.") && !name.contains("running")));

    // `predict` folds an unfolded network itself, so the results are equal to the last bit.
    image::RgbImage::from_fn(70, 50, |x, y| image::Rgb([x as u8 * 3, 200, y as u8 * 5]))
        .save(sandbox.path("view.png"))
        .unwrap();
    for form in ["last", "last.folded"] {
        let (checkpoint, results) = (format!("run/{form}.safetensors"), format!("{form}.json"));
        let args = ["predict", "--checkpoint", &checkpoint, "--out", form, "--results", &results, "view.png"];
        succeed(&mut sandbox.pelk(args));
    }
    assert!(sandbox.read("last.json") == sandbox.read("last.folded.json"));
    assert!(sandbox.read("last/view.png") == sandbox.read("last.folded/view.png"));

    // Evaluated as trained, it finds as many objects with the same scores, up to rounding.
    let scores = |form: &str| {
        let (checkpoint, results) = (format!("run/{form}.safetensors"), format!("eval-{form}.json"));
        let args = ["eval", "--checkpoint", &checkpoint, "--data", "images", "--results", &results];
        let out = succeed(&mut sandbox.pelk(args));
        let speed =
            out.lines().find_map(|line| line.strip_prefix("speed")).unwrap_or_else(|| panic!("{out}"));
        let digits = speed.trim_start_matches([' ', '0', '.']).chars().filter(char::is_ascii_digit).count();
        assert!(digits >= 3, "three digits of the speed are wanted: {out}");
        let found: serde_json::Value = serde_json::from_slice(&sandbox.read(&results)).unwrap();
        let scores = found.as_array().unwrap().iter().map(|entry| entry["score"].as_f64().unwrap());
        scores.collect::<Vec<_>>()
    };
    let (original, folded) = (scores("last"), scores("last.folded"));
    assert!(original.len() > 10 && original.len() == folded.len(), "{} {}", original.len(), folded.len());
    assert!(original.iter().zip(&folded).all(|(a, b)| (a - b).abs() < 1e-4), "{original:?}\n{folded:?}");

    // Without the dataset, on image files.
    let out = succeed(&mut fold(&["--images", "view.png", "--out", "other.safetensors"]));
    assert!(out.contains("compared on 1 files"), "{out}");
    assert!(sandbox.read("other.safetensors") == sandbox.read("run/last.folded.safetensors"));
    refuse(
        &mut fold(&["--data", "images", "--tolerance", "0", "--out", "none.safetensors"]),
        &["do not agree"],
    );
    assert!(!sandbox.path("none.safetensors").exists());
}
