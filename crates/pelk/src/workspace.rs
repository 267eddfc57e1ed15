//! Folders and thread settings that several commands share.

use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;

/// Default folder for runs and other output.
pub const RUNS: &str = "runs";

/// Default folder for figures.
pub const FIGURES: &str = "figures";

/// Refuses to overwrite any of these files, unless `force`.
///
/// # Errors
/// When a file exists and `force` is not set.
pub fn ensure_new(paths: impl IntoIterator<Item = impl AsRef<Path>>, force: bool) -> Result<()> {
    match paths.into_iter().find(|path| !force && path.as_ref().exists()) {
        Some(path) => bail!("{} already exists: add --force to overwrite it", path.as_ref().display()),
        None => Ok(()),
    }
}

/// `path` relative to the current folder, if it is inside.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Runs a command's work inside rayon's pool, with `threads` threads or all cores. Inside the pool, an
/// operator's tasks start immediately; outside, each operator would first have to wake the pool and then be
/// woken by it.
///
/// # Errors
/// When the threads cannot be started, or the work fails.
pub fn in_pool<R: Send>(threads: Option<usize>, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    match threads {
        Some(0) => return Err(anyhow!("--threads 0: must be at least 1")),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the threads")?,
        None => {}
    }
    rayon::scope(|_| work())
}
