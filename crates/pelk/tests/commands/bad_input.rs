//! Every bad input gets one message that says what is wrong and how to fix it, and no file is lost.

use crate::sandbox::{Sandbox, refuse, succeed};
use image::GrayImage;

const CHECKPOINT: &str = "run/last.safetensors";

#[test]
fn data_that_cannot_be_read() {
    let sandbox = Sandbox::new();
    let train = |words: &[&str]| {
        refuse(&mut sandbox.train("run", &[]), words);
        assert!(!sandbox.path("run").exists(), "a run that cannot start leaves no folder behind");
    };
    let spoil = |file: &str, change: &dyn Fn(&mut Vec<u8>), words: &[&str]| {
        let path = sandbox.path("images").join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bytes = good.clone();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        train(words);
        std::fs::write(&path, good).unwrap();
    };
    spoil(
        "train-images-idx3-ubyte",
        &|bytes| bytes.truncate(20_000),
        &["train-images", "ends after 20000 of 50192"],
    );
    spoil("t10k-labels-idx1-ubyte", &|bytes| bytes.truncate(3), &["t10k-labels", "ends after 3"]);
    spoil("train-labels-idx1-ubyte", &|bytes| bytes[8 + 5] = 10, &["label of image 5 is 10", "10 classes"]);
    spoil("train-labels-idx1-ubyte", &|bytes| bytes[3] = 3, &["train-labels", "put the right file there"]);
    spoil("t10k-images-idx3-ubyte", &|bytes| *bytes = b"<html>".to_vec(), &["t10k-images"]);
    spoil("train-images-idx3-ubyte", &|bytes| bytes[16..].fill(0), &["std is [0.0]", "above 0"]);

    std::fs::remove_file(sandbox.path("images/t10k-images-idx3-ubyte")).unwrap();
    train(&["t10k-images-idx3-ubyte", "in images", "put one of them there"]);
    std::fs::remove_dir_all(sandbox.path("images")).unwrap();
    train(&["train-images-idx3-ubyte", "in images"]);
    refuse(&mut sandbox.pelk(["train"]), &["train-images-idx3-ubyte", "datasets/fashion-mnist"]);
    refuse(&mut sandbox.pelk(["train", "--set", "data.dataset=mnits"]), &["data.dataset", "mnits", "mnist"]);
    assert!(!sandbox.path("runs").exists());
}

#[test]
fn settings_that_make_no_run() {
    let sandbox = Sandbox::new();
    for (setting, words) in [
        (
            "optimizer.learning_rat=1",
            &["--set optimizer.learning_rat=1", "did you mean `optimizer.learning_rate`?"][..],
        ),
        ("optimzer.eps=1", &["did you mean `optimizer.eps`?"]),
        ("model.kernel=5", &["did you mean `model.kernels`?"]),
        ("data.augmentation.flip=1", &["flip_probability"]),
        ("batch.size", &["--set batch.size", "key.path=value"]),
        ("batch.size=many", &["`batch.size` is \"many\"", "a whole number"]),
        ("batch.size=-1", &["batch.size=-1"]),
        ("batch.size=0", &["batch.size", "at least 1"]),
        ("batch.size=66", &["66", "64"]),
        ("batch.accumulation=9", &["batch.accumulation", "less than one step"]),
        ("optimizer.learning_rate=nan", &["optimizer.learning_rate", "0 or more"]),
        ("optimizer.beta1=1", &["optimizer.beta1", "below 1"]),
        ("schedule.epochs=0", &["schedule.epochs", "at least 1"]),
        ("schedule.warmup_epochs=99", &["schedule.warmup_epochs", "the whole run has only 10"]),
        ("schedule.warmup_steps=40", &["schedule.warmup_steps", "40 steps, but the whole run has only 40"]),
        ("schedule.steps=4", &["schedule.warmup_epochs", "4 steps, but the whole run has only 4"]),
        ("schedule.epochs=9223372036854775807", &["schedule.epochs", "at most"]),
        ("data.augmentation.crop_padding=28", &["crop_padding", "28 x 28"]),
        ("data.augmentation.padding=mirror", &["mirror", "reflect"]),
        ("model.name=pelk_ato", &["\"pelk_ato\"", "did you mean \"pelk_atto\"?"]),
        ("model.kernels=[8, 5]", &["kernels", "7 or 9"]),
        ("model.kernels=[5]", &["kernels", "1 entries", "depths has 2"]),
        ("model.small_kernel=4", &["small_kernel"]),
        ("model.ratio=1.5", &["ratio"]),
        ("model.position=everywhere", &["everywhere", "in_bounds"]),
        ("model.drop_path=1", &["drop_path", "below 1"]),
        ("model.stem_stride=3", &["stem_stride", "1, 2 or 4"]),
        ("model.grids=[\"2,x\", \"1\"]", &["grids", "\"x\""]),
    ] {
        refuse(&mut sandbox.train("run", &["--set", setting]), words);
        assert!(!sandbox.path("run").exists(), "{setting} left a folder behind");
    }
    let many = vec!["1"; 80].join(",");
    let stages = ["depths", "widths", "kernels"].map(|key| format!("model.{key}=[{many}]"));
    let args = stages.iter().flat_map(|setting| ["--set", setting]).collect::<Vec<_>>();
    refuse(&mut sandbox.train("run", &args), &["depths", "80", "at most"]);
    for (setting, words) in [
        ("model.depths=[1000000, 1]", &["depths", "1000001 blocks", "at most 1000"][..]),
        ("model.depths=[9223372036854775807, 9223372036854775807]", &["depths", "at most 1000"]),
        ("model.widths=[8, 1000000]", &["widths", "1000000", "at most 65536"]),
        ("model.last_mlp_ratio=1000000", &["mlp_ratio", "1000000", "at most 64"]),
        ("model.upernet={ channels = 1000000000 }", &["upernet.channels", "at most 65536"]),
        ("model.upernet={ pools = [1, 1000000] }", &["upernet.pools", "at most 256"]),
    ] {
        refuse(&mut sandbox.train("run", &["--set", setting]), words);
    }
    if cfg!(target_os = "linux") {
        // Blocks of 65536 channels; nothing of that size is allocated.
        let widths = ["--set", "model.widths=[65536, 65536]", "--set", "model.depths=[500, 500]"];
        let words = ["the run needs at least", "GiB of memory", "batch.size", "a smaller model"];
        refuse(&mut sandbox.train("run", &widths), &words);
        assert!(!sandbox.path("run").exists());
    }
}

#[test]
fn options_that_do_not_exist_or_exclude_each_other() {
    let sandbox = Sandbox::new();
    refuse(&mut sandbox.pelk(["train", "--preset", "fashion-mnits"]), &["did you mean \"fashion-mnist\"?"]);
    refuse(&mut sandbox.pelk(["trian"]), &["trian", "train"]);
    refuse(&mut sandbox.train("run", &["--thread", "1"]), &["--thread", "--threads"]);
    refuse(&mut sandbox.train("run", &["--threads", "0"]), &["--threads 0", "at least 1"]);
    for many in ["1025", "100000000"] {
        refuse(&mut sandbox.train("run", &["--threads", many]), &["--threads", many, "at most 1024"]);
        refuse(&mut sandbox.pelk(["ablate", "--jobs", many]), &["--jobs", many, "at most 1024"]);
    }
    let jobs = ["ablate", "--jobs", "1000", "--threads", "1000"];
    refuse(&mut sandbox.pelk(jobs), &["needs 1000000 threads", "at most 1024 in all"]);
    refuse(&mut sandbox.train("run", &["--extend", "9"]), &["--extend", "cannot be used with"]);
    refuse(&mut sandbox.pelk(["train", "--extend", "9"]), &["--resume"]);
    refuse(&mut sandbox.train("run", &["--checkpoint-every", "0"]), &["--checkpoint-every"]);
    refuse(&mut sandbox.train("run", &["--max-steps", "-3"]), &["-3"]);
    refuse(&mut sandbox.train("run", &["--resume"]), &["--resume", "cannot be used with"]);
    refuse(sandbox.train("run", &[]).env("PELK_SIMD", "nonsense"), &["PELK_SIMD", "nonsense", "avx2"]);
    let config = |path: &str| sandbox.pelk(["train", "--data", "images", "--out", "run", "--config", path]);
    refuse(&mut config("missing.toml"), &["cannot read missing.toml"]);
    std::fs::write(sandbox.path("bad.toml"), "model = 3\n[").unwrap();
    refuse(&mut config("bad.toml"), &["bad.toml"]);
    std::fs::write(sandbox.path("bad.toml"), "model.name = \"pelk_atto\"\nseeed = 1\n").unwrap();
    refuse(&mut config("bad.toml"), &["bad.toml", "did you mean `seed`?"]);
    assert!(!sandbox.path("run").exists());

    refuse(&mut sandbox.pelk(["grid", "--kernel", "50"]), &["49 or 51"]);
    refuse(&mut sandbox.pelk(["grid", "--svg", "nowhere/grid.svg"]), &["no folder nowhere"]);
    refuse(&mut sandbox.pelk(["cost", "pelk_x"]), &["did you mean \"pelk_"]);
    refuse(&mut sandbox.pelk(["cost", "pelk_t", "--size", "9"]), &["pelk_t at 9 x 9", "at least 32"]);
}

#[test]
fn folders_that_cannot_take_a_run() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("file"), "mine").unwrap();
    refuse(&mut sandbox.train("file", &[]), &["cannot create file", "help: choose another --out"]);
    refuse(
        &mut sandbox.train("file/below", &[]),
        &["cannot create file/below", "help: choose another --out"],
    );
    assert_eq!(sandbox.read("file"), b"mine");
    if cfg!(target_os = "linux") {
        // Not even root can create a file there.
        refuse(&mut sandbox.train("/proc", &[]), &["cannot lock /proc/.lock"]);
    }
    for out in ["file", "nowhere", "images"] {
        refuse(
            &mut sandbox.resume(out, &[]),
            &[out, "no run to resume", "help: start a run without --resume"],
        );
    }
    refuse(&mut sandbox.pelk(["train", "--resume"]), &["no run of preset fashion-mnist to resume", "--out"]);
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 5);
    sandbox.trained("twin", 5);
    succeed(&mut sandbox.train("other", &["--max-steps", "5", "--set", "model.name=convnext_atto"]));
    GrayImage::new(28, 28).save(sandbox.path("image.png")).unwrap();
    let good = sandbox.contents("run");
    // With a damaged file in the run, every command that reads it fails and changes nothing.
    let refused_with = |bytes: &[u8], words: &[&str]| {
        std::fs::write(sandbox.path(CHECKPOINT), bytes).unwrap();
        let before = sandbox.contents("run");
        refuse(&mut sandbox.resume("run", &[]), &[words, &[CHECKPOINT]].concat());
        assert!(sandbox.contents("run") == before);
    };
    let everywhere = |bytes: &[u8], words: &[&str]| {
        refused_with(bytes, words);
        let words = [words, &[CHECKPOINT]].concat();
        refuse(&mut sandbox.pelk(["eval", "--data", "images", "--checkpoint", CHECKPOINT]), &words);
        refuse(
            &mut sandbox.pelk(["eval", "--data", "images", "--folded", "--checkpoint", CHECKPOINT]),
            &words,
        );
        refuse(&mut sandbox.pelk(["predict", "--checkpoint", CHECKPOINT, "image.png"]), &words);
    };
    let whole = sandbox.read(CHECKPOINT);
    let cut = format!("cut short: it has {} of {} bytes", whole.len() / 2, whole.len());
    everywhere(&whole[..whole.len() / 2], &[&cut]);
    everywhere(b"", &["it is empty"]);
    everywhere(b"not a checkpoint at all", &["another format"]);
    refused_with(&sandbox.read("other/last.safetensors"), &["another network", "convnext_atto", "pelk_atto"]);
    refused_with(&sandbox.read("run/best.safetensors"), &["network only"]);
    std::fs::write(sandbox.path(CHECKPOINT), &whole).unwrap();
    assert!(sandbox.contents("run") == good);

    // An edited configuration or exchanged images make another run.
    let edited = String::from_utf8(sandbox.read("run/config.toml")).unwrap().replace("seed = 0", "seed = 1");
    std::fs::write(sandbox.path("run/config.toml"), edited).unwrap();
    refuse(&mut sandbox.resume("run", &[]), &[CHECKPOINT, "another configuration", "config.toml"]);
    let config = good.iter().find(|(name, _)| name == "config.toml").unwrap();
    std::fs::write(sandbox.path("run/config.toml"), &config.1).unwrap();
    sandbox.write_images("brighter", 40);
    let other = ["train", "--resume", "--out", "run", "--data", "brighter"];
    refuse(&mut sandbox.pelk(other), &[CHECKPOINT, "other images"]);
    assert!(sandbox.contents("run") == good);

    // After all that, the run continues as if nothing had happened.
    succeed(&mut sandbox.resume("run", &["--max-steps", "9"]));
    succeed(&mut sandbox.resume("twin", &["--max-steps", "9"]));
    sandbox.assert_same_run("run", "twin");
}

#[test]
fn eval_and_predict_with_wrong_arguments() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 4);
    let eval = |more: &[&str]| sandbox.pelk(["eval", "--checkpoint"].into_iter().chain(more.iter().copied()));
    refuse(&mut eval(&["missing.safetensors"]), &["cannot read missing.safetensors"]);
    refuse(&mut eval(&["run"]), &["cannot read run"]);
    refuse(&mut eval(&[CHECKPOINT, "--data", "nowhere"]), &["t10k-images-idx3-ubyte", "in nowhere"]);
    refuse(&mut eval(&[CHECKPOINT, "--data", "images", "--batch", "0"]), &["--batch"]);
    refuse(&mut eval(&[CHECKPOINT, "--data", "images", "--threads", "0"]), &["--threads 0", "at least 1"]);
    refuse(&mut sandbox.pelk(["eval"]), &["--checkpoint"]);

    let predict = |more: &[&str]| {
        let args = ["predict", "--checkpoint", CHECKPOINT];
        sandbox.pelk(args.into_iter().chain(more.iter().copied()))
    };
    std::fs::write(sandbox.path("text.png"), "no image").unwrap();
    GrayImage::new(28, 28).save(sandbox.path("cut.png")).unwrap();
    let bytes = sandbox.read("cut.png");
    std::fs::write(sandbox.path("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
    for (name, words) in [
        ("text.png", "text.png is a text file, not an image"),
        ("cut.png", "cut.png is damaged"),
        ("missing.png", "cannot read missing.png"),
        ("run", "run has no images"),
    ] {
        refuse(&mut predict(&[name]), &[words]);
    }
    refuse(&mut predict(&[]), &["IMAGE"]);
    refuse(&mut predict(&["text.png", "--threads", "0"]), &["--threads 0", "at least 1"]);
    refuse(predict(&["text.png"]).env("PELK_SIMD", "nonsense"), &["PELK_SIMD", "nonsense"]);
}
