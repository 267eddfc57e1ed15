//! Starting a network from the weights of another one, for instance segmentation from a classifier.

use crate::error::{Result, TrainError};
use crate::identity::other_classes;
use crate::tensors::{EMA, OPTIMIZER, bad_value};
use ndarray::{ArrayD, Axis};
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
    /// The classes of the network in the file, if it has a list of them and they are not those of the data.
    /// What belongs to single classes was then not taken.
    pub other_classes: Vec<String>,
    /// Names of the parameters whose rows were put in the order of the data's classes, because the file has
    /// the same classes in another order.
    pub reordered: Vec<String>,
}

/// Replaces random values by those in a safetensors file: a checkpoint, or any file with PyTorch's names. All
/// tensors of the backbone must be there with their shapes; those of heads are taken if they fit and are not
/// of other classes than `classes`; if the file has the same classes in another order, each is taken by its
/// name. A prefix that all names of the backbone have in common is taken off. Returns also the masks of the
/// tensors that were taken.
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
    let by_class = if other_classes.is_empty() { BTreeMap::new() } else { rows_of_a_class(network)? };
    let order = order_of(classes, &other_classes);
    let mut start = WarmStart { prefix: prefix.clone(), converted, ..WarmStart::default() };
    if order.is_none() {
        start.other_classes = other_classes;
    }
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
        let rows = by_class.get(&spec.name).copied();
        match file.get(&spec.name) {
            Some(array) if array.shape() == &spec.shape[..] && (rows.is_none() || order.is_some()) => {
                if let Some(problem) = bad_value(&spec.name, array) {
                    return Err(refuse(format!("cannot be used: {problem}")));
                }
                let mut mask = all_masks.remove(&spec.name).filter(|mask| mask.shape() == array.shape());
                let mut array = file.remove(&spec.name);
                if let (Some(rows), Some(order)) = (rows, &order) {
                    array = array.map(|array| by_order(&array, rows, order));
                    mask = mask.map(|mask| by_order(&mask, rows, order));
                    start.reordered.push(spec.name.clone());
                }
                masks.extend(mask.map(|mask| (spec.name.clone(), mask)));
                values.extend(array.map(|array| (spec.name, array)));
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

/// The rows that each class has in the tensors whose shape depends on the number of classes. They are the
/// first rows of these tensors, in the order of the classes.
fn rows_of_a_class(network: &Network) -> Result<BTreeMap<String, usize>> {
    let config = network.config();
    let more = Network::new(NetworkConfig { classes: config.classes + 1, ..config.clone() })?;
    let shapes: BTreeMap<_, _> = more.parameters()?.into_iter().map(|spec| (spec.name, spec.shape)).collect();
    let rows = |shape: &[usize]| shape.first().copied().unwrap_or(0);
    let specs = network.parameters()?.into_iter();
    let grown = specs.filter_map(|spec| match shapes.get(&spec.name) {
        Some(shape) if *shape == spec.shape => None,
        more => Some((spec.name, more.map_or(0, |shape| rows(shape) - rows(&spec.shape)))),
    });
    Ok(grown.collect())
}

/// The place in `theirs` of each class, if they are the same classes in another order.
fn order_of(classes: &[String], theirs: &[String]) -> Option<Vec<usize>> {
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let once = sorted(classes);
    if once.len() != classes.len() || theirs.len() != classes.len() || sorted(theirs) != once {
        return None;
    }
    classes.iter().map(|class| theirs.iter().position(|name| name == class)).collect()
}

/// A tensor whose first rows, `rows` for each class, are put in this order; those after them stay.
fn by_order<T: Clone>(array: &ArrayD<T>, rows: usize, order: &[usize]) -> ArrayD<T> {
    let of_classes = order.iter().flat_map(|class| class * rows..(class + 1) * rows);
    let indices: Vec<usize> = of_classes.chain(order.len() * rows..array.shape()[0]).collect();
    array.select(Axis(0), &indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::zoo::{ModelSpec, configure};

    /// The network of these settings of the smallest model, with three classes.
    fn network(settings: &str) -> Network {
        let text =
            format!("name = \"pelk_atto\"\ndepths = [1, 1]\nwidths = [8, 16]\nkernels = [7, 5]\n{settings}");
        let spec: ModelSpec = toml::from_str(&text).unwrap();
        Network::new(configure(&spec, 3, 3).unwrap()).unwrap()
    }

    #[test]
    fn every_head_has_its_classes_in_rows() {
        let of =
            |settings: &str| rows_of_a_class(&network(settings)).unwrap().into_iter().collect::<Vec<_>>();
        let both = |names: &[(&str, usize)]| {
            let ends = |(name, rows): &(&str, usize)| {
                [".weight", ".bias"].map(|end| (format!("{name}{end}"), *rows)).to_vec()
            };
            let mut all: Vec<(String, usize)> = names.iter().flat_map(ends).collect();
            all.sort();
            all
        };
        assert_eq!(of(""), both(&[("head", 1)]));
        let upernet = "upernet = { channels = 8, auxiliary_channels = 4, pools = [1, 2] }";
        assert_eq!(of(upernet), both(&[("decode_head.conv_seg", 1), ("auxiliary_head.conv_seg", 1)]));
        let stage = |stage: usize| {
            [("bbox_head", "fc_cls", 1), ("bbox_head", "fc_reg", 4), ("mask_head", "conv_logits", 1)]
                .map(|(head, layer, rows)| (format!("roi_head.{head}.{stage}.{layer}"), rows))
        };
        let stages: Vec<(String, usize)> = (0..3).flat_map(stage).collect();
        let stages: Vec<(&str, usize)> = stages.iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
        assert_eq!(of("cascade = { channels = 8, box_features = 16 }"), both(&stages));
    }

    #[test]
    fn rows_follow_the_names_and_the_rest_stays() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let theirs = names(&["bee", "cat", "ant"]);
        let order = order_of(&names(&["ant", "bee", "cat"]), &theirs).unwrap();
        assert_eq!(order, [2, 0, 1]);
        // A background after the classes, as detectors have it, and two rows for each class.
        let array = |rows: usize| ArrayD::from_shape_fn(vec![rows, 2], |place| 10 * place[0] + place[1]);
        let first = |array: ArrayD<usize>| array.outer_iter().map(|row| row[[0]] / 10).collect::<Vec<_>>();
        assert_eq!(first(by_order(&array(4), 1, &order)), [2, 0, 1, 3]);
        assert_eq!(first(by_order(&array(6), 2, &order)), [4, 5, 0, 1, 2, 3]);
        for others in [&["ant", "bee"][..], &["ant", "bee", "dog"], &["ant", "ant", "bee"], &[]] {
            assert_eq!(order_of(&names(others), &theirs), None, "{others:?}");
        }
        assert_eq!(order_of(&names(&["ant", "ant"]), &names(&["ant", "ant"])), None);
    }
}
