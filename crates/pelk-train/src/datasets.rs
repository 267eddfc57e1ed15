//! Opens a dataset by name, for every name in [`DatasetName`].

use crate::config::{CanvasConfig, DataConfig};
use crate::error::{Result, TrainError};
use crate::loading::Datasets;
use pelk_data::{Dataset, DatasetName, FileOptions, ImageDataset, LongRange, SceneInstances, Scenes, Split};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder with a dataset's files: the configured one, or the one in `root` with the name of the dataset
/// whose files it uses ([`DatasetName::source`]).
pub fn dataset_folder(config: &DataConfig, root: &Path) -> PathBuf {
    let name = config.dataset.parse::<DatasetName>().map(|name| name.source().name());
    config.folder.clone().unwrap_or_else(|| root.join(name.unwrap_or(&config.dataset)))
}

/// Opens the training or test images of a dataset, whose files are in [`dataset_folder`].
///
/// # Errors
/// When the dataset is unknown, or a file is missing or damaged.
pub fn open_dataset(config: &DataConfig, root: &Path, split: Split) -> Result<Arc<dyn Dataset>> {
    open(config, root, split, FileOptions::default())
}

/// Opens all images of a folder that is not divided into training and test images, and those of a folder that
/// has only one of both, see [`FileOptions::whole`]; otherwise as [`open_dataset`].
///
/// # Errors
/// Same as [`open_dataset`].
pub fn open_whole(config: &DataConfig, root: &Path, split: Split) -> Result<Arc<dyn Dataset>> {
    open(config, root, split, FileOptions { whole: true, ..FileOptions::default() })
}

/// Opens a dataset in spite of faults in its folder's layout that leave the rest usable, see
/// [`FileOptions::lenient`]; otherwise as [`open_dataset`].
///
/// # Errors
/// Same as [`open_dataset`].
pub fn open_lenient(config: &DataConfig, root: &Path, split: Split) -> Result<Arc<dyn Dataset>> {
    open(config, root, split, FileOptions { lenient: true, ..FileOptions::default() })
}

fn open(config: &DataConfig, root: &Path, split: Split, options: FileOptions) -> Result<Arc<dyn Dataset>> {
    let folder = dataset_folder(config, root);
    let name = config.dataset.parse::<DatasetName>()?;
    if !config.annotations.is_empty() && name.source() != DatasetName::Coco {
        let reason = format!("is set, but {name} has no such files: only coco and coco-instances have them");
        return Err(TrainError::value("data.annotations", reason));
    }
    let (annotations, exif) = (config.annotations.clone(), config.exif);
    let files = FileOptions { annotations, exif, ..options };
    Ok(match name {
        DatasetName::FashionMnist => items(config, root, split)?,
        DatasetName::Mnist => Arc::new(pelk_data::mnist(folder, split)?),
        DatasetName::Cifar10 => Arc::new(pelk_data::cifar10(folder, split)?),
        DatasetName::Cifar100 => Arc::new(pelk_data::cifar100(folder, split)?),
        DatasetName::Folder => Arc::new(pelk_data::image_folder(folder, split, &files)?),
        DatasetName::Imagenet => Arc::new(pelk_data::imagenet_1k(folder, split, &files)?),
        DatasetName::LongRange => {
            let (seed, count) = canvases(config, split);
            Arc::new(LongRange::new(items(config, root, split)?, split, seed, count)?)
        }
        DatasetName::Scenes => Arc::new(open_scenes(config, root, split)?),
        DatasetName::ScenesInstances => Arc::new(SceneInstances::new(open_scenes(config, root, split)?)),
        DatasetName::Ade20k => Arc::new(pelk_data::ade20k(folder, split, &files)?),
        DatasetName::Coco => Arc::new(pelk_data::coco(folder, split, &files)?),
        DatasetName::CocoInstances => {
            Arc::new(pelk_data::coco_instances(folder, split, &config.objects, &files)?)
        }
        DatasetName::Masks => Arc::new(pelk_data::mask_folder(folder, split, &files)?),
    })
}

/// Opens the configured scenes, whatever the dataset's name: [`Scenes`] offers more than [`Dataset`].
///
/// # Errors
/// When a file of the items is missing or damaged, or the scenes' configuration is invalid.
pub fn open_scenes(config: &DataConfig, root: &Path, split: Split) -> Result<Scenes> {
    let (seed, count) = canvases(config, split);
    Ok(Scenes::new(items(config, root, split)?, split, seed, count, config.scenes.clone())?)
}

/// The items to compose scenes and canvases from.
fn items(config: &DataConfig, root: &Path, split: Split) -> Result<Arc<ImageDataset>> {
    Ok(Arc::new(pelk_data::fashion_mnist(dataset_folder(config, root), split)?))
}

/// The seed and the number of canvases of a split.
fn canvases(config: &DataConfig, split: Split) -> (u64, usize) {
    let CanvasConfig { seed, train, test } = config.canvases;
    match split {
        Split::Train => (seed, train),
        Split::Test => (seed, test),
    }
}

impl Datasets {
    /// Opens the training and test images of a dataset, see [`open_dataset`].
    ///
    /// # Errors
    /// Same as [`open_dataset`].
    pub fn open(config: &DataConfig, root: &Path) -> Result<Datasets> {
        let of = |split| open_dataset(config, root, split);
        Ok(Datasets { train: of(Split::Train)?, test: of(Split::Test)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dataset: &str) -> DataConfig {
        DataConfig::named(dataset)
    }

    #[test]
    fn every_dataset_is_looked_for_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        for name in DatasetName::ALL.map(DatasetName::name) {
            let folder = dataset_folder(&config(name), root.path());
            let message = open_dataset(&config(name), root.path(), Split::Train).err().unwrap().to_string();
            assert!(message.contains(&folder.display().to_string()), "{name}: {message}");
        }
    }

    #[test]
    fn annotation_files_are_for_coco_alone() {
        let with = |dataset| DataConfig { annotations: vec!["mine.json".into()], ..config(dataset) };
        for (dataset, expected) in [
            ("coco", "mine.json is missing"),
            ("coco-instances", "mine.json is missing"),
            ("folder", "data.annotations`: is set, but folder has no such files"),
            ("scenes-instances", "data.annotations`: is set, but"),
        ] {
            let error = open_dataset(&with(dataset), Path::new("no/where"), Split::Train).err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_folder_of_its_own_comes_first() {
        let config = DataConfig { folder: Some("photos".into()), ..config("folder") };
        assert_eq!(dataset_folder(&config, Path::new("datasets")), Path::new("photos"));
    }

    #[test]
    fn an_unknown_dataset_is_refused_with_those_that_there_are() {
        let message =
            open_dataset(&config("imagnet"), Path::new("."), Split::Test).err().unwrap().to_string();
        assert!(message.contains("\"imagnet\"") && message.contains("imagenet, long-range"), "{message}");
    }
}
