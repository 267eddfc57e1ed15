//! Starting a network from the weights of another one, for instance segmentation from a classifier.

use crate::error::{Result, TrainError};
use crate::identity::other_classes;
use crate::tensors::{EMA, OPTIMIZER, bad_value};
use pelk_autodiff::HostParameters;
use pelk_data::listed;
use pelk_models::{HostMasks, Network, NetworkConfig, WeightsFile};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which weights a network took from a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WarmStart {
    /// Number of tensors that were taken.
    pub taken: usize,
    /// Names of the parameters and buffers that keep their random values: those of heads.
    pub fresh: Vec<String>,
    /// Names of the tensors in the file that the network does not have, or has with another shape.
    pub unused: Vec<String>,
    /// What was taken off the start of the file's names, such as `module.`; else empty.
    pub prefix: String,
    /// How many of the file's tensors were converted from each other type of float to 32 bits.
    pub converted: BTreeMap<String, usize>,
    /// The classes of the network in the file, if it has a list of them and it is not that of the data. What
    /// belongs to single classes was then not taken.
    pub other_classes: Vec<String>,
}

/// Replaces random values by those in a safetensors file: a checkpoint, or any file with PyTorch's names. All
/// tensors of the backbone must be there with their shapes; those of heads are taken if they fit and are not
/// of other classes than `classes`. A prefix that all names of the backbone have in common is taken off.
/// Returns also the masks of the tensors that were taken.
///
/// # Errors
/// When the file cannot be read, has another backbone, or a value that is taken is not finite or a negative
/// variance; the message names the tensor.
pub(crate) fn apply(
    network: &Network,
    classes: &[String],
    values: &mut HostParameters,
    path: &Path,
) -> Result<(WarmStart, HostMasks)> {
    let WeightsFile { tensors: mut file, masks: mut all_masks, metadata, converted, others } =
        WeightsFile::read(path)?;
    let mut masks = HostMasks::new();
    // A checkpoint with training state also has the optimizer's state and the averaged weights.
    file.retain(|name, _| !name.starts_with(OPTIMIZER) && !name.starts_with(EMA));
    let specs = network.parameters()?;
    let backbone: Vec<&str> =
        specs.iter().filter(|spec| spec.place.section.is_backbone()).map(|spec| spec.name.as_str()).collect();
    let refuse =
        |reason: String| TrainError::Value { key: "weights", reason: format!("{} {reason}", path.display()) };
    let prefix = prefix_of(&backbone, &file).map_err(refuse)?;
    let without = |name: String| name.strip_prefix(&prefix).map(str::to_owned).unwrap_or(name);
    let mut file: HostParameters = file.into_iter().map(|(name, array)| (without(name), array)).collect();
    all_masks = all_masks.into_iter().map(|(name, mask)| (without(name), mask)).collect();
    let other_classes = other_classes(metadata.as_deref(), classes);
    let by_class = if other_classes.is_empty() { BTreeSet::new() } else { of_single_classes(network)? };
    let mut start = WarmStart { prefix: prefix.clone(), converted, other_classes, ..WarmStart::default() };
    for spec in specs {
        let differs = |found: String| {
            refuse(format!(
                "{found} {:?}, which has shape {} in {}: the file is of another backbone; \
                 set model.* to that of the file",
                spec.name,
                spec.shape,
                network.config().name
            ))
        };
        match file.get(&spec.name) {
            Some(array) if array.shape() == &spec.shape[..] && !by_class.contains(&spec.name) => {
                if let Some(problem) = bad_value(&spec.name, array) {
                    return Err(refuse(format!("cannot be used: {problem}")));
                }
                masks.extend(
                    all_masks.remove_entry(&spec.name).filter(|(_, mask)| mask.shape() == array.shape()),
                );
                values.extend(file.remove(&spec.name).map(|array| (spec.name, array)));
                start.taken += 1;
            }
            found if spec.place.section.is_backbone() => {
                let dtype = others.get(&format!("{prefix}{}", spec.name));
                return Err(match (found, dtype) {
                    (Some(array), _) => differs(format!("has another shape, {:?}, of", array.shape())),
                    (None, Some(dtype)) => {
                        let name = &spec.name;
                        refuse(format!("has {name:?} as {dtype}: convert it to floats of 16 or 32 bits"))
                    }
                    (None, None) => differs("lacks".to_owned()),
                });
            }
            _ => start.fresh.push(spec.name),
        }
    }
    start.unused = file.into_keys().chain(others.into_keys()).collect();
    Ok((start, masks))
}

/// What stands in a file before all names of a backbone: `module.` after training on several GPUs, `model.` or
/// `backbone.` within a larger model. Empty if the file has a name without it, or none of the names.
///
/// # Errors
/// When several networks are in the file.
fn prefix_of(backbone: &[&str], file: &HostParameters) -> std::result::Result<String, String> {
    let Some(first) = backbone.first() else { return Ok(String::new()) };
    if backbone.iter().any(|name| file.contains_key(*name)) {
        return Ok(String::new());
    }
    let prefixes = file.keys().filter_map(|name| name.strip_suffix(first).filter(|text| text.ends_with('.')));
    let whole = |prefix: &&str| backbone.iter().all(|name| file.contains_key(&format!("{prefix}{name}")));
    let prefixes: Vec<&str> = prefixes.filter(whole).collect();
    match prefixes[..] {
        [] => Ok(String::new()),
        [prefix] => Ok(prefix.to_owned()),
        _ => {
            let names = listed(&prefixes, 5, ", ");
            Err(format!("holds several networks, with names that start with {names}: save only one of them"))
        }
    }
}

/// The names of the tensors whose shape depends on the number of classes.
fn of_single_classes(network: &Network) -> Result<BTreeSet<String>> {
    let config = network.config();
    let more = Network::new(NetworkConfig { classes: config.classes + 1, ..config.clone() })?;
    let shapes: BTreeMap<_, _> = more.parameters()?.into_iter().map(|spec| (spec.name, spec.shape)).collect();
    let specs = network.parameters()?.into_iter();
    Ok(specs.filter(|spec| shapes.get(&spec.name) != Some(&spec.shape)).map(|spec| spec.name).collect())
}
