//! Lower learning rates for early layers, in fine-tuning.

use crate::error::{Result, TrainError};
use pelk_models::families::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A factor on the backbone's learning rate that falls layer by layer toward the image, as in ConvNeXt's
/// recipes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerDecay {
    /// Factor on the learning rate from one layer to the one before it, above 0 and at most 1 (no decay).
    pub rate: f64,
    /// Number of layers: in the recipes for segmentation 6 for tiny networks and 12 for larger ones, for
    /// classification 12.
    pub layers: u32,
    /// What counts as a layer: `stages` as in segmentation, or `blocks` as in classification.
    pub groups: LayerGroups,
}

/// How parameters are assigned to layers. Parameters of layer I have the factor `rate ^ (layers + 1 - I)`.
/// Everything but the stem, the stages and their downsampling (heads, norms before them, position embeddings)
/// has the factor 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerGroups {
    /// Stem and downsampling are layer 0, stage S (from 0) is layer S + 1.
    #[default]
    Stages,
    /// The stem is layer 0. The first two stages, each with the downsampling before it, are layers 1 and 2.
    /// In the third stage every three blocks are a layer, from 3 on; its downsampling belongs to layer 3. The
    /// fourth stage, with its downsampling, is the last layer.
    Blocks,
}

impl Default for LayerDecay {
    fn default() -> LayerDecay {
        LayerDecay { rate: 1.0, layers: 6, groups: LayerGroups::Stages }
    }
}

impl LayerDecay {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.rate > 0.0 && self.rate <= 1.0 {
            return Ok(());
        }
        let reason = format!("is {}, must be above 0 and at most 1", self.rate);
        Err(TrainError::value("optimizer.layer_decay.rate", reason))
    }

    /// The factor of the parameter called `name`.
    pub(crate) fn factor(&self, name: &str) -> f64 {
        let layer = self.layer(name).map_or(self.layers + 1, |layer| layer.min(self.layers + 1));
        self.rate.powi((self.layers + 1 - layer) as i32)
    }

    /// The layer of a parameter of the backbone.
    fn layer(&self, name: &str) -> Option<u32> {
        let layer = match (self.groups, Place::of(name)?) {
            (_, Place::Position) => return None,
            (_, Place::Stem) | (LayerGroups::Stages, Place::Downsampling(_)) => 0,
            (LayerGroups::Stages, Place::Block(stage, _)) => stage + 1,
            (LayerGroups::Blocks, Place::Downsampling(3..) | Place::Block(3.., _)) => self.layers as usize,
            (LayerGroups::Blocks, Place::Block(2, block)) => 3 + block / 3,
            (LayerGroups::Blocks, Place::Downsampling(stage) | Place::Block(stage, _)) => stage + 1,
        };
        Some(layer as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_powers(decay: &LayerDecay, powers: &[(&str, i32)]) {
        for (name, power) in powers {
            assert!((decay.factor(name) - decay.rate.powi(*power)).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn early_stages_learn_slowly_and_heads_in_full() {
        let decay = LayerDecay { rate: 0.9, layers: 6, groups: LayerGroups::Stages };
        assert_powers(
            &decay,
            &[
                ("downsample_layers.0.0.weight", 7),
                ("downsample_layers.3.1.bias", 7),
                ("stages.0.1.large.weight", 6),
                ("stages.3.2.gamma", 3),
                ("stages.3.downsample.1.weight", 7),
                ("stages.1.blocks.2.pw1.conv.weight", 5),
                ("positions.0", 0),
                ("norm2.weight", 0),
                ("decode_head.conv_seg.weight", 0),
            ],
        );
        assert_eq!(LayerDecay::default().factor("stages.0.0.gamma"), 1.0);
    }

    #[test]
    fn early_blocks_learn_slowly_as_in_the_classification_recipe() {
        let decay = LayerDecay { rate: 0.7, layers: 12, groups: LayerGroups::Blocks };
        assert_powers(
            &decay,
            &[
                ("downsample_layers.0.0.weight", 13),
                ("stages.0.2.gamma", 12),
                ("downsample_layers.1.1.weight", 11),
                ("stages.1.0.large.weight", 11),
                ("downsample_layers.2.0.bias", 10),
                ("stages.2.0.gamma", 10),
                ("stages.2.8.gamma", 8),
                ("stages.2.26.gamma", 2),
                ("downsample_layers.3.0.bias", 1),
                ("stages.3.2.gamma", 1),
                ("head.weight", 0),
                ("norm.weight", 0),
            ],
        );
    }

    #[test]
    fn a_rate_outside_its_range_is_refused() {
        for rate in [0.0, 1.5, f64::NAN] {
            let message = LayerDecay { rate, ..LayerDecay::default() }.validate().unwrap_err().to_string();
            assert!(message.contains("layer_decay.rate"), "{message}");
        }
    }
}
