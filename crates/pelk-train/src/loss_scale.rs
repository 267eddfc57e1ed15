//! Scaling of the loss for 16-bit floats (Micikevicius et al., "Mixed Precision Training", 2018).
//!
//! Gradients of activations are often smaller than the least 16-bit float. The loss, and with it every gradient, is multiplied by a power
//! of two, and the gradients of the parameters, which are float32, are divided by it again. The factor is doubled
//! after many good steps, and halved when a gradient overflows; the step in which it does changes no parameter.

use serde::{Deserialize, Serialize};

/// Good steps after which the factor is doubled, as in PyTorch.
const PATIENCE: u32 = 2000;
const LARGEST: f64 = 16_777_216.0;

/// The factor and how long it has held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    factor: f64,
    good_steps: u32,
}

impl Default for LossScale {
    fn default() -> LossScale {
        LossScale { factor: 65_536.0, good_steps: 0 }
    }
}

impl LossScale {
    /// What the loss is multiplied by.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// After a step whose gradients were finite.
    pub fn succeeded(&mut self) {
        self.good_steps += 1;
        if self.good_steps >= PATIENCE {
            *self = LossScale { factor: (2.0 * self.factor).min(LARGEST), good_steps: 0 };
        }
    }

    /// After a step whose gradients were not. Returns whether a smaller factor can help: below 1, it is not the factor.
    pub fn overflowed(&mut self) -> bool {
        *self = LossScale { factor: self.factor / 2.0, good_steps: 0 };
        self.factor >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_grows_slowly_and_falls_at_once() {
        let mut scale = LossScale::default();
        for _ in 0..PATIENCE {
            assert_eq!(scale.factor(), 65_536.0);
            scale.succeeded();
        }
        assert_eq!(scale.factor(), 131_072.0);
        assert!(scale.overflowed());
        assert_eq!(scale, LossScale::default());
        for _ in 0..20 * PATIENCE {
            scale.succeeded();
        }
        assert_eq!(scale.factor(), LARGEST);
        let halvings = std::iter::repeat_with(|| scale.overflowed()).take_while(|helps| *helps).count();
        assert_eq!(halvings, 24);
    }
}
