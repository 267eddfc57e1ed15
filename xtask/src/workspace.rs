//! Places in the workspace, and settings that several commands share.

use anyhow::{Context, Result, anyhow};
use pelk_data::{Dataset, LongRange, Split};
use pelk_train::CanvasConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The datasets by name.
pub const DATASETS: [&str; 3] = ["fashion-mnist", "mnist", "long-range"];

/// Reads the images of `dataset` from `folder`, or from the workspace's folder of its name; `canvases` says how a composed
/// dataset is made.
///
/// # Errors
/// When the dataset is not known, or a file is missing or damaged.
pub fn dataset(
    dataset: &str,
    folder: Option<&Path>,
    canvases: &CanvasConfig,
    split: Split,
) -> Result<Arc<dyn Dataset>> {
    let files = |name: &str| folder.map_or_else(|| root().join("datasets").join(name), Path::to_path_buf);
    let count = match split {
        Split::Train => canvases.train,
        Split::Test => canvases.test,
    };
    match dataset {
        "fashion-mnist" => Ok(Arc::new(pelk_data::fashion_mnist(files(dataset), split)?)),
        "mnist" => Ok(Arc::new(pelk_data::mnist(files(dataset), split)?)),
        "long-range" => {
            let items = Arc::new(pelk_data::fashion_mnist(files("fashion-mnist"), split)?);
            Ok(Arc::new(LongRange::new(items, split, canvases.seed, count)?))
        }
        other => Err(anyhow!(
            "configuration key `data.dataset`: {other:?} is not known; use one of {}",
            DATASETS.join(", ")
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
