//! Starting a network from the weights of another one, for instance segmentation from a classifier.

use crate::error::{Result, TrainError};
use crate::tensors::{EMA, OPTIMIZER};
use pelk_autodiff::HostParameters;
use pelk_models::{HostMasks, Network, WeightsFile};
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
}

/// Replaces random values by those in a safetensors file: a checkpoint, or any file with PyTorch's names. All
/// tensors of the backbone must be there with their shapes; those of heads are taken if they fit. Returns also
/// the masks of the tensors that were taken.
///
/// # Errors
/// When the file cannot be read, or has another backbone; the message names the tensor.
pub(crate) fn apply(
    network: &Network,
    values: &mut HostParameters,
    path: &Path,
) -> Result<(WarmStart, HostMasks)> {
    let WeightsFile { tensors: mut file, masks: mut all_masks, .. } = WeightsFile::read(path)?;
    let mut masks = HostMasks::new();
    // A checkpoint with training state also has the optimizer's state and the averaged weights.
    file.retain(|name, _| !name.starts_with(OPTIMIZER) && !name.starts_with(EMA));
    let mut start = WarmStart::default();
    for spec in network.parameters()? {
        let refuse = |found: String| TrainError::Value {
            key: "weights",
            reason: format!(
                "{} {found} {:?}, which has shape {} in {}: the file is of another backbone; \
                 set model.* to that of the file",
                path.display(),
                spec.name,
                spec.shape,
                network.config().name
            ),
        };
        match file.get(&spec.name) {
            Some(array) if array.shape() == &spec.shape[..] => {
                masks.extend(
                    all_masks.remove_entry(&spec.name).filter(|(_, mask)| mask.shape() == array.shape()),
                );
                values.extend(file.remove(&spec.name).map(|array| (spec.name, array)));
                start.taken += 1;
            }
            found if spec.place.section.is_backbone() => {
                return Err(refuse(match found {
                    Some(array) => format!("has another shape, {:?}, of", array.shape()),
                    None => "lacks".to_owned(),
                }));
            }
            _ => start.fresh.push(spec.name),
        }
    }
    start.unused = file.into_keys().collect();
    Ok((start, masks))
}
