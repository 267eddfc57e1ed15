//! Annotation files and files of results: what is read, what is reported, what survives damage.

use chacha20::ChaCha8Rng;
use pelk_coco::{
    FileError, Instances, IouType, MaskError, Masks, ProblemKind, ReadOptions, Rle, Segmentation, Settings,
    evaluate_files, read_results, read_results_checked, write_results,
};
use rand::{Rng, RngExt, SeedableRng};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TRUTH: &str = r#"{"info": {"year": 2017}, "licenses": [],
"images": [{"id": 3, "height": 8, "width": 9, "file_name": "a.jpg", "license": 1},
           {"id": 0, "height": 4, "width": 5, "file_name": "b.jpg"}],
"annotations": [
{"id": 7, "image_id": 3, "category_id": 18, "iscrowd": 0, "area": 15.5, "bbox": [1, 1, 4.5, 4],
 "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5], [6, 1, 8, 1, 8, 3]]},
{"id": 8, "image_id": 0, "category_id": 2, "iscrowd": 1, "area": 4, "bbox": [0, 0, 5, 4],
 "segmentation": {"size": [4, 5], "counts": [2, 4, 14]}},
{"id": 9, "image_id": 0, "category_id": 2, "iscrowd": 0, "area": 3, "bbox": [1, 0, 1, 3],
 "segmentation": {"counts": "43=", "size": [4, 5]}}],
"categories": [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 2, "name": "bicycle"}]}"#;

const RESULTS: &str = r#"[{"image_id": 3, "category_id": 18, "bbox": [1, 1, 4.5, 4], "score": 0.9,
  "segmentation": {"size": [8, 9], "counts": "94400[1"}},
 {"image_id": 0, "category_id": 2, "bbox": [1, 0, 1, 3], "score": 0.5,
  "segmentation": {"size": [4, 5], "counts": "43="}}]"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn read(path: &Path) -> Result<Instances, FileError> {
    Instances::read(path, ReadOptions::default())
}

#[test]
fn all_forms_of_segmentations_are_read_and_written() {
    let folder = Folder::new();
    let path = folder.file("truth.json", TRUTH);
    let instances = read(&path).unwrap();
    assert_eq!((instances.images.len(), instances.category_ids()), (2, vec![18, 2]));
    let kinds: Vec<_> = instances.annotations.iter().map(|one| one.segmentation.clone().unwrap()).collect();
    assert!(matches!(&kinds[0], Segmentation::Polygons(polygons) if polygons.len() == 2));
    assert_eq!(kinds[1], Segmentation::Counts(Rle::from_counts(&[2, 4, 14], [4, 5]).unwrap()));
    assert_eq!(kinds[2], Segmentation::Packed(Rle::from_counts(&[4, 3, 13], [4, 5]).unwrap()));
    assert!(instances.annotations[1].crowd);

    let copy = folder.0.path().join("copy.json");
    instances.write(&copy).unwrap();
    assert_eq!(read(&copy).unwrap(), instances);

    let as_runs = ReadOptions { masks: Masks::Runs, ..ReadOptions::default() };
    let runs = Instances::read(&path, as_runs).unwrap();
    assert_eq!(runs.mask_truths().unwrap(), instances.mask_truths().unwrap());
    let skipped = ReadOptions { masks: Masks::Skip, ..ReadOptions::default() };
    let skipped = Instances::read(&path, skipped).unwrap();
    assert!(skipped.annotations.iter().all(|annotation| annotation.segmentation.is_none()));
    assert_eq!(skipped.box_truths(), instances.box_truths());
}

#[test]
fn the_parts_of_a_file_may_come_in_any_order() {
    let folder = Folder::new();
    let start = TRUTH.find("\"annotations\"").unwrap();
    let end = TRUTH.find("\"categories\"").unwrap();
    let images = TRUTH.find("\"images\"").unwrap();
    let turned = format!(
        "{{{}, {}}}",
        &TRUTH[start..end].trim_end().trim_end_matches(','),
        [&TRUTH[end..TRUTH.len() - 1], TRUTH[images..start].trim_end().trim_end_matches(',')].join(", ")
    );
    let (a, b) = (folder.file("a.json", TRUTH), folder.file("b.json", turned));
    let options = ReadOptions { masks: Masks::Runs, ..ReadOptions::default() };
    assert_eq!(Instances::read(a, options).unwrap(), Instances::read(b, options).unwrap());
}

#[test]
fn results_are_read_and_written() {
    let folder = Folder::new();
    let results = read_results(folder.file("results.json", RESULTS)).unwrap();
    assert_eq!((results.len(), results[0].score, results[1].bbox), (2, 0.9, Some([1.0, 0.0, 1.0, 3.0])));
    assert_eq!(results[1].segmentation.as_ref().unwrap().counts(), [4, 3, 13]);
    let copy = folder.0.path().join("copy.json");
    write_results(&copy, &results).unwrap();
    assert_eq!(read_results(&copy).unwrap(), results);
}

#[test]
fn problems_are_reported_one_by_one() {
    let folder = Folder::new();
    // Each replaces the first occurrence in an annotation.
    let changes = [
        ("\"id\": 7", "\"id\": 0", "`id` is 0"),
        ("\"id\": 9", "\"id\": 7", "annotation 7: `id` occurs twice"),
        ("\"id\": 7,", "", "entry 0 (counted from 0): `id` is missing"),
        ("\"image_id\": 3", "\"image_id\": 4", "annotation 7: `image_id` is 4, but there is no such image"),
        ("\"image_id\": 3", "\"image_id\": -3", "annotation 7: `image_id` is -3.0, but must be an integer"),
        (
            "\"category_id\": 18",
            "\"category_id\": 17",
            "annotation 7: `category_id` is 17, but there is no such",
        ),
        ("4.5, 4]", "0, 4]", "annotation 7: `bbox` is [1.0, 1.0, 0.0, 4.0], but width and height"),
        ("4.5, 4]", "4.5, -4]", "annotation 7: `bbox` is [1.0, 1.0, 4.5, -4.0], but width and height"),
        ("4.5, 4]", "4.5, NaN]", "annotation 7: `bbox` is a list with the text \"NaN\""),
        ("4.5, 4]", "4.5]", "annotation 7: `bbox` is [1.0, 1.0, 4.5], but must be x, y, width and height"),
        ("\"area\": 15.5", "\"area\": \"big\"", "annotation 7: `area` is the text \"big\""),
        ("\"area\": 15.5", "\"area\": -Infinity", "annotation 7: `area` is the text \"-Infinity\""),
        ("\"area\": 15.5,", "", "annotation 7: `area` is missing, but must be a number"),
        ("\"iscrowd\": 1", "\"iscrowd\": 2", "annotation 8: `iscrowd` is 2, but must be 0 or 1"),
        ("[6, 1, 8, 1, 8, 3]", "[6, 1, 8]", "annotation 7: `segmentation`: a polygon has 3 numbers"),
        ("[6, 1, 8, 1, 8, 3]", "[6, 1, 8, 1, 8, 1e300]", "annotation 7: `segmentation`: coordinate 5 is 1"),
        (
            "[6, 1, 8, 1, 8, 3]",
            "[6, 1, 8, 1, 8, null]",
            "annotation 7: `segmentation` is a list with a list with null",
        ),
        ("[2, 4, 14]", "[2, 4, 15]", "annotation 8: `segmentation`: the runs add up to 21 pixels, but"),
        ("[2, 4, 14]", "[2, 4, -14]", "annotation 8: `segmentation.counts` is a list with -14.0"),
        (
            "[4, 5], \"counts\": [2",
            "[5, 4], \"counts\": [2",
            "annotation 8: `segmentation` is for 5 x 4 pixels, but",
        ),
        ("\"43=\"", "\"4 =\"", "annotation 9: `segmentation`: character 1 of the packed runs is ' '"),
        ("[6, 1, 8, 1, 8, 3]", "[6, 1, 8, 3]", "annotation 7: `segmentation`: a polygon has 4 numbers"),
        ("\"43=\"", "5", "annotation 9: `segmentation.counts` is 5, but must be a text or a list"),
    ];
    for (old, new, expected) in changes {
        let text = TRUTH.replacen(old, new, 1);
        assert_ne!(text, TRUTH, "{old}");
        let path = folder.file("truth.json", text);
        let (instances, problems) = Instances::read_checked(&path, ReadOptions::default()).unwrap();
        assert_eq!((instances.annotations.len(), problems.len()), (2, 1), "{new}");
        let shown = problems[0].to_string();
        assert!(shown.contains(expected), "{shown}");
        let strict = read(&path).unwrap_err().to_string();
        assert!(strict.contains("truth.json: ") && strict.contains(expected), "{strict}");
    }
    let empty = TRUTH.replacen("4.5, 4]", "0, 4]", 1);
    let options = ReadOptions { allow_empty_boxes: true, ..ReadOptions::default() };
    assert_eq!(Instances::read(folder.file("truth.json", empty), options).unwrap().annotations.len(), 3);
}

#[test]
fn problems_of_results_name_the_entry() {
    let folder = Folder::new();
    let text = RESULTS.replacen("0.9", "NaN", 1).replacen("\"43=\"", "\"43>\"", 1);
    let (results, problems) = read_results_checked(folder.file("results.json", text)).unwrap();
    assert!(results.is_empty());
    assert_eq!(
        problems[0].to_string(),
        "result entry 0 (counted from 0): `score` is the text \"NaN\", but must be a number"
    );
    let sum = MaskError::Sum { height: 4, width: 5, found: 21 };
    assert_eq!(problems[1].kind, ProblemKind::Segmentation(sum));

    let truth = folder.file("truth.json", TRUTH);
    for (old, new, expected) in [
        ("\"image_id\": 0", "\"image_id\": 5", "`image_id` is 5, but there is no such image"),
        ("\"category_id\": 2", "\"category_id\": 3", "`category_id` is 3, but there is no such category"),
        ("[4, 5], \"counts\": \"43=\"", "[5, 4], \"counts\": \"43=\"", "`segmentation` is for 5 x 4 pixels"),
    ] {
        let results = folder.file("results.json", RESULTS.replacen(old, new, 1));
        let error = evaluate_files(&truth, results, IouType::Segm, &Settings::default()).unwrap_err();
        assert!(error.to_string().contains("results.json: result entry 1"), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn files_that_are_wrong_as_a_whole_are_named() {
    let folder = Folder::new();
    for (text, expected) in [
        ("[1, 2".to_owned(), "truth.json is damaged or not a file of instance annotations"),
        ("{}".to_owned(), "truth.json has no `images`"),
        (TRUTH.replace("\"annotations\"", "\"things\""), "truth.json has no `annotations`"),
        (TRUTH.replacen("\"id\": 0", "\"id\": 3", 1), "truth.json: image 3: `id` occurs twice"),
        (TRUTH.replacen("\"id\": 2", "\"id\": 18", 1), "category 18 occurs twice with different names"),
    ] {
        let error = read(&folder.file("truth.json", text)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = read(Path::new("nowhere.json")).unwrap_err();
    assert!(error.to_string().contains("cannot read nowhere.json"), "{error}");
}

/// Damages a text: bytes flipped, parts cut or repeated, numbers replaced, fields renamed.
fn damaged(text: &str, rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let end = bytes.len().min(at + rng.random_range(1..40));
                bytes.drain(at..end);
            }
            3 => {
                let values = [
                    "1e308",
                    "1e999",
                    "-1",
                    "NaN",
                    "-Infinity",
                    "null",
                    "\"x\"",
                    "[]",
                    "{}",
                    "0",
                    "18446744073709551616",
                    "4294967295",
                    "1e8",
                    "true",
                    "-9e15",
                ];
                let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip)
                else {
                    continue;
                };
                let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let value = values[rng.random_range(0..values.len())];
                bytes.splice(start..start + length, value.bytes());
            }
            _ => {
                let Some(quote) = bytes[at..].iter().position(|&byte| byte == b'"').map(|skip| at + skip)
                else {
                    continue;
                };
                bytes.insert(quote + 1, b'x');
            }
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    bytes
}

#[test]
fn damaged_files_are_errors_or_read_and_never_take_long() {
    let folder = Folder::new();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut read, mut problems, mut refused) = (0, 0, 0);
    for _ in 0..1000 {
        let start = Instant::now();
        let truth = folder.file("truth.json", damaged(TRUTH, &mut rng));
        let results = folder.file("results.json", damaged(RESULTS, &mut rng));
        for masks in [Masks::Keep, Masks::Runs, Masks::Skip] {
            match Instances::read_checked(&truth, ReadOptions { masks, allow_empty_boxes: true }) {
                Ok((_, found)) if found.is_empty() => read += 1,
                Ok(_) => problems += 1,
                Err(_) => refused += 1,
            }
            let options = ReadOptions { masks, allow_empty_boxes: false };
            if let Ok(repaired) = Instances::read_repaired(&truth, options) {
                let ids: HashSet<u64> = repaired.instances.annotations.iter().map(|one| one.id).collect();
                assert!(ids.len() == repaired.instances.annotations.len() && !ids.contains(&0));
            }
        }
        let _ = read_results_checked(&results);
        for kind in [IouType::Bbox, IouType::Segm] {
            if let Ok(evaluation) = evaluate_files(&truth, &results, kind, &Settings::default()) {
                assert!(evaluation.summary().values().iter().all(|value| (-1.0..=1.0).contains(value)));
            }
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    // All three ends occur, so that the damage is neither harmless nor hopeless.
    assert!(read > 100 && problems > 100 && refused > 100, "{read} {problems} {refused}");
}
