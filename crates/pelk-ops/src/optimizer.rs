//! Settings of the optimizers' steps.

use crate::ShapeError;

/// The settings of a step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// The learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// The decoupled weight decay: the parameter is scaled by `1 - learning_rate weight_decay`.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

impl AdamW {
    /// Checks the settings.
    ///
    /// # Errors
    /// When `step` is zero, or a setting is out of its range.
    pub fn check(&self) -> Result<(), ShapeError> {
        const NAME: &str = "adamw_step";
        let AdamW { learning_rate, beta1, beta2, eps, weight_decay, step } = *self;
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        require(NAME, "the step is 0: steps are counted from 1", step > 0)?;
        require(NAME, "betas must be at least 0 and below 1", (0.0..1.0).contains(&beta1))?;
        require(NAME, "betas must be at least 0 and below 1", (0.0..1.0).contains(&beta2))?;
        let settings_fit = [learning_rate, eps, weight_decay].into_iter().all(not_negative);
        require(NAME, "learning_rate, eps and weight_decay must be finite and not negative", settings_fit)
    }

    /// The numbers of a step, which are the same for all values of a parameter.
    ///
    /// # Errors
    /// Same as [`AdamW::check`].
    pub fn factors(&self) -> Result<AdamWFactors, ShapeError> {
        self.check()?;
        let AdamW { learning_rate, beta1, beta2, eps, weight_decay, step } = *self;
        let steps = step as f64;
        Ok(AdamWFactors {
            keep: (1.0 - learning_rate * weight_decay) as f32,
            beta2: beta2 as f32,
            to_gradient: (1.0 - beta1) as f32,
            to_square: (1.0 - beta2) as f32,
            step_size: (learning_rate / (1.0 - beta1.powf(steps))) as f32,
            inverse_root: (1.0 / (1.0 - beta2.powf(steps)).sqrt()) as f32,
            eps: eps as f32,
        })
    }
}

/// What a step does to each value `p` of a parameter with gradient `g` and moments `m` and `v`:
///
/// ```text
/// m += to_gradient (g - m)
/// v = beta2 v + to_square g^2
/// p = keep p - step_size m / (sqrt(v) inverse_root + eps)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWFactors {
    /// What weight decay leaves of the parameter.
    pub keep: f32,
    /// What is left of the second moment.
    pub beta2: f32,
    /// The gradient's share of the first moment.
    pub to_gradient: f32,
    /// The squared gradient's share of the second moment.
    pub to_square: f32,
    /// The learning rate, with the first moment's correction for its start at zero.
    pub step_size: f32,
    /// The second moment's correction.
    pub inverse_root: f32,
    /// Added to the root.
    pub eps: f32,
}

/// The settings of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub learning_rate: f64,
    /// Decay of the velocity.
    pub momentum: f64,
    /// Weight decay, added to the gradient times the parameter.
    pub weight_decay: f64,
    /// Whether to look ahead along the velocity (Nesterov).
    pub nesterov: bool,
}

impl Sgd {
    /// Checks the settings.
    ///
    /// # Errors
    /// When a setting is negative or not finite.
    pub fn check(&self) -> Result<(), ShapeError> {
        let Sgd { learning_rate, momentum, weight_decay, .. } = *self;
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        let settings_fit = [learning_rate, momentum, weight_decay].into_iter().all(not_negative);
        let reason = "learning_rate, momentum and weight_decay must be finite and not negative";
        require("sgd_step", reason, settings_fit)
    }
}

fn require(operator: &'static str, reason: &str, holds: bool) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(ShapeError::Invalid { operator, reason: reason.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAMW: AdamW =
        AdamW { learning_rate: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, step: 1 };

    #[test]
    fn settings_out_of_range_are_errors() {
        assert!(ADAMW.check().is_ok());
        assert!(AdamW { step: 0, ..ADAMW }.check().is_err());
        assert!(AdamW { beta1: 1.0, ..ADAMW }.check().is_err());
        assert!(AdamW { learning_rate: f64::NAN, ..ADAMW }.factors().is_err());
        let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0, nesterov: true };
        assert!(sgd.check().is_ok());
        assert!(Sgd { momentum: -0.1, ..sgd }.check().is_err());
    }

    #[test]
    fn the_first_step_corrects_the_moments_for_their_start_at_zero() {
        let factors = ADAMW.factors().unwrap();
        // m = (1 - beta1) g and step_size = rate / (1 - beta1), so the step is rate g / |g|.
        assert!((factors.step_size * factors.to_gradient - 0.1).abs() < 1e-6);
        assert!((factors.inverse_root * factors.to_square.sqrt() - 1.0).abs() < 1e-6);
        assert_eq!(factors.keep, 0.999);
    }
}
