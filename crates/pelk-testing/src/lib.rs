//! What the tests of several crates need: which backends to test, and the GPU, or a word on why there is none.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PELK_BACKEND` | `cpu` or `gpu`: the tests of the other one do nothing. Without it, both are tested. |
//! | `PELK_REQUIRE_GPU=1` | A GPU test that finds no adapter fails; otherwise it does nothing and says so. |
//! | `PELK_NOT_TESTED` | A file to which each test that did nothing adds a line; `cargo xtask test` reads it. |
#![forbid(unsafe_code)]

use pelk_wgpu::{Adapter, Gpu, GpuError, Options};
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;

fn is_asked_for(backend: &str) -> bool {
    std::env::var("PELK_BACKEND").map_or(true, |asked| asked == backend)
}

/// Whether the CPU backend is to be tested.
pub fn cpu() -> bool {
    is_asked_for("cpu")
}

/// The GPU to test, the same one for all tests of a process, or `None` where there is none.
///
/// # Panics
/// Where `PELK_REQUIRE_GPU` is set and there is no GPU, or there is one that cannot be opened.
pub fn gpu() -> Option<Gpu> {
    static GPU: OnceLock<Result<Gpu, GpuError>> = OnceLock::new();
    if !is_asked_for("gpu") {
        return None;
    }
    let open = || Gpu::open(&Adapter::best()?, Options::default());
    match GPU.get_or_init(open) {
        Ok(gpu) => Some(gpu.clone()),
        Err(GpuError::NoAdapter) => {
            let required = std::env::var_os("PELK_REQUIRE_GPU").is_some_and(|value| value != "0");
            assert!(!required, "PELK_REQUIRE_GPU is set: {}", GpuError::NoAdapter);
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            not_tested(&test, &GpuError::NoAdapter.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A GPU of a test's own, which it may break, or `None` where there is none.
///
/// # Panics
/// As [`gpu`].
pub fn own_gpu(options: Options) -> Option<Gpu> {
    gpu()?;
    let opened = Adapter::best().and_then(|adapter| Gpu::open(&adapter, options));
    Some(opened.unwrap_or_else(|error| panic!("{error}")))
}

/// Says that `test` did nothing, and why.
fn not_tested(test: &str, reason: &str) {
    eprintln!("{test} tests nothing: {reason}");
    let Some(path) = std::env::var_os("PELK_NOT_TESTED") else { return };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| writeln!(file, "{test}"));
    written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
