//! Which head a network has, and UperNet's settings.

use super::cascade::{CascadeConfig, MOST_CHANNELS};
use crate::error::{ModelError, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What computes a network's logits, and for which part of the image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// One class for the whole image, from the mean of the last stage's map.
    #[default]
    Pooled,
    /// One class for each position of the last stage's map.
    Dense,
    /// One class for each pixel, from the maps of all stages, see [`crate::heads::upernet`].
    UperNet(UperNetConfig),
    /// A box, a class and a mask for each thing, from the maps of all stages, see
    /// [`crate::heads::cascade`].
    CascadeMaskRcnn(CascadeConfig),
}

/// UperNet's settings; the defaults are those of the paper's ADE20K models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UperNetConfig {
    /// Channels of the joined maps.
    pub channels: usize,
    /// Sizes to which the deepest map is pooled.
    pub pools: Vec<usize>,
    /// Channels of the auxiliary head, which exists only in training; 0 for none.
    pub auxiliary_channels: usize,
    /// Probability of dropping a channel of a sample's joined map in training.
    pub dropout: f64,
}

impl Default for UperNetConfig {
    fn default() -> UperNetConfig {
        UperNetConfig { channels: 512, pools: vec![1, 2, 3, 6], auxiliary_channels: 256, dropout: 0.1 }
    }
}

/// The most pools of an UperNet, and the largest side of one.
const MOST_POOLS: usize = 16;
const LARGEST_POOL: usize = 256;

impl Head {
    /// Checks that a network with this number of stages can have this head.
    pub(super) fn validate(&self, stages: usize) -> Result<()> {
        match self {
            Head::Pooled | Head::Dense => Ok(()),
            Head::UperNet(_) if stages < 2 => Err(ModelError::config(
                "upernet",
                "joins the maps of several stages; give `depths` two entries or more",
            )),
            Head::UperNet(upernet) => upernet.validate(),
            Head::CascadeMaskRcnn(cascade) => cascade.validate(),
        }
    }
}

impl UperNetConfig {
    fn validate(&self) -> Result<()> {
        if self.channels == 0 {
            return Err(ModelError::config("upernet.channels", "must be at least 1"));
        }
        let most = MOST_CHANNELS;
        for (field, channels) in
            [("upernet.channels", self.channels), ("upernet.auxiliary_channels", self.auxiliary_channels)]
        {
            if channels > most {
                return Err(ModelError::config(field, format!("is {channels}, must be at most {most}")));
            }
        }
        if self.pools.contains(&0) {
            return Err(ModelError::config("upernet.pools", "holds a 0, must be sides of at least 1"));
        }
        if self.pools.len() > MOST_POOLS || self.pools.iter().any(|side| *side > LARGEST_POOL) {
            let reason = format!("must be at most {MOST_POOLS} sides of at most {LARGEST_POOL}");
            return Err(ModelError::config("upernet.pools", reason));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let reason = format!("is {}, must be at least 0 and below 1", self.dropout);
            return Err(ModelError::config("upernet.dropout", reason));
        }
        Ok(())
    }
}
