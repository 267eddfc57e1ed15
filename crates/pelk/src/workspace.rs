//! Folders, and settings that several commands share.

use anyhow::{Context, Result, anyhow};
use std::path::Path;

/// Where runs and what else commands write goes, unless the user names a folder.
pub const RUNS: &str = "runs";

/// `path` as a user in the current folder would write it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Runs a command's work on rayon's pool, with this number of threads; all cores where none is given. From inside, an
/// operator's tasks start at once; from outside, each operator would first wake the pool and be woken by it.
///
/// # Errors
/// When the threads cannot be started, and those of the work.
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
