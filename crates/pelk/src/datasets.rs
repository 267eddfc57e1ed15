//! Finds and opens the datasets of a command, and prints their remarks.

use crate::output::note;
use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pelk_data::{Dataset, DatasetName, Exif, Scenes, Split};
use pelk_train::{
    CanvasConfig, DataConfig, Datasets, Description, TrainConfig, for_network, open_dataset, open_lenient,
    open_whole,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The folder with a subfolder per dataset: `$PELK_DATASETS`, or else `datasets`.
fn root() -> PathBuf {
    let named = std::env::var_os("PELK_DATASETS").filter(|folder| !folder.is_empty());
    named.unwrap_or_else(|| "datasets".into()).into()
}

/// Parses the name of a dataset on the command line.
pub fn names() -> impl TypedValueParser<Value = DatasetName> {
    PossibleValuesParser::new(DatasetName::ALL.map(DatasetName::name)).try_map(|name| name.parse())
}

/// Parses what to do with the EXIF orientation of images: the values of the key `data.exif`.
pub fn exif() -> impl TypedValueParser<Value = Exif> {
    PossibleValuesParser::new(["ignore", "apply"]).map(|name| match name.as_str() {
        "apply" => Exif::Apply,
        _ => Exif::Ignore,
    })
}

/// `config` with the folder from `--data`, if given, for a run to store: the path is made absolute, so that
/// the run can be resumed from any folder.
pub fn stored(config: &DataConfig, data: Option<&Path>) -> DataConfig {
    let absolute = data.map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
    located(config, absolute.as_deref())
}

/// `config` with the folder from `--data`, if given, as the user wrote it, for errors to name.
fn located(config: &DataConfig, data: Option<&Path>) -> DataConfig {
    let folder = data.map(Path::to_owned).or_else(|| config.folder.clone());
    DataConfig { folder, ..config.clone() }
}

/// `config` with the files from `--annotations`, if given. Their paths are made absolute, so that a run can be
/// resumed from any folder; those that are not there are looked for in the dataset's folder.
pub fn annotated(config: &DataConfig, files: &[PathBuf]) -> DataConfig {
    let absolute = |file: &PathBuf| match file.is_file() {
        true => std::path::absolute(file).unwrap_or_else(|_| file.clone()),
        false => file.clone(),
    };
    let annotations = match files {
        [] => config.annotations.clone(),
        files => files.iter().map(absolute).collect(),
    };
    DataConfig { annotations, ..config.clone() }
}

/// Opens datasets and prints each of their remarks once.
#[derive(Debug, Default)]
pub struct Opener {
    printed: Mutex<BTreeSet<String>>,
}

impl Opener {
    /// Opens a dataset, in the folder from `--data` if given.
    ///
    /// # Errors
    /// When the dataset is unknown, or a file is missing or damaged.
    pub fn open(
        &self,
        config: &DataConfig,
        data: Option<&Path>,
        split: Split,
    ) -> pelk_train::Result<Arc<dyn Dataset>> {
        let dataset = open_dataset(&located(config, data), &root(), split)?;
        self.print(dataset.remarks());
        Ok(dataset)
    }

    /// Opens the training and test images of a dataset.
    ///
    /// # Errors
    /// Same as [`Opener::open`].
    pub fn open_both(&self, config: &DataConfig, data: Option<&Path>) -> pelk_train::Result<Datasets> {
        let train = self.open(config, data, Split::Train)?;
        Ok(Datasets { train, test: self.open(config, data, Split::Test)? })
    }

    fn print(&self, remarks: &[String]) {
        for remark in self.new_ones(remarks) {
            note!("{remark}");
        }
    }

    /// The remarks that were not printed before.
    fn new_ones<'a>(&self, remarks: &'a [String]) -> Vec<&'a String> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.iter().filter(|remark| printed.insert((*remark).clone())).collect()
    }
}

/// [`Opener::open`] for a command that opens a single dataset.
///
/// # Errors
/// Same as [`Opener::open`].
pub fn open(config: &DataConfig, data: Option<&Path>, split: Split) -> Result<Arc<dyn Dataset>> {
    Ok(Opener::default().open(config, data, split)?)
}

/// Opens the dataset in this folder in spite of faults in its layout, for a report that lists these and the
/// dataset's remarks.
///
/// # Errors
/// Same as [`Opener::open`].
pub fn open_lenient_in(
    folder: &Path,
    config: &DataConfig,
    split: Split,
) -> pelk_train::Result<Arc<dyn Dataset>> {
    open_lenient(&located(config, Some(folder)), &root(), split)
}

/// Opens the data to run a trained network on, with their labels numbered as the network's classes, and prints
/// how many of the classes they have; `whole` opens all images of a folder that is not divided.
///
/// # Errors
/// Same as [`Opener::open`], and when the data have other classes or labels than those of the training.
pub fn open_for(
    description: &Description,
    data: Option<&Path>,
    split: Split,
    whole: bool,
) -> Result<Arc<dyn Dataset>> {
    let config = located(&description.data, data);
    let open = if whole { open_whole } else { open_dataset };
    let dataset = match open(&config, &root(), split) {
        Err(error) if !whole && open_whole(&config, &root(), split).is_ok() => {
            return Err(error)
                .context("the folder has only a part of the set; --all of `eval` measures that");
        }
        dataset => dataset?,
    };
    let opener = Opener::default();
    opener.print(dataset.remarks());
    let (found, all) = (dataset.classes().len(), description.classes.len());
    let dataset = for_network(description, dataset)?;
    if found < all {
        note!("{found} of the network's {all} classes are in these data");
    }
    Ok(dataset)
}

/// Opens composed scenes, for their objects, which other datasets do not have.
///
/// # Errors
/// When a file is missing or damaged, or the configuration of the scenes is invalid.
pub fn open_scenes(config: &DataConfig, data: Option<&Path>, split: Split) -> Result<Scenes> {
    Ok(pelk_train::open_scenes(&located(config, data), &root(), split)?)
}

/// [`Opener::open_both`] for a command that opens a single dataset.
///
/// # Errors
/// Same as [`Opener::open`].
pub fn open_both(config: &DataConfig, data: Option<&Path>) -> pelk_train::Result<Datasets> {
    Opener::default().open_both(config, data)
}

/// The configuration of a dataset outside a run; `scenes` sets how scenes look, as `key=value`.
///
/// # Errors
/// When a setting is invalid.
pub fn data_config(dataset: &str, canvases: CanvasConfig, scenes: &[String]) -> Result<DataConfig> {
    // Goes through a run's configuration, so that `--set` works the same everywhere.
    let text = format!("model.name = \"pelk_atto\"\ndata.dataset = {dataset:?}");
    let settings: Vec<String> = scenes.iter().map(|setting| format!("data.scenes.{setting}")).collect();
    let data = TrainConfig::parse("the dataset", &text, &settings)?.data;
    Ok(DataConfig { canvases, ..data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_printed_once() {
        let opener = Opener::default();
        let remarks = |names: [&str; 2]| names.map(str::to_owned);
        assert_eq!(opener.new_ones(&remarks(["a", "b"])), ["a", "b"]);
        assert_eq!(opener.new_ones(&remarks(["b", "c"])), ["c"]);
    }
}
