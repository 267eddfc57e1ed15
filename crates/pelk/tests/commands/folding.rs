//! Networks in their inference form.

use crate::sandbox::{Sandbox, refuse, succeed};
use pelk_train::Checkpoint;
use std::process::Command;

fn fold(sandbox: &Sandbox, checkpoint: &str, more: &[&str]) -> Command {
    sandbox.pelk(["fold", "--checkpoint", checkpoint].into_iter().chain(more.iter().copied()))
}

#[test]
fn a_folded_checkpoint_says_what_the_original_does() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 20);
    let out = succeed(&mut fold(&sandbox, "run/last.safetensors", &["--data", "images"]));
    for words in ["compared on 32 test images of fashion-mnist", "in 0 of 32 images", "as trained", "folded "]
    {
        assert!(out.contains(words), "{words:?} is missing: {out}");
    }
    let folded = Checkpoint::read(&sandbox.path("run/last.folded.safetensors")).unwrap();
    assert!(folded.description.network.folded && folded.description.training.is_none());
    assert!(folded.tensors.keys().all(|name| !name.contains("_bn.") && !name.starts_with("optimizer")));

    // The advice at the end works as printed, and both files give the same results.
    let advice = out.lines().last().unwrap().trim().strip_prefix("pelk ").unwrap();
    assert_eq!(advice, "eval --checkpoint run/last.folded.safetensors --data images");
    let numbers = |out: String| {
        let lines = out.lines().filter(|line| !line.starts_with("speed") && !line.contains(".svg"));
        lines.skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let original =
        succeed(&mut sandbox.pelk(["eval", "--checkpoint", "run/last.safetensors", "--data", "images"]));
    let measured = succeed(&mut sandbox.pelk(advice.split(' ')));
    assert!(measured.contains(" (folded) after step 20"), "{measured}");
    assert_eq!(numbers(original), numbers(measured));

    image::GrayImage::new(28, 28).save(sandbox.path("a.png")).unwrap();
    image::RgbImage::new(40, 30).save(sandbox.path("b.png")).unwrap();
    let predict = |checkpoint| succeed(&mut sandbox.pelk(["predict", "--checkpoint", checkpoint, "a.png"]));
    assert_eq!(predict("run/last.safetensors"), predict("run/last.folded.safetensors"));

    // Without the dataset, on image files of any size.
    let files = ["--images", "a.png", "b.png", "--out", "other.safetensors"];
    let out = succeed(&mut fold(&sandbox, "run/last.safetensors", &files));
    assert!(out.contains("compared on 2 files"), "{out}");
    assert_eq!(sandbox.read("other.safetensors"), sandbox.read("run/last.folded.safetensors"));
}

#[test]
fn what_cannot_be_folded_is_refused_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.trained("run", 4);
    let before = sandbox.contents("run");
    let data = ["--data", "images"];
    let with = |more: &[&'static str]| [&data[..], more].concat();
    let original = "run/last.safetensors";
    refuse(
        &mut fold(&sandbox, original, &with(&["--tolerance", "0"])),
        &["do not agree", "Nothing was written"],
    );
    refuse(&mut fold(&sandbox, original, &with(&["--out", "run/../run/last.safetensors"])), &["itself"]);
    refuse(&mut fold(&sandbox, original, &with(&["--tolerance=-1"])), &["at least 0"]);
    refuse(&mut fold(&sandbox, original, &["--data", "no-such"]), &["no-such"]);
    refuse(&mut fold(&sandbox, original, &["--images", "no-such.png"]), &["no-such.png"]);
    refuse(&mut fold(&sandbox, "run/config.toml", &data), &["config.toml"]);
    assert!(sandbox.contents("run") == before);

    succeed(&mut fold(&sandbox, original, &with(&["--out", "folded.safetensors"])));
    refuse(
        &mut fold(&sandbox, "folded.safetensors", &data),
        &["folded.safetensors is already folded", "eval"],
    );
    std::fs::copy(sandbox.path("folded.safetensors"), sandbox.path("run/last.safetensors")).unwrap();
    refuse(&mut sandbox.resume("run", &[]), &["holds the network only"]);
}
