//! A trained network on other data: classes go by their names, in every command.

use crate::sandbox::{Sandbox, refuse, succeed};
use image::{Rgb, RgbImage};

const BASE: [(&str, [u8; 3]); 3] = [("ant", [220, 40, 30]), ("bee", [40, 200, 60]), ("cat", [40, 60, 220])];

/// Noisy pictures of one color a class, `count` of each, below `folder`.
fn pictures(sandbox: &Sandbox, folder: &str, classes: &[(&str, [u8; 3])], count: u32) {
    for (class, color) in classes {
        for number in 0..count {
            let picture = RgbImage::from_fn(24, 24, |x, y| {
                let noise = (x * 7 + y * 13 + number * 5) % 24;
                Rgb(color.map(|value| value + noise as u8))
            });
            let path = sandbox.path(&format!("{folder}/{class}/{number}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            picture.save(path).unwrap();
        }
    }
}

/// The share of correct pictures that `eval` prints for a class, such as `100.0 %`, with its number of labels.
fn row<'a>(said: &'a str, class: &str) -> Vec<&'a str> {
    let line = said.lines().find(|line| line.split_whitespace().next() == Some(class));
    line.unwrap_or_else(|| panic!("no {class} in:\n{said}")).split_whitespace().skip(1).take(2).collect()
}

#[test]
fn a_network_is_compared_with_data_by_the_names_of_classes() {
    let sandbox = Sandbox::empty();
    for part in ["train", "val"] {
        pictures(&sandbox, &format!("base/{part}"), &BASE, 8);
        pictures(&sandbox, &format!("subset/{part}"), &[BASE[0], BASE[2]], 8);
        let named = |names: [&'static str; 3]| [0, 1, 2].map(|class| (names[class], BASE[class].1));
        pictures(&sandbox, &format!("other/{part}"), &named(["eel", "fox", "gnu"]), 8);
        pictures(&sandbox, &format!("numbers/{part}"), &named(["0", "1", "2"]), 8);
        pictures(&sandbox, &format!("more/{part}"), &BASE, 8);
        pictures(&sandbox, &format!("more/{part}"), &[("dog", [128, 128, 128])], 8);
    }
    pictures(&sandbox, "val-only/val", &BASE, 8);
    pictures(&sandbox, "flat", &BASE, 8);
    let settings = [
        "model.depths=[1, 1]",
        "model.widths=[8, 16]",
        "model.kernels=[7, 5]",
        "data.augmentation.resized_crop.size=16",
        "data.evaluation={ size = 16, crop_ratio = 1.0 }",
        "data.mix={}",
        "batch.size=6",
        "schedule.epochs=8",
        "schedule.warmup_epochs=0",
    ];
    let train = ["train", "--preset", "folder", "--data", "base", "--out", "run"];
    let set = || settings.iter().flat_map(|setting| ["--set", setting]);
    succeed(&mut sandbox.pelk(train.into_iter().chain(set())));
    let last = "run/last.safetensors";
    let command = |name: &'static str, data: &'static str, more: &[&'static str]| {
        sandbox.pelk([name, "--checkpoint", last, "--data", data].into_iter().chain(more.iter().copied()))
    };

    let base = succeed(&mut command("eval", "base", &[]));
    let subset = command("eval", "subset", &[]).output().unwrap();
    let notes = String::from_utf8(subset.stderr).unwrap();
    assert!(notes.contains("2 of the network's 3 classes are in these data"), "{notes}");
    let subset = String::from_utf8(subset.stdout).unwrap();
    for class in ["ant", "cat"] {
        assert_eq!(row(&subset, class), row(&base, class), "{class}:\n{subset}");
    }
    assert_eq!(row(&subset, "bee")[0], "0");

    for (data, names) in [
        ("other", ["unknown to the network: eel, fox, gnu", "ant, bee, cat"]),
        ("numbers", ["unknown to the network: 0, 1, 2", "ant, bee, cat"]),
        ("more", ["unknown to the network: dog", "ant, bee, cat"]),
    ] {
        refuse(&mut command("eval", data, &[]), &names);
        refuse(&mut command("fold", data, &[]), &names);
        refuse(&mut command("erf", data, &["--images", "1"]), &names);
    }
    for command in [&mut command("fold", "subset", &[]), &mut command("erf", "subset", &["--images", "1"])] {
        succeed(command);
    }

    // All pictures of folders that are not divided.
    refuse(&mut command("eval", "val-only", &[]), &["has a folder val, but no folder train", "--all"]);
    let same = |said: &str| ["ant", "bee", "cat"].map(|class| row(said, class).join(" "));
    for data in ["val-only", "flat"] {
        let said = succeed(&mut command("eval", data, &["--all"]));
        assert!(said.contains("24 images of folder"), "{said}");
        assert_eq!(same(&said), same(&base), "{data}");
    }
    let flat = command("eval", "flat", &[]).output().unwrap();
    assert!(String::from_utf8(flat.stderr).unwrap().contains("--all"));
    refuse(&mut command("eval", "flat", &["--all", "--train"]), &["cannot be used with"]);

    // A run continues on its own data only.
    let resume = |data| sandbox.pelk(["train", "--resume", "--out", "run", "--data", data]);
    refuse(&mut resume("other"), &["the classes", "eel", "ant, bee, cat"]);
    refuse(&mut resume("more"), &["the classes", "ant, bee, cat, dog"]);
    std::fs::remove_file(sandbox.path("base/train/ant/3.png")).unwrap();
    refuse(&mut resume("base"), &["the number of training images: here 23; in training 24"]);

    // As initial weights, its head is of other classes.
    let weights = ["train", "--preset", "folder", "--data", "other", "--weights", last, "--dry-run"];
    let said = succeed(&mut sandbox.pelk(weights.into_iter().chain(set())));
    assert!(said.contains("newly initialized: 2 (head)"), "{said}");
    assert!(said.contains("other classes (ant, bee, cat)"), "{said}");
}
