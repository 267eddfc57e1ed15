//! The datasets of a command: where they are looked for, and what their readers have to say.

use crate::output::note;
use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pelk_data::{Dataset, DatasetName, Scenes, Split};
use pelk_train::{CanvasConfig, DataConfig, Datasets, TrainConfig, open_dataset};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where datasets are looked for, each in a folder of its name: `$PELK_DATASETS`, else `datasets`.
fn root() -> PathBuf {
    let named = std::env::var_os("PELK_DATASETS").filter(|folder| !folder.is_empty());
    named.unwrap_or_else(|| "datasets".into()).into()
}

/// Reads the name of a dataset from the command line.
pub fn names() -> impl TypedValueParser<Value = DatasetName> {
    PossibleValuesParser::new(DatasetName::ALL.map(DatasetName::name)).try_map(|name| name.parse())
}

/// `config` with its files in the folder that `--data` names, if it does. The path is made absolute, so that a run which
/// remembers it can go on from any folder.
pub fn located(config: &DataConfig, data: Option<&Path>) -> DataConfig {
    let folder = data.map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
    DataConfig { folder: folder.or_else(|| config.folder.clone()), ..config.clone() }
}

/// Opens a dataset, in the folder that `--data` names if it does.
///
/// # Errors
/// When the dataset is not known, or a file is missing or damaged.
pub fn open(config: &DataConfig, data: Option<&Path>, split: Split) -> Result<Arc<dyn Dataset>> {
    let dataset = open_dataset(&located(config, data), &root(), split)?;
    for remark in dataset.remarks() {
        note!("{remark}");
    }
    Ok(dataset)
}

/// Opens composed scenes, whose objects only they know.
///
/// # Errors
/// When a file is missing or damaged, or the configuration makes no scenes.
pub fn open_scenes(config: &DataConfig, data: Option<&Path>, split: Split) -> Result<Scenes> {
    Ok(pelk_train::open_scenes(&located(config, data), &root(), split)?)
}

/// Opens the training and the test images of a dataset, as [`open`] does; what both readers have to say is said once.
///
/// # Errors
/// Those of [`open`].
pub fn open_both(config: &DataConfig, data: Option<&Path>) -> pelk_train::Result<Datasets> {
    let datasets = Datasets::open(&located(config, data), &root())?;
    let mut said = BTreeSet::new();
    for remark in datasets.train.remarks().iter().chain(datasets.test.remarks()) {
        if said.insert(remark) {
            note!("{remark}");
        }
    }
    Ok(datasets)
}

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
