//! The golden cases: what pycocotools computed.
//!
//! A case is one safetensors file; its metadata names the operation and its attributes. One whose outputs
//! were not all compared fails. `PELK_GOLDEN_DIR` names another folder of cases to run as well; it may hold
//! cases of other crates, or only such, which are passed over.

#[path = "golden/case.rs"]
mod case;
#[path = "golden/evaluation.rs"]
mod evaluation;
#[path = "golden/masks.rs"]
mod masks;

use case::Case;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs a case; `None` if it is not this crate's.
fn run(case: &mut Case) -> Option<Result<(), String>> {
    let result = match case.op.as_str() {
        "coco_rle" => masks::rle(case),
        "coco_polygon" => masks::polygon(case),
        "coco_iou" => masks::iou(case),
        "coco_eval" => evaluation::run(case),
        _ => return None,
    };
    Some(result.and_then(|()| case.all_compared()))
}

/// The number of cases of each operation in a folder, all of which held.
fn every_case_holds(folder: &Path) -> BTreeMap<String, usize> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read the golden cases in {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    let (mut failures, mut held) = (Vec::new(), BTreeMap::new());
    for path in paths {
        let mut case = match Case::read(&path) {
            Ok(case) => case,
            Err(reason) => {
                failures.push(format!("{}: {reason}", path.display()));
                continue;
            }
        };
        match run(&mut case) {
            None => {}
            Some(Ok(())) => *held.entry(case.op).or_default() += 1,
            Some(Err(reason)) => failures.push(format!("{}: {reason}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    held
}

#[test]
fn every_golden_case_holds() {
    let held = every_case_holds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"));
    let expected = [("coco_eval", 5), ("coco_iou", 1), ("coco_polygon", 1), ("coco_rle", 1)];
    assert_eq!(held, expected.map(|(op, count)| (op.to_owned(), count)).into());
}

#[test]
fn every_case_of_the_folder_in_the_environment_holds() {
    if let Some(folder) = std::env::var_os("PELK_GOLDEN_DIR") {
        every_case_holds(Path::new(&folder));
    }
}

#[test]
fn a_wrong_output_fails() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/coco_iou.safetensors");
    let mut case = Case::read(&path).unwrap();
    case.attrs["crowd"] = serde_json::json!([0, 0, 0, 0, 0]);
    assert!(run(&mut case).unwrap().unwrap_err().contains("out.segm"));
}
