//! A family's classifier, for the whole image or for each position of the last map.

use crate::config::NetworkConfig;
use crate::families::{Map, layers_of};
use pelk_autodiff::{Error, Executor, Result};

/// The logits from the outputs of the stages.
pub(super) fn logits<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    map: Map,
    features: &[E::Value],
) -> Result<E::Value> {
    let no_stage = || Error::Shape { operator: "classifier", reason: "there is no stage".to_owned() };
    let last = features.last().ok_or_else(no_stage)?;
    layers_of!(config, classify(e, config, map, last))
}
