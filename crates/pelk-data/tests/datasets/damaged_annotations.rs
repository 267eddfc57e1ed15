//! Damaged annotation files: an error that names the file, or a usable dataset, never a panic.

use std::fs;
use std::sync::Arc;

use pelk_data::{
    Dataset, ImageDataset, Loader, LoaderConfig, Mode, ObjectConfig, SceneConfig, Scenes, Split, coco,
    coco_instances, write_coco,
};
use pelk_random::{Purpose, stream};
use rand::{Rng, RngExt};

fn scenes() -> Scenes {
    let pixels = (0..3 * 8 * 8).map(|i| 100 + i as u8 % 64).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let items = ImageDataset::new("a test", [8, 8, 1], pixels, vec![0, 1, 2], classes).unwrap();
    let config = SceneConfig { size: [20, 26], sides: [4, 12], ..SceneConfig::default() };
    Scenes::new(Arc::new(items), Split::Train, 1, 4, config).unwrap()
}

/// The text with one random change.
fn damaged(rng: &mut impl Rng, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let at = rng.random_range(0..text.len());
    let end = (at + rng.random_range(1..40_usize)).min(text.len());
    match rng.random_range(0..6) {
        0 => text.truncate(at),
        1 => drop(text.drain(at..end)),
        2 => text[at] = rng.random(),
        3 => {
            let part = text[at..end].to_vec();
            text.splice(at..at, part);
        }
        // Numbers, where most of the text's meaning is.
        4 => {
            let digits: Vec<usize> = (0..text.len()).filter(|&i| text[i].is_ascii_digit()).collect();
            text[digits[rng.random_range(0..digits.len())]] = b'0' + rng.random_range(0..10_u8);
        }
        _ => {
            let digits: Vec<usize> = (0..text.len()).filter(|&i| text[i].is_ascii_digit()).collect();
            let at = digits[rng.random_range(0..digits.len())];
            let word: &[u8] = [&b"-"[..], b"1e300", b"-1e9", b"null", b"NaN", b"[", b"99999999999999999999"]
                [rng.random_range(0..7)];
            text.splice(at..at, word.iter().copied());
        }
    }
    text
}

#[test]
fn a_thousand_damaged_files_are_errors_or_usable() {
    let folder = tempfile::tempdir().unwrap();
    write_coco(&scenes(), folder.path(), Split::Train, |_| {}).unwrap();
    let path = folder.path().join("annotations/instances_train.json");
    let text = fs::read(&path).unwrap();
    let config = ObjectConfig { min_side: 0, ..ObjectConfig::default() };
    let (mut errors, mut remarks) = (0, 0);
    for seed in 0..1000 {
        let mut rng = stream(seed, Purpose::Augment, 0, 0);
        fs::write(&path, damaged(&mut rng, &text)).unwrap();
        let named = |error: String| {
            let named = error.contains("instances_train.json") || error.contains(".png");
            assert!(named, "seed {seed}: {error}");
        };
        match coco_instances(folder.path(), Split::Train, &config) {
            Ok(set) => {
                remarks += usize::from(!set.remarks().is_empty());
                let mode = Mode::Evaluation { transform: None };
                let loading = LoaderConfig::new(1, mode, set.statistics().clone());
                let batches = Loader::new(Arc::new(set), loading).unwrap();
                batches.filter_map(Result::err).for_each(|error| named(error.to_string()));
            }
            Err(error) => {
                errors += 1;
                named(error.to_string());
            }
        }
        match coco(folder.path(), Split::Train) {
            Ok(set) => {
                (0..set.len()).filter_map(|i| set.sample(i).err()).for_each(|error| named(error.to_string()));
            }
            Err(error) => named(error.to_string()),
        }
    }
    assert!(errors > 200 && remarks > 100, "{errors} errors, {remarks} with remarks");
}
