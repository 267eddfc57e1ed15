//! Lower learning rates for early stages, in fine-tuning.

use crate::error::{Result, TrainError};
use pelk_models::skeletons::Place;
use serde::{Deserialize, Serialize};

/// A factor on the learning rate of the backbone that falls stage by stage towards the image, as in the segmentation recipes
/// of ConvNeXt ("stage-wise"): stem and downsampling `rate ^ (layers + 1)`, stage I (from 0) `rate ^ (layers - I)`, all else,
/// heads, norms before them and position embeddings, 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageDecay {
    /// The factor from one to the next; 1 for none.
    pub rate: f64,
    /// What the recipes call the number of layers: 6 for networks of the tiny size, 12 for larger ones.
    pub layers: u32,
}

impl Default for StageDecay {
    fn default() -> StageDecay {
        StageDecay { rate: 1.0, layers: 6 }
    }
}

impl StageDecay {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.rate > 0.0 && self.rate <= 1.0 {
            return Ok(());
        }
        let reason = format!("is {}, must be above 0 and at most 1", self.rate);
        Err(TrainError::value("optimizer.stage_decay.rate", reason))
    }

    /// The factor of the parameter called `name`.
    pub(crate) fn factor(&self, name: &str) -> f64 {
        let id = match Place::of(name) {
            Some(Place::Stem | Place::Downsampling) => 0,
            Some(Place::Stage(stage)) => stage + 1,
            Some(Place::Position) | None => return 1.0,
        };
        self.rate.powi(self.layers as i32 + 1 - id as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_stages_learn_slowly_and_heads_in_full() {
        let decay = StageDecay { rate: 0.9, layers: 6 };
        for (name, power) in [
            ("downsample_layers.0.0.weight", 7),
            ("downsample_layers.3.1.bias", 7),
            ("stages.0.1.large.weight", 6),
            ("stages.3.2.gamma", 3),
            ("stages.3.downsample.1.weight", 7),
            ("stages.1.blocks.2.pw1.conv.weight", 5),
            ("positions.0", 0),
            ("norm2.weight", 0),
            ("decode_head.conv_seg.weight", 0),
        ] {
            assert!((decay.factor(name) - 0.9_f64.powi(power)).abs() < 1e-12, "{name}");
        }
        assert_eq!(StageDecay::default().factor("stages.0.0.gamma"), 1.0);
    }

    #[test]
    fn a_rate_outside_its_range_is_refused() {
        for rate in [0.0, 1.5, f64::NAN] {
            let message = StageDecay { rate, layers: 6 }.validate().unwrap_err().to_string();
            assert!(message.contains("stage_decay.rate"), "{message}");
        }
    }
}
