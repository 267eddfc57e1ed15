//! The folders that commands write to.

use anyhow::{Result, bail};
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
