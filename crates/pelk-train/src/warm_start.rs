//! A network that starts from the weights of another one, as segmentation does from a classifier.

use crate::error::{Result, TrainError};
use crate::tensors::{EMA, OPTIMIZER};
use pelk_autodiff::HostParameters;
use pelk_models::families::Place;
use pelk_models::{Network, WeightsFile};
use std::path::Path;

/// What became of the weights in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WarmStart {
    /// Tensors taken over.
    pub taken: usize,
    /// Names of the parameters and buffers that start fresh: those of heads.
    pub fresh: Vec<String>,
    /// Names of the tensors in the file that the network does not have, or has in another shape.
    pub unused: Vec<String>,
}

/// Replaces fresh values by those in a safetensors file: a checkpoint, or any file with PyTorch's names. Every tensor of the
/// backbone must be there in its shape; those of heads are taken where they fit.
///
/// # Errors
/// When the file cannot be read, or is of another backbone: names the tensor.
pub(crate) fn apply(network: &Network, values: &mut HostParameters, path: &Path) -> Result<WarmStart> {
    let mut file = WeightsFile::read(path)?.tensors;
    // A checkpoint to go on from holds the optimizer's state and the average too.
    file.retain(|name, _| !name.starts_with(OPTIMIZER) && !name.starts_with(EMA));
    let mut start = WarmStart::default();
    for spec in network.parameters()? {
        let refuse = |found: String| TrainError::Value {
            key: "weights",
            reason: format!(
                "{} {found} {:?}, which {} has with shape {}: it is of another backbone; \
                 set model.* to that of the file",
                path.display(),
                spec.name,
                network.config().name,
                spec.shape
            ),
        };
        match file.get(&spec.name) {
            Some(array) if array.shape() == &spec.shape[..] => {
                values.extend(file.remove(&spec.name).map(|array| (spec.name, array)));
                start.taken += 1;
            }
            found if Place::of(&spec.name).is_some() => {
                return Err(refuse(match found {
                    Some(array) => format!("has another shape, {:?}, of", array.shape()),
                    None => "lacks".to_owned(),
                }));
            }
            _ => start.fresh.push(spec.name),
        }
    }
    start.unused = file.into_keys().collect();
    Ok(start)
}
