//! The threads that a command works on.

use anyhow::{Context, Result, anyhow};

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
