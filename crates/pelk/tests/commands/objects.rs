//! Boxes and masks of objects: `data write`, `data check` and `data show`.

use crate::sandbox::{Sandbox, refuse, succeed};

/// A folder `set` with scenes in COCO's layout.
fn written() -> Sandbox {
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
    let notes = String::from_utf8(check().stderr).unwrap();
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
