//! Shared by the tests of several crates: the choice of backends to test, and the GPU, or the reason why
//! there is none.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PELK_BACKEND` | `cpu` or `gpu`: the tests of the other one are skipped. By default, both are tested. |
//! | `PELK_REQUIRE_GPU=1` | A GPU test that finds no adapter fails; otherwise it is skipped and reported. |
//! | `PELK_NOT_TESTED` | A file to which each skipped test adds a line, for `cargo xtask test`. |
#![forbid(unsafe_code)]

use pelk_wgpu::{Adapter, Gpu, GpuError, Options};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A test that an adapter is known to fail because of a bug in its driver. It counts as not tested.
#[derive(Debug)]
pub struct KnownFault {
    /// A part of the adapter's name.
    pub adapter: &'static str,
    /// The end of the test's path, for instance `the_gpu_meets_the_reference`.
    pub test: &'static str,
    /// The bug, and where it was reported.
    pub reason: &'static str,
}

/// Empty so far: lavapipe, of Mesa 22.3, passes all tests.
pub const KNOWN_FAULTS: &[KnownFault] = &[];

fn is_asked_for(backend: &str) -> bool {
    std::env::var("PELK_BACKEND").map_or(true, |asked| asked == backend)
}

/// Whether the CPU backend is to be tested.
pub fn cpu() -> bool {
    is_asked_for("cpu")
}

/// The GPU to test, the same one for all tests of a process, or `None` if there is none.
///
/// # Panics
/// If `PELK_REQUIRE_GPU` is set and there is no GPU, or if there is one that cannot be opened.
pub fn gpu() -> Option<Gpu> {
    static GPU: OnceLock<Result<Gpu, GpuError>> = OnceLock::new();
    if !is_asked_for("gpu") {
        return None;
    }
    let open = || Gpu::open(&Adapter::best()?, Options::default());
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    match GPU.get_or_init(open) {
        Ok(gpu) => match known_fault(KNOWN_FAULTS, gpu.name(), &test) {
            None => Some(gpu.clone()),
            Some(fault) => {
                not_tested(&test, fault.reason);
                None
            }
        },
        Err(error @ (GpuError::NoAdapter | GpuError::NoDrivers)) => {
            let required = std::env::var_os("PELK_REQUIRE_GPU").is_some_and(|value| value != "0");
            assert!(!required, "PELK_REQUIRE_GPU is set: {error}");
            not_tested(&test, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A separate device for one test, which may break it, or `None` if there is no GPU.
///
/// # Panics
/// Same as [`gpu`].
pub fn own_gpu(options: Options) -> Option<Gpu> {
    gpu()?;
    let opened = Adapter::best().and_then(|adapter| Gpu::open(&adapter, options));
    Some(opened.unwrap_or_else(|error| panic!("{error}")))
}

fn known_fault<'a>(faults: &'a [KnownFault], adapter: &str, test: &str) -> Option<&'a KnownFault> {
    faults.iter().find(|fault| adapter.contains(fault.adapter) && test.ends_with(fault.test))
}

/// Reports that `test` was skipped, and why: once, even if it calls this several times.
#[allow(clippy::print_stderr)] // the harness shows it with the test
fn not_tested(test: &str, reason: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(test.to_owned()) {
        return;
    }
    eprintln!("{test} is skipped: {reason}");
    let Some(path) = std::env::var_os("PELK_NOT_TESTED") else { return };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    // In one write, since other tests write to the same file.
    let line = format!("{test}: {reason}\n");
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_belongs_to_an_adapter_and_a_test() {
        let faults = [KnownFault { adapter: "llvmpipe", test: "resize", reason: "rounds down" }];
        let found = |adapter, test| known_fault(&faults, adapter, test).is_some();
        assert!(found("llvmpipe (LLVM 15.0.6, 256 bits)", "operators::resize"));
        assert!(!found("llvmpipe (LLVM 15.0.6, 256 bits)", "operators::pool"));
        assert!(!found("NVIDIA H100", "operators::resize"));
    }
}
