//! Lower learning rates for early layers, in fine-tuning.

use crate::error::{Result, TrainError};
use pelk_autodiff::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A factor for the backbone's learning rate that falls layer by layer toward the image, as in ConvNeXt's
/// recipes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerDecay {
    /// Factor for the learning rate from one layer to the one before it, above 0 and at most 1 (no decay).
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

    /// The factor of the parameters in this section of the network.
    pub(crate) fn factor(&self, section: Section) -> f64 {
        let layer = self.layer(section).map_or(self.layers + 1, |layer| layer.min(self.layers + 1));
        self.rate.powi((self.layers + 1 - layer) as i32)
    }

    /// The number of the layer that a section belongs to; `None` for heads, norms and position embeddings.
    fn layer(&self, section: Section) -> Option<u32> {
        use Section::{Block, Downsampling, Stem};
        let layer = match (self.groups, section) {
            (_, Stem) | (LayerGroups::Stages, Downsampling(_)) => 0,
            (LayerGroups::Stages, Block(stage, _)) => stage + 1,
            (LayerGroups::Blocks, Downsampling(3..) | Block(3.., _)) => self.layers as usize,
            (LayerGroups::Blocks, Block(2, block)) => 3 + block / 3,
            (LayerGroups::Blocks, Downsampling(stage) | Block(stage, _)) => stage + 1,
            _ => return None,
        };
        Some(layer as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_powers(decay: &LayerDecay, powers: &[(Section, i32)]) {
        for (section, power) in powers {
            let wanted = decay.rate.powi(*power);
            assert!((decay.factor(*section) - wanted).abs() < 1e-12, "{section:?}");
        }
    }

    #[test]
    fn early_stages_learn_slowly_and_heads_in_full() {
        let decay = LayerDecay { rate: 0.9, layers: 6, groups: LayerGroups::Stages };
        assert_powers(
            &decay,
            &[
                (Section::Stem, 7),
                (Section::Downsampling(1), 7),
                (Section::Block(0, 1), 6),
                (Section::Block(3, 2), 3),
                (Section::Downsampling(3), 7),
                (Section::Block(1, 2), 5),
                (Section::Position(0), 0),
                (Section::Norm, 0),
                (Section::Decoder, 0),
                (Section::AuxiliaryHead, 0),
                (Section::Other, 0),
            ],
        );
        assert_eq!(LayerDecay::default().factor(Section::Block(0, 0)), 1.0);
    }

    #[test]
    fn early_blocks_learn_slowly_as_in_the_classification_recipe() {
        let decay = LayerDecay { rate: 0.7, layers: 12, groups: LayerGroups::Blocks };
        assert_powers(
            &decay,
            &[
                (Section::Stem, 13),
                (Section::Block(0, 2), 12),
                (Section::Downsampling(1), 11),
                (Section::Block(1, 0), 11),
                (Section::Downsampling(2), 10),
                (Section::Block(2, 0), 10),
                (Section::Block(2, 8), 8),
                (Section::Block(2, 26), 2),
                (Section::Downsampling(3), 1),
                (Section::Block(3, 2), 1),
                (Section::Head, 0),
                (Section::Norm, 0),
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
