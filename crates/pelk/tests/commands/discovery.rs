//! What the program says about itself: models, presets, keys, completions, and suggestions for a wrong word.

use crate::sandbox::{Sandbox, refuse, succeed};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/configuration.md");

fn pelk(line: &str) -> String {
    succeed(&mut Sandbox::empty().pelk(line.split_whitespace()))
}

#[test]
fn models_are_listed_with_their_costs() {
    let all = pelk("models");
    for name in ["pelk_t", "pelk_atto", "slak_t", "convnext_b", "replknet_31b", "inceptionnext_t"] {
        assert!(all.lines().any(|line| line.starts_with(&format!("{name} "))), "{all}");
    }
    let lines = |text: &str| text.lines().filter(|line| line.contains('_')).count();
    assert!((1..lines(&all)).contains(&lines(&pelk("models STRIPES"))));
    let json: serde_json::Value = serde_json::from_str(pelk("models --json pelk_t_101").trim()).unwrap();
    assert_eq!((json["name"].as_str(), json["size"].as_u64()), (Some("pelk_t_101"), Some(224)));
    assert!(json["parameters"].as_u64() > Some(20_000_000), "{json}");
    refuse(&mut Sandbox::empty().pelk(["models", "vit"]), &["no model has \"vit\""]);
}

#[test]
fn presets_are_listed_and_printed_as_configurations() {
    let all = pelk("presets");
    for words in [["fashion-mnist ", "pelk_atto"], ["ade20k-pelk-t ", "160000 steps"], ["scenes ", "scenes"]]
    {
        assert!(all.lines().any(|line| line.starts_with(words[0]) && line.contains(words[1])), "{all}");
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("mine.toml"), pelk("presets fashion-mnist")).unwrap();
    let train = ["train", "--config", "mine.toml", "--data", "images", "--set", "batch.size=8", "--dry-run"];
    assert!(succeed(&mut sandbox.pelk(train)).contains("pelk_atto"));
    refuse(&mut sandbox.pelk(["presets", "sceens"]), &["\"scenes\""]);
}

#[test]
fn keys_are_found_by_path_by_meaning_and_by_the_names_of_other_tools() {
    assert!(pelk("keys").lines().count() > 150);
    let keys = pelk("keys optimizer.l");
    assert!(
        keys.starts_with("optimizer.layer_decay.groups: one of stages, blocks, default \"stages\"\n"),
        "{keys}"
    );
    assert!(keys.contains("\noptimizer.learning_rate: a number, default 0.004\n"), "{keys}");
    assert!(pelk("keys lr").contains("optimizer.learning_rate: "));
    assert!(pelk("keys nesterov").starts_with("optimizer.nesterov: true or false, default true\n"));
    assert!(pelk("keys MixUp").contains("data.mix.mixup_alpha: "));
    refuse(&mut Sandbox::empty().pelk(["keys", "quux"]), &["no key has \"quux\""]);
}

#[test]
fn the_page_of_the_guide_is_the_list_of_keys() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let right = pelk("keys --markdown");
    let line = page.lines().zip(right.lines()).find(|(page, right)| page != right);
    assert!(page == right, "run `pelk keys --markdown > docs/guide/configuration.md`: {line:?}");
}

#[test]
fn completions_are_written_for_every_shell() {
    for (shell, word) in
        [("bash", "complete -F _pelk"), ("zsh", "#compdef pelk"), ("fish", "complete -c pelk")]
    {
        let sandbox = Sandbox::empty();
        let script = succeed(sandbox.pelk(["completions", shell]).env("PELK_COMMAND", "cargo xtask"));
        assert!(script.contains(word) && script.contains("checkpoint-every"), "{shell}");
    }
    refuse(&mut Sandbox::empty().pelk(["completions", "dos"]), &["dos", "bash", "fish"]);
}

#[test]
fn options_of_other_tools_get_ours() {
    let sandbox = Sandbox::empty();
    for (option, value, tip) in [
        ("--batch-size", "64", "--set batch.size=64"),
        ("--lr", "0.001", "--set optimizer.learning_rate=0.001"),
        ("--epochs", "10", "--set schedule.epochs=10"),
        ("--num-workers", "4", "--loaders"),
    ] {
        refuse(&mut sandbox.pelk(["train", option, value]), &[option, tip]);
    }
}
