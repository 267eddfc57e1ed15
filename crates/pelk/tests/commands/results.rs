//! The files of a run, and their uses.

use crate::sandbox::{self, STEPS, STEPS_PER_EPOCH, Sandbox, refuse, succeed};
use image::{DynamicImage, GrayImage, Rgba, RgbaImage};
use std::collections::HashMap;
use std::path::Path;

#[test]
fn a_run_folder_holds_the_documented_files() {
    let sandbox = Sandbox::new();
    let out = sandbox.trained("run", STEPS);
    let names: Vec<_> = sandbox.contents("run").into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "best-ema.safetensors",
            "best.safetensors",
            "config.toml",
            "curves.svg",
            "last.safetensors",
            "metrics.csv"
        ]
    );

    let text = String::from_utf8(sandbox.read("run/metrics.csv")).unwrap();
    let mut lines = text.lines();
    let header = "epoch,step,learning_rate,train_loss,test_loss,test_accuracy,test_top5_accuracy,test_mean_iou,\
                  ema_loss,ema_accuracy,ema_top5_accuracy,ema_mean_iou,nonzeros,images_per_second";
    assert_eq!(lines.next(), Some(header));
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert_eq!(rows.len() as u64, STEPS / STEPS_PER_EPOCH);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row[..2], [i as f64 + 1.0, (i as u64 + 1) as f64 * STEPS_PER_EPOCH as f64]);
        assert!(row[2..].iter().all(|value| value.is_finite()) && (0.0..=1.0).contains(&row[5]), "{row:?}");
    }
    assert!(rows[9][3] < rows[0][3], "the training loss falls: {text}");

    let svg = String::from_utf8(sandbox.read("run/curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));

    assert_eq!(sandbox.event_files("run").len(), 1, "TensorBoard's curves");

    // Every setting is written out, and the file is itself a configuration.
    let config = String::from_utf8(sandbox.read("run/config.toml")).unwrap();
    for key in
        ["seed", "drop_path = 0.3", "weight_decay", "crop_padding", "final_fraction", "label_smoothing"]
    {
        assert!(config.contains(key), "{key} is missing:\n{config}");
    }
    succeed(&mut sandbox.pelk([
        "train",
        "--config",
        "run/config.toml",
        "--data",
        "images",
        "--out",
        "again",
    ]));
    sandbox.assert_same_run("run", "again");

    for word in
        ["64 training and 32 test images", "run folder: run", "Test accuracy", "eval --checkpoint run/best"]
    {
        assert!(out.contains(word), "{word} is missing:\n{out}");
    }
}

#[test]
fn eval_agrees_with_the_metrics_folded_or_not_on_any_number_of_threads() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", STEPS);
    let best = sandbox.metrics("run")[1..]
        .iter()
        .map(|row| row.split(',').nth(5).unwrap().parse::<f64>().unwrap())
        .fold(0.0, f64::max);
    assert!(best > 0.2, "the network should have learned something: {best}");
    let eval = |more: &[&str]| {
        let args = ["eval", "--checkpoint", "run/best.safetensors", "--data", "images"];
        let out = succeed(&mut sandbox.pelk(args.into_iter().chain(more.iter().copied())));
        let line = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        (line("accuracy"), line("top-5 accuracy"), line("loss"), out)
    };
    let plain = eval(&[]);
    assert!(plain.0.ends_with(&format!("{:.2} %", 100.0 * best)), "{} but the metrics say {best}", plain.0);
    for class in ["T-shirt/top", "Ankle boot"] {
        assert!(plain.3.contains(class), "{}", plain.3);
    }
    for more in [&["--folded"][..], &["--batch", "5"], &["--threads", "3"], &["--folded", "--threads", "1"]] {
        let other = eval(more);
        assert_eq!((&other.0, &other.1, &other.2), (&plain.0, &plain.1, &plain.2), "{more:?}");
    }
    let svg = |name: &str| String::from_utf8(sandbox.read(name)).unwrap();
    let picture = svg("run/best.confusion.svg");
    assert!(picture.contains("32 test images") && picture.matches("Ankle boot").count() == 2, "{picture}");
    assert_ne!(eval(&["--train", "--confusion", "other.svg"]).2, plain.2);
    assert!(svg("other.svg").contains("64 train images"));
    assert_eq!(svg("run/best.confusion.svg"), picture);
}

fn save(sandbox: &Sandbox, name: &str, image: impl Into<DynamicImage>) {
    image.into().save(sandbox.path(name)).unwrap();
}

#[test]
fn predict_takes_images_of_any_size_and_kind() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 8);
    // An image of the test set, byte for byte.
    let pixels = sandbox.read("images/t10k-images-idx3-ubyte")[16..16 + 28 * 28].to_vec();
    let first = GrayImage::from_raw(28, 28, pixels).unwrap();
    let mut inverted = DynamicImage::from(first.clone());
    inverted.invert();
    save(&sandbox, "first.png", first);
    save(&sandbox, "inverted.png", inverted);
    save(&sandbox, "large.png", RgbaImage::from_fn(100, 60, |x, y| Rgba([x as u8, y as u8, 9, 200])));
    save(&sandbox, "tiny.bmp", GrayImage::new(1, 1));

    let predict = |more: &[&str]| {
        let args = ["predict", "--checkpoint", "run/best.safetensors"];
        succeed(&mut sandbox.pelk(args.into_iter().chain(more.iter().copied())))
    };
    let out = predict(&["first.png", "large.png", "tiny.bmp"]);
    for name in ["first.png", "large.png", "tiny.bmp"] {
        let after = out.split(name).nth(1).unwrap();
        let shares: Vec<f64> = after.lines().skip(3).take(5).map(percent).collect();
        assert!(shares.len() == 5 && shares.is_sorted_by(|a, b| a >= b), "{out}");
        assert!(shares.iter().sum::<f64>() <= 100.1, "{out}");
    }
    let classes = |out: &str| out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(classes(&predict(&["inverted.png", "--invert"])), classes(&predict(&["first.png"])));
    // The training state beside the weights does not matter.
    let args = ["predict", "--checkpoint", "run/last.safetensors", "first.png"];
    assert!(succeed(&mut sandbox.pelk(args)).contains("probability"));
}

fn percent(line: &str) -> f64 {
    let line = line.trim_end().strip_suffix(" %").unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn folders_are_numbered_and_the_advice_at_the_end_works_as_printed() {
    let sandbox = Sandbox::new();
    let settings =
        ["model.depths=[1]", "model.widths=[8]", "model.kernels=[5]", "batch.size=16", "schedule.epochs=5"];
    let start = |steps: &str| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        succeed(
            &mut sandbox
                .pelk(["train", "--data", "images", "--max-steps", steps].into_iter().chain(settings)),
        )
    };
    assert!(start("4").contains("run folder: runs/fashion-mnist\n"));
    let out = start("5");
    assert!(
        out.contains("run folder: runs/fashion-mnist-2\n") && out.contains("Saved after step 5 of 20"),
        "{out}"
    );
    // Without a folder, the latest run continues.
    let resumed = succeed(&mut sandbox.pelk(["train", "--resume", "--data", "images", "--max-steps", "6"]));
    assert!(resumed.contains("resuming after step 5"), "{resumed}");

    // The placeholder for the user's image in the advice.
    GrayImage::new(28, 28).save_with_format(sandbox.path("IMAGE..."), image::ImageFormat::Png).unwrap();
    let advised: Vec<_> = out.lines().filter_map(|line| line.trim().strip_prefix("pelk ")).collect();
    assert_eq!(advised.len(), 3, "{out}");
    for line in advised {
        let out = succeed(&mut sandbox.pelk(line.split(' ')));
        assert!(!out.contains("Nothing to do"), "{out}");
    }
    assert!(Path::new(&sandbox.path("runs/fashion-mnist-2/curves.svg")).exists());
}

#[test]
fn a_finished_run_has_nothing_left_to_do() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", STEPS);
    let before = sandbox.contents("run");
    for more in [&[][..], &["--max-steps", "3"]] {
        assert!(succeed(&mut sandbox.resume("run", more)).contains("Nothing to do"));
    }
    assert!(sandbox.contents("run") == before);
    refuse(&mut sandbox.train("run", &[]), &["run", "already holds a run", "help: add --resume"]);
    assert!(sandbox.contents("run") == before);
}

#[test]
fn a_dry_run_says_how_long_it_will_take_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let mut dry = sandbox.train("run", &["--dry-run"]);
    refuse(&mut dry, &["--dry-run", "cannot be used with", "--out"]);
    let settings: Vec<&str> = sandbox::SETTINGS.iter().flat_map(|setting| ["--set", setting]).collect();
    let args = ["train", "--data", "images", "--dry-run"];
    let out = succeed(&mut sandbox.pelk(args.into_iter().chain(settings)));
    for words in ["estimated time: ", "(40 steps of", "10 evaluations of", "step 1: loss ", "peak memory"] {
        assert!(out.contains(words), "{words:?} is missing:\n{out}");
    }
    assert!(!sandbox.path("runs").exists());
    let said = succeed(&mut sandbox.train("run", &["--max-steps", "6"]));
    assert!(said.contains("(6 steps of") && said.contains("1 evaluation of"), "{said}");
}

#[test]
fn earlier_states_are_kept_on_request() {
    let sandbox = Sandbox::new();
    let keep = ["--max-steps", "9", "--checkpoint-every", "2", "--keep", "3"];
    succeed(&mut sandbox.train("run", &keep));
    // Saved after steps 2, 4 (an epoch too), 6, 8 (again) and 9.
    let names: Vec<_> = sandbox.contents("run/checkpoints").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["step-00000006.safetensors", "step-00000008.safetensors"]);
    assert!(!sandbox.path("run/checkpoints/step-00000009.safetensors").exists());
}

/// The scores that `eval --json` prints.
fn scores(sandbox: &Sandbox, args: &[&str]) -> serde_json::Value {
    let args = ["eval", "--data", "images", "--json", "-"].into_iter().chain(args.iter().copied());
    serde_json::from_str(&succeed(&mut sandbox.pelk(args))).unwrap()
}

#[test]
fn the_last_averaged_weights_are_evaluated_predicted_and_folded() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", STEPS);
    let text = String::from_utf8(sandbox.read("run/metrics.csv")).unwrap();
    let columns = text.lines().next().unwrap().split(',');
    let last: HashMap<_, _> = columns.zip(text.lines().last().unwrap().split(',')).collect();
    for (ema, prefix) in [(&[][..], "test"), (&["--ema"], "ema")] {
        let args = [&["--checkpoint", "run/last.safetensors"], ema].concat();
        let found = scores(&sandbox, &args);
        for score in ["loss", "accuracy", "top5_accuracy", "mean_iou"] {
            let value = format!("{:.6}", found["scores"][score].as_f64().unwrap());
            assert_eq!(value, last[&*format!("{prefix}_{score}")], "{prefix} {score}");
        }
        assert_eq!((found["step"].as_u64(), found["images"].as_u64()), (Some(STEPS), Some(32)));
        assert_eq!(found["averaged"].as_bool(), Some(!ema.is_empty()));
        assert_eq!(found["classes"].as_array().unwrap().len(), 10);
    }
    assert!(sandbox.path("run/last.ema.confusion.svg").exists(), "beside that of the network's own weights");
    let last = ["--checkpoint", "run/last.safetensors", "--ema"];
    succeed(&mut sandbox.pelk(["fold", "--data", "images"].into_iter().chain(last)));
    let folded = scores(&sandbox, &["--checkpoint", "run/last.ema.folded.safetensors"]);
    let averaged = scores(&sandbox, &last);
    assert_eq!(folded["scores"]["accuracy"], averaged["scores"]["accuracy"]);
    GrayImage::new(28, 28).save(sandbox.path("a.png")).unwrap();
    let predict = |args: &[&'static str]| {
        succeed(&mut sandbox.pelk(["predict", "a.png"].into_iter().chain(args.iter().copied())))
    };
    assert_eq!(predict(&last), predict(&["--checkpoint", "run/last.ema.folded.safetensors"]));
    assert_ne!(predict(&last), predict(&["--checkpoint", "run/last.safetensors"]));

    // Fields of the same checkpoint have the same name, so they go to two folders.
    let erf = |ema: &[&'static str], checkpoint: &'static str, out: &'static str| {
        let args = ["erf", "--data", "images", "--images", "2", "--checkpoint", checkpoint, "--out", out];
        sandbox.pelk(args.into_iter().chain(ema.iter().copied()))
    };
    let field = |ema: &[&'static str], checkpoint: &'static str, out: &'static str| {
        succeed(&mut erf(ema, checkpoint, out));
        image::open(sandbox.path(out).join("erf.png")).unwrap()
    };
    let averaged = field(&["--ema"], "run/last.safetensors", "averaged");
    assert_ne!(averaged, field(&[], "run/last.safetensors", "own"));
    // The same network in a file of its own.
    assert_eq!(averaged, field(&[], "run/last.ema.folded.safetensors", "folded"));
    let refused = &mut erf(&["--ema"], "run/best.safetensors", "none");
    refuse(refused, &["has no averaged weights", "last.safetensors of a run with ema.decay has both"]);

    // A file of one network has nothing else; the results go to a file as well as to the terminal.
    let best = ["eval", "--data", "images", "--checkpoint", "run/best-ema.safetensors"];
    refuse(
        &mut sandbox.pelk(best.into_iter().chain(["--ema"])),
        &["has no averaged weights", "best-ema.safetensors all weights are averaged"],
    );
    let said = succeed(&mut sandbox.pelk(best.into_iter().chain(["--json", "found.json"])));
    let written: serde_json::Value = serde_json::from_slice(&sandbox.read("found.json")).unwrap();
    let accuracy = format!("{:.2} %", 100.0 * written["scores"]["accuracy"].as_f64().unwrap());
    assert!(said.contains(&accuracy), "{said}");
}
