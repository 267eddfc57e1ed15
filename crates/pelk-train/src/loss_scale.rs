//! Scaling of the loss for 16-bit floats (Micikevicius et al., "Mixed Precision Training", 2018).
//!
//! Gradients of activations are often smaller than the smallest 16-bit float. The loss, and with it each
//! gradient, is multiplied by a power of two, and the gradients of the parameters, which are float32, are
//! divided by it again. The factor doubles after many good steps and halves when a gradient overflows; a step
//! with an overflow changes no parameter.

use serde::{Deserialize, Serialize};

/// Number of good steps after which the factor doubles, as in PyTorch.
const PATIENCE: u32 = 2000;
const LARGEST: f64 = 16_777_216.0;

/// The factor for the loss, and the number of good steps since it last changed.
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
    /// The factor for the loss.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Call after a step with finite gradients.
    pub fn succeeded(&mut self) {
        self.good_steps += 1;
        if self.good_steps >= PATIENCE {
            *self = LossScale { factor: (2.0 * self.factor).min(LARGEST), good_steps: 0 };
        }
    }

    /// Call after a step with an overflow. Returns whether a smaller factor can help: below 1, the factor is
    /// not the cause.
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
