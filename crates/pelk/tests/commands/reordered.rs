//! Data whose files list the classes in another order than those of the training, or other classes.

use crate::objects::{DETECTOR, written};
use crate::sandbox::{Sandbox, refuse, succeed};
use crate::segmentation::{FILES, NETWORK};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::{Value, json};

type Class = (&'static str, [u8; 3]);
const GROUND: Class = ("ground", [60, 40, 20]);
const ROOF: Class = ("roof", [200, 30, 30]);
const TREE: Class = ("tree", [20, 160, 40]);
const SKY: Class = ("sky", [90, 140, 250]);

/// A folder of pictures with masks of ground, roof and tree. The lines of the palette are these, and masks
/// have their colors or, if `numbered`, their numbers.
fn masks(sandbox: &Sandbox, folder: &str, palette: &[Class], numbered: bool) {
    let save = |kind: &str, split: &str, name: String| {
        let folder = sandbox.path(folder).join(kind).join(split);
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(name)
    };
    for (split, number) in ["train", "val"].into_iter().flat_map(|split| (0..4).map(move |i| (split, i))) {
        let class = |x: u32, y: u32| match (x + y / 3, y) {
            (0..12, _) => TREE,
            (_, 0..14) => ROOF,
            _ => GROUND,
        };
        let noise = |x: u32, y: u32| ((x * 7 + y * 13 + number * 5) % 40) as u8;
        let picture = RgbImage::from_fn(40, 36, |x, y| {
            Rgb(class(x, y).1.map(|value| value.saturating_add(noise(x, y))))
        });
        picture.save(save("images", split, format!("{number}.png"))).unwrap();
        let mask = save("masks", split, format!("{number}.png"));
        if numbered {
            let line = |x, y| palette.iter().position(|(_, color)| *color == class(x, y).1).unwrap() as u8;
            GrayImage::from_fn(40, 36, |x, y| Luma([line(x, y)])).save(mask).unwrap();
        } else {
            RgbImage::from_fn(40, 36, |x, y| Rgb(class(x, y).1)).save(mask).unwrap();
        }
    }
    let line = |(name, [r, g, b]): &Class| format!("{r} {g} {b} {name}\n");
    std::fs::write(sandbox.path(folder).join("palette.txt"), palette.iter().map(line).collect::<String>())
        .unwrap();
}

/// The results of an evaluation, and what was printed on standard error.
fn evaluated(sandbox: &Sandbox, more: &[&str]) -> (Value, String) {
    let eval = ["eval", "--checkpoint", "run/last.safetensors", "--json", "-"];
    let out = sandbox.pelk(eval.into_iter().chain(more.iter().copied())).output().unwrap();
    let notes = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{notes}");
    (serde_json::from_slice(&out.stdout).unwrap(), notes)
}

/// The values of one kind, one for each class.
fn of_classes(results: &Value, value: &str) -> Vec<Option<f64>> {
    results["classes"].as_array().unwrap().iter().map(|class| class[value].as_f64()).collect()
}

#[test]
fn pixels_are_measured_by_the_names_of_a_palette() {
    let sandbox = Sandbox::empty();
    masks(&sandbox, "set", &[GROUND, ROOF, TREE], false);
    masks(&sandbox, "rotated", &[TREE, GROUND, ROOF], false);
    masks(&sandbox, "numbered", &[ROOF, GROUND, TREE], true);
    masks(&sandbox, "fewer", &[TREE, ("ignored", ROOF.1), GROUND], false);
    masks(&sandbox, "renamed", &[GROUND, ("shed", ROOF.1), TREE], false);
    masks(&sandbox, "more", &[SKY, GROUND, ROOF, TREE], false);
    let train = |data: &'static str, more: &[&'static str]| {
        let settings = ["data.dataset=masks", FILES, "schedule.steps=8", "optimizer.learning_rate=0.01"];
        let settings = NETWORK.into_iter().chain(settings).flat_map(|setting| ["--set", setting]);
        let args = ["train", "--preset", "scenes", "--data", data].into_iter().chain(settings);
        sandbox.pelk(args.chain(more.iter().copied()))
    };
    succeed(&mut train("set", &["--out", "run"]));

    let (base, _) = evaluated(&sandbox, &[]);
    let values = of_classes(&base, "iou");
    // Else classes could be exchanged without notice.
    assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2], "{base}");
    assert!(base["scores"]["mean_iou"].as_f64().unwrap() > 0.0, "{base}");
    for data in ["rotated", "numbered"] {
        let (other, notes) = evaluated(&sandbox, &["--data", data]);
        assert_eq!((&other["scores"], &other["classes"]), (&base["scores"], &base["classes"]), "{data}");
        assert!(!notes.contains("of the network's"), "{notes}");
    }
    let (fewer, notes) = evaluated(&sandbox, &["--data", "fewer"]);
    assert!(notes.contains("2 of the network's 3 classes are in these data"), "{notes}");
    let recall = |results: &Value| of_classes(results, "recall");
    let all = recall(&base);
    assert_eq!(recall(&fewer), [all[0], None, all[2]]);

    for (data, words) in [
        ("renamed", ["unknown to the network: shed", "ground, shed, tree", "ground, roof, tree"]),
        (
            "more",
            ["unknown to the network: sky", "sky, ground, roof, tree", "in training ground, roof, tree"],
        ),
    ] {
        for command in ["eval", "fold"] {
            let args = [command, "--checkpoint", "run/last.safetensors", "--data", data];
            refuse(&mut sandbox.pelk(args), &words);
        }
    }

    // As initial weights, all of it is used, and each class has its own rows.
    let weights = ["--weights", "run/last.safetensors", "--dry-run"];
    let said = succeed(&mut train("rotated", &weights));
    assert!(said.contains("newly initialized: none"), "{said}");
    let words = "same classes in another order, so each took its values by its name, in 4 tensors";
    assert!(said.contains(words), "{said}");
    let said = succeed(&mut train("renamed", &weights));
    assert!(
        said.contains("newly initialized: 4 (") && said.contains("other classes (ground, roof"),
        "{said}"
    );
}

#[test]
fn objects_are_measured_by_the_names_of_categories() {
    let sandbox = written();
    let dataset = ["data.dataset=coco-instances", "data.evaluation.fit=[64, 64]"];
    let settings = DETECTOR.into_iter().chain(dataset).flat_map(|setting| ["--set", setting]);
    let train = ["train", "--preset", "scenes-detection", "--data", "set", "--out", "run"];
    succeed(&mut sandbox.pelk(train.into_iter().chain(settings)));

    // So short a training finds nothing, so what it finds is made the truth.
    evaluated(&sandbox, &["--results", "found.json"]);
    let read = |file: &str| -> Value { serde_json::from_slice(&sandbox.read(file)).unwrap() };
    let (mut truth, found) = (read("set/annotations/instances_val.json"), read("found.json"));
    let annotation = |(number, entry): (usize, &Value)| {
        let mut entry = entry.clone();
        let side = |place: usize| entry["bbox"][place].as_f64().unwrap();
        entry["area"] = json!(side(2) * side(3));
        entry["id"] = json!(number + 1);
        entry["iscrowd"] = json!(0);
        entry
    };
    truth["annotations"] = found.as_array().unwrap().iter().enumerate().step_by(2).map(annotation).collect();
    let write = |file: &str, truth: &Value| {
        std::fs::write(sandbox.path(file), truth.to_string()).unwrap();
    };
    write("same.json", &truth);
    let (base, notes) = evaluated(&sandbox, &["--annotations", "same.json", "--results", "same-found.json"]);
    let precisions = of_classes(&base, "box_ap");
    assert!(base["scores"]["box_ap"].as_f64().unwrap() > 0.1, "{base}\n{notes}");
    assert!(precisions.iter().any(|precision| *precision != precisions[0]), "{base}");

    let new_id = |id: &Value| json!(100 - 3 * id.as_u64().unwrap());
    let mut permuted = truth.clone();
    permuted["categories"].as_array_mut().unwrap().reverse();
    for category in permuted["categories"].as_array_mut().unwrap() {
        category["id"] = new_id(&category["id"]);
    }
    for annotation in permuted["annotations"].as_array_mut().unwrap() {
        annotation["category_id"] = new_id(&annotation["category_id"]);
    }
    write("permuted.json", &permuted);
    let (other, _) =
        evaluated(&sandbox, &["--annotations", "permuted.json", "--results", "permuted-found.json"]);
    assert_eq!((&other["scores"], &other["classes"]), (&base["scores"], &base["classes"]));
    // Files of results have the ids of the annotations that they belong to.
    let mut expected = read("same-found.json");
    for entry in expected.as_array_mut().unwrap() {
        entry["category_id"] = new_id(&entry["category_id"]);
    }
    assert_eq!(read("permuted-found.json"), expected);

    let refused = |truth: &Value, words: &[&str]| {
        write("other.json", truth);
        let eval = ["eval", "--checkpoint", "run/last.safetensors", "--annotations", "other.json"];
        refuse(&mut sandbox.pelk(eval), words);
    };
    let mut renamed = permuted.clone();
    renamed["categories"][3]["name"] = json!("Kimono");
    let both =
        ["unknown to the network: Kimono", "here Ankle boot, Bag,", "in training T-shirt/top, Trouser,"];
    refused(&renamed, &both);
    let mut more = truth.clone();
    more["categories"].as_array_mut().unwrap().push(json!({ "id": 77, "name": "Kimono" }));
    refused(&more, &["unknown to the network: Kimono", "in training T-shirt/top, Trouser,"]);

    let gone = truth["categories"].as_array_mut().unwrap().remove(0);
    let left = |annotation: &Value| annotation["category_id"] != gone["id"];
    truth["annotations"].as_array_mut().unwrap().retain(left);
    write("fewer.json", &truth);
    let (fewer, notes) = evaluated(&sandbox, &["--annotations", "fewer.json"]);
    assert!(notes.contains("9 of the network's 10 classes are in these data"), "{notes}");
    let fewer = of_classes(&fewer, "box_ap");
    assert_eq!((fewer[0], &fewer[1..]), (None, &precisions[1..]));
}
