//! Commands that only show something, and the help.

use crate::sandbox::{Sandbox, refuse, succeed};

#[test]
fn cost_prints_a_line_of_json_for_each_model_and_size() {
    let sandbox = Sandbox::new();
    let out = succeed(&mut sandbox.pelk(["cost", "--json"]));
    let keys = ["model", "height", "width", "params_paper", "macs_paper", "params", "macs_executed"];
    let mut models = Vec::new();
    for line in out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), keys.len(), "{line}");
        assert!(keys[1..].iter().all(|key| value[key].as_u64().is_some_and(|n| n > 0)), "{line}");
        models.push(format!("{}-{}", value["model"].as_str().unwrap(), value["height"]));
    }
    for model in ["pelk_t-224", "pelk_b-224", "pelk_b-384", "pelk_b_101-384"] {
        assert!(models.iter().any(|found| found == model), "{model} is missing: {models:?}");
    }
    let one =
        succeed(&mut sandbox.pelk(["cost", "pelk_atto", "--channels", "1", "--classes", "10", "--json"]));
    assert_eq!(one.lines().count(), 1);
    let table = succeed(&mut sandbox.pelk(["cost", "pelk_t"]));
    for part in ["large kernels", "pixel MLP", "position embedding", "total"] {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
}

#[test]
fn grid_prints_a_picture_and_writes_one() {
    let sandbox = Sandbox::new();
    let out = succeed(&mut sandbox.pelk(["grid", "--kernel", "51", "--center", "5", "--svg", "grid.svg"]));
    assert!(out.contains("13 x 13 parameters") && out.contains("wrote grid.svg"), "{out}");
    let svg = String::from_utf8(sandbox.read("grid.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
}

#[test]
fn data_show_draws_what_a_network_sees() {
    let sandbox = Sandbox::new();
    let show = |settings: &[&str], more: &[&str]| {
        let args = [
            "data",
            "show",
            "--preset",
            "fashion-mnist",
            "--data",
            "images",
            "--count",
            "4",
            "--batches",
            "2",
        ];
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        sandbox.pelk(args.into_iter().chain(settings).chain(more.iter().copied()))
    };
    let mix = ["data.mix.mixup_alpha=0.8", "batch.size=6"];
    let out = succeed(&mut show(&mix, &["--out", "batches.png"]));
    assert!(out.contains("2 batches of 6 train images of 28 x 28 pixels"), "{out}");
    // Four tiles of 168 pixels side by side, in two rows with two lines of text each.
    let sheet = image::open(sandbox.path("batches.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 + 4 * 172, 4 + 2 * (168 + 2 * 16 + 4)));
    let out = succeed(&mut show(&["data.evaluation={size=64}", mix[1]], &["--test", "--out", "test.png"]));
    assert!(out.contains("2 batches of 6 test images of 64 x 64 pixels"), "{out}");
    refuse(
        &mut show(&[mix[0], "batch.size=5"], &[]),
        &["batch_size is 5", "even", "the configuration key is batch.size"],
    );
}

#[test]
fn the_help_of_each_command_names_its_options() {
    let sandbox = Sandbox::new();
    let help = |args: &[&str]| succeed(&mut sandbox.pelk(args.iter().copied().chain(["--help"])));
    for (command, options) in [
        (
            "train",
            "--preset --config --data --set --out --resume --threads --max-steps --checkpoint-every --tui --seed",
        ),
        (
            "eval",
            "--checkpoint --data --train --folded --all-classes --confusion --batch --loaders --threads",
        ),
        ("predict", "--checkpoint --invert --threads IMAGE"),
        ("grid", "--kernel --center --base --uniform --half --reversed --svg"),
        ("cost", "--task --size --classes --channels --by-part --json MODEL"),
        (
            "bench",
            "--only --shape --depthwise --mlp --model --size --batch --pass --threads --runs --json --check-dispatch",
        ),
        ("fold", "--checkpoint --out --images --data --count --tolerance --device --threads"),
        ("keys", "--markdown PATTERN"),
    ] {
        assert!(help(&[]).contains(command));
        let text = help(&[command]);
        for option in options.split(' ') {
            assert!(text.contains(option), "{command} --help lacks {option}:\n{text}");
        }
        assert!(text.contains("Example"), "{command} --help has no example:\n{text}");
    }
}

#[test]
fn a_dashboard_that_cannot_be_shown_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let reason = if cfg!(feature = "dashboard") {
        ["--tui needs a terminal", "leave it out"]
    } else {
        ["built without", "`dashboard`"]
    };
    refuse(&mut sandbox.train("run", &["--tui"]), &reason);
    assert!(!sandbox.path("run").exists());
}
