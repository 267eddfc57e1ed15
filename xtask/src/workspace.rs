//! Places in the workspace, and settings that several commands share.

use anyhow::{Context, Result, anyhow};
use pelk_data::{ImageDataset, Split};
use std::path::{Path, PathBuf};

/// The top of the checkout. Cargo says where it is; a binary that was started by hand remembers where it was built.
pub fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// `path` as a user in the current folder would write it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Reads the images of `dataset` from `folder`, or from the workspace's folder of that name.
///
/// # Errors
/// When the dataset is not known, or a file is missing or damaged.
pub fn dataset(dataset: &str, folder: Option<&Path>, split: Split) -> Result<ImageDataset> {
    let folder = folder.map_or_else(|| root().join("datasets").join(dataset), Path::to_path_buf);
    match dataset {
        "fashion-mnist" => Ok(pelk_data::fashion_mnist(folder, split)?),
        "mnist" => Ok(pelk_data::mnist(folder, split)?),
        other => Err(anyhow!(
            "configuration key `data.dataset`: {other:?} is not known; use fashion-mnist or mnist"
        )),
    }
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
