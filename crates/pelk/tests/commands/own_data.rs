//! The page "Train on your own data", line by line, on a folder of small pictures.

use crate::sandbox::{Sandbox, refuse, succeed};
use image::{Rgb, RgbImage};

/// Pictures of two classes of different sizes, JPEG and PNG: red ones and blue ones.
fn photos(sandbox: &Sandbox) {
    for (class, color) in [("red", [200, 30, 40]), ("blue", [20, 60, 210])] {
        for number in 0..20_u32 {
            let [height, width] = [40 + number, 70 - number];
            let picture = RgbImage::from_fn(width, height, |x, y| {
                Rgb(color.map(|value: u8| value.saturating_add(((x * 7 + y * 13 + number) % 40) as u8)))
            });
            let ending = if number % 2 == 0 { "jpg" } else { "png" };
            let path = sandbox.path(&format!("photos/{class}/{number}.{ending}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            picture.save(path).unwrap();
        }
    }
}

/// A small network and small images.
const SMALL: [&str; 8] = [
    "model.depths=[1, 1]",
    "model.widths=[8, 16]",
    "model.kernels=[7, 5]",
    "data.augmentation.resized_crop.size=32",
    "data.evaluation.size=32",
    "batch.size=4",
    "schedule.epochs=3",
    "schedule.warmup_epochs=0",
];

#[test]
fn pictures_in_folders_are_checked_learned_measured_predicted_and_folded() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    let settings: Vec<&str> = SMALL.iter().flat_map(|setting| ["--set", setting]).collect();
    let checked = succeed(&mut sandbox.pelk(["data", "check", "photos"]));
    assert!(checked.contains("All 40 images can be read"), "{checked}");

    let train = ["train", "--preset", "folder", "--data", "photos", "--out", "run"];
    let said = succeed(&mut sandbox.pelk(train.into_iter().chain(settings.iter().copied())));
    assert!(said.contains("32 training and 8 test images"), "{said}");
    for checkpoint in ["run/best.safetensors", "run/best-ema.safetensors", "run/last.safetensors"] {
        let eval = ["eval", "--checkpoint", checkpoint, "--data", "photos"];
        let said = succeed(&mut sandbox.pelk(eval));
        assert!(said.contains("8 test images of folder"), "{said}");
        let more = succeed(&mut sandbox.pelk(eval.into_iter().chain(["--batch", "3", "--loaders", "2"])));
        let measured =
            |said: &str| said.lines().filter(|line| !line.starts_with("speed")).collect::<String>();
        assert_eq!(measured(&said), measured(&more), "neither changes results");
    }
    let best = ["--checkpoint", "run/best.safetensors"];
    let predict = ["predict", "photos/red/0.jpg", "photos/blue/1.png"];
    let said = succeed(&mut sandbox.pelk(predict.into_iter().chain(best)));
    assert!(said.contains("red") && said.contains("blue"), "{said}");
    // More than are computed at once, and as many as that with some left over.
    let alone = |file| succeed(&mut sandbox.pelk(["predict", file].into_iter().chain(best)));
    let files = ["photos/red/0.jpg", "photos/blue/1.png"];
    let (one, other) = (alone(files[0]), alone(files[1]));
    let many: Vec<&str> = files.into_iter().cycle().take(19).collect();
    let expected: String = [&*one, &other].into_iter().cycle().take(19).collect();
    let together = succeed(&mut sandbox.pelk(["predict"].into_iter().chain(many).chain(best)));
    assert_eq!(together, expected, "each image's answer is its own");
    // A file that cannot be read costs neither the others nor the exit status.
    std::fs::write(sandbox.path("broken.png"), "x").unwrap();
    let predict = ["predict", "photos/red/0.jpg", "broken.png", "photos/blue/1.png"];
    let output = sandbox.pelk(predict.into_iter().chain(best)).output().unwrap();
    let [printed, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!((output.status.code(), said), (Some(1), printed));
    assert!(
        errors.contains("broken.png is") && errors.contains("1 of 3 images could not be read"),
        "{errors}"
    );
    let said = succeed(&mut sandbox.pelk(["fold", "--data", "photos"].into_iter().chain(best)));
    assert!(sandbox.path("run/best.folded.safetensors").exists(), "{said}");
    let said = succeed(&mut sandbox.pelk(["cost"].into_iter().chain(best)));
    assert!(said.contains("large kernels") && said.contains("100.0 %"), "{said}");

    let show = ["data", "show", "--preset", "folder", "--data", "photos", "--out", "sheet.png"];
    succeed(&mut sandbox.pelk(show.into_iter().chain(settings.iter().copied())));
    assert!(image::open(sandbox.path("sheet.png")).unwrap().width() > 300);
}

#[test]
fn the_speed_of_reading_is_measured_for_each_use() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    let settings = SMALL.iter().flat_map(|setting| ["--set", setting]);
    let speed =
        ["data", "speed", "--preset", "folder", "--data", "photos", "--images", "14", "--loaders", "2"];
    let args: Vec<&str> = speed.into_iter().chain(settings).collect();
    let lines = succeed(&mut sandbox.pelk(args.iter().copied().chain(["--json"])));
    // 14 of 32 training images make three whole batches of 4; all 8 test images.
    let expected = [("read", 14), ("training", 12), ("evaluation", 8)];
    assert_eq!(lines.lines().count(), expected.len(), "{lines}");
    for (line, (pass, images)) in lines.lines().zip(expected) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["bench"], &line["pass"]), (&"loading".into(), &pass.into()));
        assert_eq!((&line["images"], &line["loaders"]), (&images.into(), &2.into()));
        let rate = 1e3 * f64::from(images) / line["ms"].as_f64().unwrap();
        assert!((line["images_per_second"].as_f64().unwrap() / rate - 1.0).abs() < 1e-3, "{line}");
    }
    let table = succeed(&mut sandbox.pelk(args.iter().copied()));
    for words in ["folder", "2 threads", "training batches", "images/s"] {
        assert!(table.contains(words), "{words} is missing:\n{table}");
    }
}

#[test]
fn a_damaged_picture_ends_a_run_by_name_and_is_left_out_on_request() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    let whole = sandbox.read("photos/red/2.jpg");
    std::fs::write(sandbox.path("photos/red/2.jpg"), &whole[..whole.len() / 2]).unwrap();
    let settings: Vec<&str> = SMALL.iter().flat_map(|setting| ["--set", setting]).collect();
    let train = |out| {
        let args = ["train", "--preset", "folder", "--data", "photos", "--out", out];
        sandbox.pelk(args.into_iter().chain(settings.iter().copied()))
    };
    refuse(&mut train("run"), &["photos/red/2.jpg", "data check"]);
    refuse(&mut sandbox.pelk(["data", "check", "photos"]), &["--exclude"]);
    succeed(&mut sandbox.pelk(["data", "check", "photos", "--exclude"]));
    succeed(&mut train("again"));
}

#[test]
fn a_run_whose_first_step_fails_leaves_no_folder() {
    let sandbox = Sandbox::new();
    photos(&sandbox);
    for class in ["red", "blue"] {
        for entry in std::fs::read_dir(sandbox.path("photos").join(class)).unwrap() {
            let path = entry.unwrap().path();
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }
    }
    let settings = SMALL.iter().flat_map(|setting| ["--set", setting]);
    let train = ["train", "--preset", "folder", "--data", "photos", "--out", "deep/run"];
    let mut train = sandbox.pelk(train.into_iter().chain(settings));
    let message = refuse(&mut train, &["photos/"]);
    assert!(!message.contains("estimate"), "{message}");
    assert!(!sandbox.path("deep").exists());
}
