//! Damaged annotation files: an error that names the file, or a usable dataset, never a panic.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pelk_data::{
    Dataset, FileOptions, ImageDataset, Loader, LoaderConfig, Mode, ObjectConfig, SceneConfig, Scenes, Split,
    coco, coco_instances, write_coco,
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

/// What labeling tools write: ids as texts and floats, packed runs, no boxes, `\` in names, numbers as texts.
const UNUSUAL: &str = r#"{"annotations": [
    {"id": "x", "image_id": "img/1", "category_id": 1.0, "segmentation": [[1, 1, 15, 1, 15, 15, 1, 15]]},
    {"id": 0, "image_id": 7, "category_id": "2", "bbox": ["1", "2", "3", "4.0"], "area": NaN, "iscrowd": null,
     "segmentation": {"counts": "m37=000000LD0<4000000g6", "size": [20, 26]}},
    {"id": 4, "image_id": 7.0, "category_id": 2, "iscrowd": "1", "bbox": [], "attributes": {"occluded": false},
     "segmentation": {"counts": [100, 20, 400], "size": [20, 26]}},
    {"id": 4, "image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5], "area": 25, "segmentation": []}],
    "categories": [{"id": 1, "name": "a"}, {"id": "2", "name": 3}],
    "images": [{"id": "img/1", "file_name": "sub\\0.png", "height": 20.0, "width": "26"},
               {"id": 7, "file_name": "train/1.png", "height": 20, "width": 26, "date_captured": Infinity}]}"#;

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
        match coco_instances(folder.path(), Split::Train, &config, &FileOptions::default()) {
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
        match coco(folder.path(), Split::Train, &FileOptions::default()) {
            Ok(set) => {
                (0..set.len()).filter_map(|i| set.sample(i).err()).for_each(|error| named(error.to_string()));
            }
            Err(error) => named(error.to_string()),
        }
    }
    assert!(errors > 200 && remarks > 100, "{errors} errors, {remarks} with remarks");
}

#[test]
fn thousands_of_changed_exports_are_read_or_refused_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    write_coco(&scenes(), folder.path(), Split::Train, |_| {}).unwrap();
    let pictures = folder.path().join("train");
    let mut files: Vec<_> = fs::read_dir(&pictures).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    fs::create_dir(pictures.join("sub")).unwrap();
    fs::copy(&files[0], pictures.join("sub/0.png")).unwrap();
    fs::copy(&files[1], pictures.join("1.png")).unwrap();
    let path = folder.path().join("annotations/instances_train.json");
    let (config, options) = (ObjectConfig { min_side: 0, ..ObjectConfig::default() }, FileOptions::default());
    fs::write(&path, UNUSUAL).unwrap();
    let set = coco_instances(folder.path(), Split::Train, &config, &options).unwrap();
    assert_eq!((set.len(), set.objects(0).unwrap().len(), set.objects(1).unwrap().len()), (2, 1, 2));

    let (mut opened, mut refused) = (0, 0);
    for seed in 0..4000 {
        let mut rng = stream(seed, Purpose::Augment, 1, 0);
        let mut text = damaged(&mut rng, UNUSUAL.as_bytes());
        for _ in 0..rng.random_range(0..3) {
            if text.iter().any(u8::is_ascii_digit) {
                text = damaged(&mut rng, &text);
            }
        }
        fs::write(&path, &text).unwrap();
        let start = Instant::now();
        let pixels = coco(folder.path(), Split::Train, &options);
        let objects = coco_instances(folder.path(), Split::Train, &config, &options);
        for error in [pixels.as_ref().err(), objects.as_ref().err()].into_iter().flatten() {
            refused += 1;
            let text = error.to_string();
            assert!(text.contains("instances_train.json"), "seed {seed}: {text}");
        }
        let sets: [Option<&dyn Dataset>; 2] =
            [pixels.as_ref().ok().map(|set| set as _), objects.as_ref().ok().map(|set| set as _)];
        for set in sets.into_iter().flatten() {
            opened += 1;
            for index in 0..set.len() {
                let Ok(sample) = set.sample(index) else { continue };
                assert!(sample.labels.iter().all(|&label| (label as usize) < set.classes().len()));
                assert!(sample.objects.iter().all(|object| (object.class as usize) < set.classes().len()));
            }
        }
        assert!(start.elapsed() < Duration::from_secs(1), "seed {seed}: {:?}", start.elapsed());
    }
    assert!(opened > 1000 && refused > 500, "{opened} opened, {refused} refused");
}
