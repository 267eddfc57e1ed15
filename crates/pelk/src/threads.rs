//! The threads that a command works on.

use anyhow::{Context, Result, bail};

/// The most threads of a pool: far more than the cores of any machine, and few enough to start.
pub const MOST: usize = 1024;

/// Runs a command's work inside rayon's pool, with `threads` threads or all cores. Inside the pool, an
/// operator's tasks start immediately; outside, each operator would first have to wake the pool and then be
/// woken by it.
///
/// # Errors
/// When the threads cannot be started, or the work fails.
pub fn in_pool<R: Send>(threads: Option<usize>, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    match threads {
        Some(0) => bail!("--threads 0: must be at least 1"),
        Some(threads) if threads > MOST => bail!("--threads {threads}: must be at most {MOST}"),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the threads")?,
        None => {}
    }
    rayon::scope(|_| work())
}
