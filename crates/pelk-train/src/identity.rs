//! The identity of data: which classes, what is labeled, and how many images.

use crate::checkpoint::Description;
use crate::error::{Result, TrainError};
use crate::loading::Datasets;
use pelk_data::{Dataset, Labeling, Relabeled, listed};
use pelk_models::Head;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a checkpoint knows of the data of its training, besides the names of their classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataIdentity {
    /// What has a label: `images`, `pixels`, `squares of N x N pixels` or `objects`.
    pub labeling: String,
    /// The class that is learned, but not measured.
    pub background: Option<u32>,
    /// The number of training images.
    pub train: u64,
    /// The number of test images.
    pub test: u64,
}

impl DataIdentity {
    /// The identity of these data.
    pub fn of(Datasets { train, test }: &Datasets) -> DataIdentity {
        DataIdentity {
            labeling: labeled(train.labeling()),
            background: train.background(),
            train: train.len() as u64,
            test: test.len() as u64,
        }
    }
}

/// What has a label.
fn labeled(labeling: Labeling) -> String {
    match labeling {
        Labeling::Image => "images".to_owned(),
        Labeling::Pixels { stride: 1 } => "pixels".to_owned(),
        Labeling::Pixels { stride } => format!("squares of {stride} x {stride} pixels"),
        Labeling::Objects => "objects".to_owned(),
    }
}

/// Names of classes that a message shows.
const SHOWN: usize = 10;

/// The data of an evaluation, with their labels numbered as the classes of a network: classes go by their
/// names. The data may lack classes that the network knows.
///
/// # Errors
/// [`TrainError::OtherData`] when the data have a class that the network does not know, label something else,
/// or have another number of channels.
pub fn for_network(description: &Description, dataset: Arc<dyn Dataset>) -> Result<Arc<dyn Dataset>> {
    let known = description.identity.as_ref();
    let labeling = known.map(|identity| identity.labeling.clone()).or(match description.network.head {
        Head::Pooled => Some(labeled(Labeling::Image)),
        Head::UperNet(_) => Some(labeled(Labeling::Pixels { stride: 1 })),
        Head::CascadeMaskRcnn(_) => Some(labeled(Labeling::Objects)),
        // Squares of any size.
        Head::Dense => None,
    });
    let found = labeled(dataset.labeling());
    same("what has a label", &labeling.unwrap_or_else(|| found.clone()), &found)?;
    same("the number of channels", &description.image[2], &dataset.channels())?;
    let background = |set: &dyn Dataset| known.map_or(set.background(), |known| known.background);
    if *dataset.classes() == description.classes && background(&*dataset) == dataset.background() {
        return Ok(dataset);
    }
    match Relabeled::by_name(dataset.clone(), &description.classes) {
        Ok(set) => {
            let background = background(&set);
            Ok(Arc::new(set.with_background(background)))
        }
        Err(unknown) => {
            let difference = format!("unknown to the network: {}", listed(&unknown, SHOWN, ", "));
            Err(differing_classes(&description.classes, dataset.classes(), &difference))
        }
    }
}

/// Checks that a run continues on the data that its checkpoint was trained on.
pub(crate) fn check_same(description: &Description, datasets: &Datasets) -> Result<()> {
    let classes = datasets.train.classes();
    if *classes != description.classes {
        let differing = classes.iter().zip(&description.classes).find(|(ours, theirs)| ours != theirs);
        let first = differing.map_or_else(|| "their number".to_owned(), |(ours, _)| ours.clone());
        return Err(differing_classes(&description.classes, classes, &format!("first difference: {first}")));
    }
    // Checkpoints of earlier versions do not say more.
    let Some(known) = &description.identity else { return Ok(()) };
    let found = DataIdentity::of(datasets);
    same("what has a label", &known.labeling, &found.labeling)?;
    let name = |class: Option<u32>| {
        class.and_then(|class| classes.get(class as usize)).map_or("none", String::as_str)
    };
    same("the background class", &name(known.background), &name(found.background))?;
    same("the number of training images", &known.train, &found.train)?;
    same("the number of test images", &known.test, &found.test)
}

/// The classes that a weights file's network tells apart, if it says so and they are not these.
pub(crate) fn other_classes(metadata: Option<&str>, classes: &[String]) -> Vec<String> {
    let value = metadata.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let theirs = value.as_ref().and_then(|value| value.get("classes")).and_then(|names| names.as_array());
    let theirs = theirs.into_iter().flatten().filter_map(|name| name.as_str()).map(str::to_owned);
    let theirs: Vec<String> = theirs.collect();
    if theirs == classes { Vec::new() } else { theirs }
}

fn same<T: PartialEq + ToString>(property: &'static str, network: &T, data: &T) -> Result<()> {
    if network == data {
        return Ok(());
    }
    Err(TrainError::OtherData { property, network: network.to_string(), data: data.to_string(), remedy: "" })
}

fn differing_classes(network: &[String], data: &[String], difference: &str) -> TrainError {
    TrainError::OtherData {
        property: "the classes",
        network: listed(network, SHOWN, ", "),
        data: format!("{} ({difference})", listed(data, SHOWN, ", ")),
        remedy: ". Classes go by their names: give the same names to the same classes, and leave out those that \
                 the network does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_other_programs_files_are_not_known() {
        let ours = ["ant".to_owned(), "bee".to_owned()];
        let theirs = |metadata: &str| other_classes(Some(metadata), &ours);
        assert_eq!(theirs(r#"{"classes": ["bee", "ant"], "step": 3}"#), ["bee", "ant"]);
        for same in
            [r#"{"classes": ["ant", "bee"]}"#, r#"{"format": "pt"}"#, "hello", "[]", "{\"classes\": 2}"]
        {
            assert!(theirs(same).is_empty(), "{same}");
        }
        assert!(other_classes(None, &ours).is_empty());
    }
}
