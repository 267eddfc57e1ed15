//! Weights from files that other programs wrote: types, prefixes, other heads.

use crate::common::{config, images, message_of, train, trainer, trainer_on};
use ndarray::ArrayD;
use pelk_autodiff::{CpuBackend, HostParameters};
use pelk_data::ImageDataset;
use pelk_models::WeightsFile;
use pelk_train::{Checkpoint, Datasets, Result, Trainer, WarmStart};
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The weights of a short run, without the state of its training, and the folder of its files.
fn network(folder: &Path) -> (HostParameters, PathBuf) {
    let recorder = train(config(&[]), folder, 6);
    (Checkpoint::read(&recorder.best()).unwrap().tensors, recorder.best())
}

/// A trainer that is to start from a file, and what it took.
fn started(path: &Path) -> (Trainer<CpuBackend>, Result<WarmStart>) {
    let setting = format!("weights={}", toml::Value::from(path.display().to_string()));
    let mut trainer = trainer(config(&[&setting]));
    let start = trainer.warm_start().map(Option::unwrap);
    (trainer, start)
}

/// Writes tensors of F32 under other names.
fn write(path: &Path, tensors: &HostParameters, name: impl Fn(&str) -> String) {
    let tensors = tensors.iter().map(|(old, array)| (name(old), array.clone())).collect();
    let file = WeightsFile { tensors, ..WeightsFile::default() };
    std::fs::write(path, file.to_bytes().unwrap()).unwrap();
}

#[test]
fn floats_of_every_size_start_a_network_and_counters_are_unused() {
    let folder = tempfile::tempdir().unwrap();
    let (tensors, _) = network(folder.path());
    let path = folder.path().join("other.safetensors");
    type Encode = fn(f32) -> Vec<u8>;
    let double: Encode = |value| f64::from(value).to_le_bytes().to_vec();
    let short: Encode = |value| value.to_le_bytes()[2..].to_vec();
    for (dtype, encode) in [(Dtype::F64, double), (Dtype::BF16, short)] {
        let bytes: Vec<(&String, &[usize], Vec<u8>)> = tensors
            .iter()
            .map(|(name, array)| {
                (name, array.shape(), array.iter().flat_map(|&value| encode(value)).collect())
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| (*name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap()));
        let steps = "stages.0.0.large_bn.num_batches_tracked".to_owned();
        let counter = (&steps, TensorView::new(Dtype::I64, vec![], &[7, 0, 0, 0, 0, 0, 0, 0]).unwrap());
        std::fs::write(&path, safetensors::serialize(views.chain([counter]), None).unwrap()).unwrap();
        let (trainer, start) = started(&path);
        let start = start.unwrap();
        assert_eq!(start.converted, [(format!("{dtype:?}"), tensors.len())].into());
        assert_eq!((start.taken, start.fresh.len(), start.unused), (tensors.len(), 0, vec![steps]));
        for (name, value) in trainer.checkpoint().unwrap().tensors {
            let Some(theirs) = tensors.get(&name) else { continue };
            let expected = theirs.mapv(|value| match dtype {
                Dtype::F64 => value,
                _ => f32::from_bits(value.to_bits() & 0xffff_0000),
            });
            assert_eq!(value, expected, "{name}");
        }
    }
    // A parameter that is not of floats.
    let spoilt = "stages.0.0.large.weight";
    let bytes = tensors.iter().map(|(name, array)| {
        let size = if name == spoilt { 1 } else { 4 };
        (name, array.shape().to_vec(), vec![0; size * array.len()])
    });
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = bytes.collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let dtype = if *name == spoilt { Dtype::U8 } else { Dtype::F32 };
        (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let message = message_of(started(&path).1);
    assert!(message.contains(spoilt) && message.contains("as U8"), "{message}");
}

#[test]
fn a_common_prefix_is_taken_off_and_two_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (tensors, _) = network(folder.path());
    let path = folder.path().join("other.safetensors");
    let is_head = |name: &str| name.starts_with("head.");
    for prefix in ["module.", "backbone.", "model.encoder.", "x."] {
        write(&path, &tensors, |name| format!("{prefix}{name}"));
        let (trainer, start) = started(&path);
        let start = start.unwrap();
        assert_eq!((start.prefix.as_str(), start.taken, start.unused.len()), (prefix, tensors.len(), 0));
        let ours = trainer.checkpoint().unwrap().tensors;
        assert!(tensors.iter().all(|(name, value)| ours[name] == *value), "{prefix}");
        // A head beside the backbone.
        write(
            &path,
            &tensors,
            |name| if is_head(name) { name.to_owned() } else { format!("{prefix}{name}") },
        );
        assert_eq!(started(&path).1.unwrap().taken, tensors.len(), "{prefix}");
    }
    write(&path, &tensors, str::to_owned);
    assert_eq!(started(&path).1.unwrap().prefix, "");

    let mut two = HostParameters::new();
    for prefix in ["student.", "teacher."] {
        two.extend(tensors.iter().map(|(name, array)| (format!("{prefix}{name}"), array.clone())));
    }
    write(&path, &two, str::to_owned);
    let message = message_of(started(&path).1);
    assert!(message.contains("several networks") && message.contains("student., teacher."), "{message}");
    // Another network under a prefix stays what it is.
    two.retain(|name, _| name.starts_with("student.") && !name.contains("stages.1."));
    write(&path, &two, str::to_owned);
    let message = message_of(started(&path).1);
    assert!(message.contains("lacks") && message.contains("another backbone"), "{message}");
}

#[test]
fn a_head_is_taken_by_the_names_of_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let (tensors, path) = network(folder.path());
    let (same, start) = started(&path);
    assert_eq!((start.as_ref().unwrap().taken, &start.unwrap().other_classes[..]), (tensors.len(), &[][..]));
    assert_eq!(same.checkpoint().unwrap().tensors["head.weight"], tensors["head.weight"]);

    let started_on = |classes: [&str; 3]| {
        let renamed = |count, seed| {
            let set = images([12, 10], count, seed);
            let pixels = (0..set.len()).flat_map(|index| set.image(index).to_vec()).collect();
            let labels = (0..set.len()).map(|index| set.label(index)).collect();
            let classes = classes.map(str::to_owned).to_vec();
            Arc::new(ImageDataset::new("other", [12, 10, 1], pixels, labels, classes).unwrap())
        };
        let setting = format!("weights={}", toml::Value::from(path.display().to_string()));
        let data = Datasets { train: renamed(53, 1), test: renamed(17, 2) };
        let mut trainer = trainer_on(data, config(&[&setting]));
        let before = trainer.checkpoint().unwrap().tensors;
        let start = trainer.warm_start().unwrap().unwrap();
        let after = trainer.checkpoint().unwrap().tensors;
        assert_eq!(after["stages.0.0.large.weight"], tensors["stages.0.0.large.weight"]);
        (start, before, after)
    };
    let (start, before, after) = started_on(["row", "column", "edge"]);
    assert_eq!(start.fresh, ["head.weight", "head.bias"]);
    assert_eq!(start.other_classes, ["row", "column", "corner"]);
    assert!(start.reordered.is_empty());
    assert_eq!(after["head.weight"], before["head.weight"]);

    // The same classes in another order: each keeps its row.
    let (start, _, after) = started_on(["corner", "row", "column"]);
    assert_eq!((start.taken, start.fresh.len(), start.other_classes.len()), (tensors.len(), 0, 0));
    assert_eq!(start.reordered, ["head.weight", "head.bias"]);
    for name in ["head.weight", "head.bias"] {
        let rows = |array: &ArrayD<f32>| array.outer_iter().map(|row| row.to_owned()).collect::<Vec<_>>();
        let (theirs, ours) = (rows(&tensors[name]), rows(&after[name]));
        assert!(theirs[0] != theirs[1] && theirs[1] != theirs[2], "{name}");
        assert_eq!([&ours[0], &ours[1], &ours[2]], [&theirs[2], &theirs[0], &theirs[1]], "{name}");
    }
}

#[test]
fn a_value_that_is_not_finite_is_refused_where_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (tensors, _) = network(folder.path());
    let path = folder.path().join("other.safetensors");
    let spoilt = |name: &str, value: f32| {
        let mut tensors = tensors.clone();
        tensors.entry(name.to_owned()).or_insert_with(|| ArrayD::zeros(vec![2])).as_slice_mut().unwrap()[0] =
            value;
        write(&path, &tensors, str::to_owned);
        started(&path).1
    };
    for (name, value) in [
        ("stages.0.0.large.weight", f32::NAN),
        ("head.bias", f32::INFINITY),
        ("stages.1.0.large_bn.running_var", -0.5),
    ] {
        let message = message_of(spoilt(name, value));
        for word in [name, "other.safetensors", "`weights`", "value 1 of"] {
            assert!(message.contains(word), "{message}");
        }
        assert!(!message.contains("last checkpoint"), "{message}");
    }
    assert_eq!(spoilt("teacher.bias", f32::NAN).unwrap().unused, ["teacher.bias"]);
}

#[test]
fn files_of_other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pth");
    let zip = [&b"PK\x03\x04"[..], &[0; 26], b"archive/data.pkl", &[0; 99]].concat();
    for (bytes, words) in [
        (&zip[..], ["checkpoint of PyTorch", "save_file"]),
        (b"<!DOCTYPE html>\n<html>", ["web page", "download"]),
        (b"version https://git-lfs.github.com/spec/v1\n", ["Git LFS pointer", "git lfs pull"]),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for message in [message_of(started(&path).1), message_of(Checkpoint::read(&path))] {
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
            assert!(message.contains("net.pth"), "{message}");
        }
    }
}
