//! From the features of a network's stages to logits. To add one: a file here, its configuration in
//! [`Head`], its lines below.

pub mod cascade;
mod classifier;
pub mod upernet;

use crate::config::{Head, NetworkConfig};
use crate::families::{Map, Merge};
use pelk_autodiff::{Error, Executor};

/// What a network computes in training.
#[derive(Debug, Clone)]
pub struct Outputs<V> {
    /// The logits, as in inference.
    pub logits: V,
    /// The logits of an auxiliary head, which exists only in training; the same shape.
    pub auxiliary: Option<V>,
}

/// Logits from the outputs of all stages, `[N, H_i, W_i, C_i]`; `image` is the images' height and width.
pub(crate) fn logits<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    features: &[E::Value],
    image: [usize; 2],
) -> pelk_autodiff::Result<E::Value> {
    match &config.head {
        Head::Pooled => classifier::logits(e, config, Map::Mean, features),
        Head::Dense => classifier::logits(e, config, Map::Places, features),
        Head::UperNet(upernet) => {
            let features = upernet::normalize(e, features)?;
            upernet::logits(e, upernet, config.classes, config.folded, &features, image)
        }
        Head::CascadeMaskRcnn(_) => Err(Error::Shape {
            operator: "network",
            reason: "a detector has no logits of whole images; run its trunk and heads".to_owned(),
        }),
    }
}

/// Same as [`logits`], together with everything else that the loss needs.
pub(crate) fn outputs<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    features: &[E::Value],
    image: [usize; 2],
) -> pelk_autodiff::Result<Outputs<E::Value>> {
    let Head::UperNet(upernet) = &config.head else {
        return Ok(Outputs { logits: logits(e, config, features, image)?, auxiliary: None });
    };
    let features = upernet::normalize(e, features)?;
    Ok(Outputs {
        logits: upernet::logits(e, upernet, config.classes, config.folded, &features, image)?,
        auxiliary: upernet::auxiliary(e, upernet, config.classes, config.folded, &features, image)?,
    })
}

/// Runs all of the head, for an executor that lists or counts: a detector's heads on the numbers of boxes that
/// the papers count.
pub(crate) fn all<E: Executor>(
    e: &mut E,
    config: &NetworkConfig,
    features: &[E::Value],
    image: [usize; 2],
) -> pelk_autodiff::Result<()> {
    match &config.head {
        Head::CascadeMaskRcnn(cascade) => {
            cascade::whole(e, cascade, config.into(), features, cascade::COUNTED)
        }
        _ => outputs(e, config, features, image).map(drop),
    }
}

/// The BatchNorms of a head, which folding merges.
pub(crate) fn merges(config: &NetworkConfig) -> Vec<Merge> {
    match &config.head {
        Head::Pooled | Head::Dense => Vec::new(),
        Head::UperNet(upernet) => upernet::merges(upernet, config.stages.len()),
        Head::CascadeMaskRcnn(cascade) => cascade::merges(cascade),
    }
}
