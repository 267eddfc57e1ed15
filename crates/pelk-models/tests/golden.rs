//! The golden cases: outputs and gradients that PyTorch computed in float64, on every backend, at every SIMD
//! level.
//!
//! A case is one safetensors file; its metadata names the operator and its attributes. A case fails if its
//! operator or an attribute is unknown, or if some of its outputs or gradients were not compared.
//! `PELK_GOLDEN_DIR` names a folder of cases to run instead of the fixtures.

#[path = "golden/cascade.rs"]
mod cascade;
#[path = "golden/cascade_stages.rs"]
mod cascade_stages;
#[path = "golden/case.rs"]
mod case;
#[path = "golden/detection.rs"]
mod detection;
#[path = "golden/detection_host.rs"]
mod detection_host;
#[path = "golden/detection_losses.rs"]
mod detection_losses;
#[path = "golden/detection_operators.rs"]
mod detection_operators;
#[path = "golden/families.rs"]
mod families;
#[path = "golden/heads.rs"]
mod heads;
#[path = "golden/networks.rs"]
mod networks;
#[path = "golden/operators.rs"]
mod operators;
#[path = "golden/roi_align.rs"]
mod roi_align;

use case::Case;
use pelk_autodiff::{Backend, CpuBackend, GpuBackend, ReferenceBackend};
use pelk_simd::Level;
use std::path::PathBuf;

fn folder() -> PathBuf {
    std::env::var_os("PELK_GOLDEN_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"),
        PathBuf::from,
    )
}

fn run<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let op = case.op.clone();
    match op.as_str() {
        "pelk_block" => networks::block(case, backend),
        "rival_block" => networks::rival(case, backend),
        "pelk_train" => networks::train(case, backend),
        "network" => families::network(case, backend),
        "upernet" => heads::upernet(case, backend),
        _ => detection::run(&op, case, backend),
    }?;
    case.all_compared()
}

fn paths() -> Vec<PathBuf> {
    let folder = folder();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot read the golden cases in {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no golden case in {}", folder.display());
    paths
}

fn every_case_holds<B: Backend>(backends: &[B]) {
    let paths = paths();
    let mut failures = Vec::new();
    for backend in backends {
        for path in &paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if let Err(reason) = Case::read(path).and_then(|mut case| run(&mut case, backend)) {
                failures.push(format!("{name} ({}): {reason}", backend.name()));
            }
        }
    }
    let cases = paths.len() * backends.len();
    assert!(failures.is_empty(), "{} of {cases} cases failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_golden_case_holds_at_every_simd_level() {
    if pelk_testing::cpu() {
        let levels = Level::available().into_iter();
        every_case_holds(&levels.map(CpuBackend::with_level).collect::<Vec<_>>());
    }
}

#[test]
fn every_golden_case_holds_on_the_reference() {
    every_case_holds(&[ReferenceBackend]);
}

#[test]
fn every_golden_case_holds_on_the_gpu() {
    if let Some(gpu) = pelk_testing::gpu() {
        every_case_holds(&[GpuBackend::new(gpu)]);
    }
}

#[test]
fn an_unknown_operator_or_attribute_fails() {
    let backend = CpuBackend::with_level(Level::PORTABLE);
    let path = folder().join("relu_0.safetensors");
    if std::env::var_os("PELK_GOLDEN_DIR").is_some() {
        return; // another folder need not have the case that is corrupted here
    }
    let mut case = Case::read(&path).unwrap();
    case.op = "swish".into();
    assert!(run(&mut case, &backend).unwrap_err().contains("swish"));
    let mut case = Case::read(&path).unwrap();
    case.attrs = serde_json::json!({ "inplace": true });
    assert!(run(&mut case, &backend).unwrap_err().contains("inplace"));
}
