//! Folders, and settings that several commands share.

use crate::output::note;
use anyhow::{Context, Result, anyhow, bail};
use pelk_data::{Dataset, ImageDataset, ImageFolder, LongRange, Scenes, Split};
use pelk_train::{CanvasConfig, DataConfig, Datasets, TrainConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where runs and what else commands write goes, unless the user names a folder.
pub const RUNS: &str = "runs";

/// Where datasets are looked for, each in a folder of its name: `$PELK_DATASETS`, else `datasets`.
pub fn datasets_folder() -> PathBuf {
    std::env::var_os("PELK_DATASETS")
        .filter(|folder| !folder.is_empty())
        .unwrap_or_else(|| "datasets".into())
        .into()
}

/// `path` as a user in the current folder would write it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// The datasets by name.
pub const DATASETS: [&str; 11] = [
    "fashion-mnist",
    "mnist",
    "cifar10",
    "cifar100",
    "folder",
    "imagenet",
    "long-range",
    "scenes",
    "ade20k",
    "coco",
    "masks",
];

/// The configuration of a dataset that is not part of a run; `scenes` changes what scenes look like, as `key=value`.
///
/// # Errors
/// When a change does not parse or has no meaning.
pub fn data_config(dataset: &str, canvases: CanvasConfig, scenes: &[String]) -> Result<DataConfig> {
    // By way of a run's configuration, so that `--set` means the same everywhere.
    let text = format!("model.name = \"pelk_atto\"\ndata.dataset = {dataset:?}");
    let settings: Vec<String> = scenes.iter().map(|setting| format!("data.scenes.{setting}")).collect();
    let data = TrainConfig::parse("the dataset", &text, &settings)?.data;
    Ok(DataConfig { canvases, ..data })
}

/// The items of Fashion-MNIST, from `folder` or from the one that comes with the checkout.
///
/// # Errors
/// When a file is missing or damaged.
pub fn fashion_mnist(folder: Option<&Path>, split: Split) -> Result<Arc<ImageDataset>> {
    let folder = folder.map_or_else(|| datasets_folder().join("fashion-mnist"), Path::to_path_buf);
    Ok(Arc::new(pelk_data::fashion_mnist(folder, split)?))
}

/// Opens a dataset in `folder`, or in the workspace's folder of its name.
///
/// # Errors
/// When the dataset is not known, or a file is missing or damaged.
pub fn dataset(config: &DataConfig, folder: Option<&Path>, split: Split) -> Result<Arc<dyn Dataset>> {
    let files = || folder.map_or_else(|| datasets_folder().join(&config.dataset), Path::to_path_buf);
    let CanvasConfig { seed, train, test } = config.canvases;
    let count = match split {
        Split::Train => train,
        Split::Test => test,
    };
    Ok(match config.dataset.as_str() {
        "fashion-mnist" => fashion_mnist(folder, split)?,
        "mnist" => Arc::new(pelk_data::mnist(files(), split)?),
        "cifar10" => Arc::new(pelk_data::cifar10(files(), split)?),
        "cifar100" => Arc::new(pelk_data::cifar100(files(), split)?),
        "folder" => Arc::new(saying(pelk_data::image_folder(files(), split)?)),
        "imagenet" => Arc::new(saying(pelk_data::imagenet_1k(files(), split)?)),
        "long-range" => Arc::new(LongRange::new(fashion_mnist(folder, split)?, split, seed, count)?),
        "scenes" => {
            let items = fashion_mnist(folder, split)?;
            Arc::new(Scenes::new(items, split, seed, count, config.scenes.clone())?)
        }
        "ade20k" => Arc::new(pelk_data::ade20k(files(), split)?),
        "coco" => Arc::new(pelk_data::coco(files(), split)?),
        "masks" => Arc::new(pelk_data::mask_folder(files(), split)?),
        other => bail!(
            "configuration key `data.dataset`: {other:?} is not known; use one of {}",
            DATASETS.join(", ")
        ),
    })
}

/// The pictures, after a line for everything that their reader decided without being asked.
fn saying(pictures: ImageFolder) -> ImageFolder {
    for remark in pictures.remarks() {
        note!("{remark}");
    }
    pictures
}

/// The training and test images of a dataset, as [`dataset`] opens them.
///
/// # Errors
/// Those of [`dataset`].
pub fn datasets(config: &DataConfig, folder: Option<&Path>) -> Result<Datasets> {
    let of = |split| dataset(config, folder, split);
    Ok(Datasets { train: of(Split::Train)?, test: of(Split::Test)? })
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
