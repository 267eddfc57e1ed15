//! The exponential moving average of a network's weights, evaluated beside the network itself.

use crate::error::{Result, TrainError};
use pelk_autodiff::{Backend, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether weights are averaged (Polyak averaging, like timm's `ModelEma`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// Decay of the average per step, from 0 (no average) to below 1; about `1 - 20 / S` for a run of S steps
    /// (0.9999 in ConvNeXt and SLaK).
    pub decay: f64,
    /// Whether the average first follows faster, for runs that are short compared to `1 / (1 - decay)` steps:
    /// its decay in step t is at most `1 - t^(-2/3)`, as in timm's `ModelEmaV3` with `use_warmup`.
    pub warmup: bool,
}

impl EmaConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.decay) {
            let reason = format!("is {}, must be at least 0 (no average) and below 1", self.decay);
            return Err(TrainError::value("ema.decay", reason));
        }
        if self.warmup && !self.is_on() {
            return Err(TrainError::value(
                "ema.warmup",
                "is true, but ema.decay is 0, so nothing is averaged",
            ));
        }
        Ok(())
    }

    /// Whether an average is kept.
    pub fn is_on(&self) -> bool {
        self.decay > 0.0
    }
}

/// The average of all parameters and running statistics.
pub(crate) struct Ema<B: Backend> {
    /// Weight of new parameters in the average, without warm-up.
    weight: f32,
    warmup: bool,
    pub average: Parameters<B>,
}

impl<B: Backend> Ema<B> {
    /// The average that starts from these values, if averaging is on.
    pub fn start(config: &EmaConfig, parameters: &Parameters<B>) -> Option<Ema<B>> {
        // In double precision: 1 - 0.9999 in single precision is wrong in its fourth digit.
        let weight = (1.0 - config.decay) as f32;
        config.is_on().then(|| Ema { weight, warmup: config.warmup, average: parameters.clone() })
    }

    /// The weight of the parameters after a step, counted from 1. It depends on nothing but the step, so that
    /// a resumed run needs no state of the warm-up.
    fn weight(&self, step: u64) -> f32 {
        // timm's step is this one less 1: 1 - (1 + step / warmup_gamma)^(-warmup_power), with 1 and 2/3.
        let warming = if self.warmup { (step.max(1) as f64).powf(-2.0 / 3.0) as f32 } else { 0.0 };
        self.weight.max(warming)
    }

    /// Adds the parameters after a step, counted from 1, to the average. In tensors whose name `is_sparse`,
    /// zeros are absent values: the average is zero there too, and a weight that was just added is copied, as
    /// in SLaK.
    pub fn update(
        &mut self,
        backend: &B,
        parameters: &Parameters<B>,
        step: u64,
        is_sparse: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let weight = self.weight(step);
        for (name, value) in parameters.iter() {
            let Some(average) = self.average.get_mut(name) else { continue };
            match is_sparse(name) {
                true => backend.sparse_lerp_assign(average, value, weight)?,
                false => backend.lerp_assign(average, value, weight)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;
    use pelk_autodiff::{CpuBackend, HostParameters};

    #[test]
    fn the_average_follows_and_zeros_of_sparse_tensors_do_not_hold_it_back() {
        let backend = CpuBackend::new().unwrap();
        let host = |values: [f32; 3]| -> HostParameters {
            ["dense", "sparse"].map(|name| (name.to_owned(), arr1(&values).into_dyn())).into()
        };
        let upload = |values| Parameters::upload(&backend, &host(values)).unwrap();
        let config = EmaConfig { decay: 0.75, warmup: false };
        let mut ema = Ema::start(&config, &upload([0.0, 4.0, 4.0])).unwrap();
        ema.update(&backend, &upload([8.0, 0.0, 8.0]), 1, |name| name == "sparse").unwrap();
        let average = ema.average.download(&backend).unwrap();
        assert_eq!(average["dense"], arr1(&[2.0, 3.0, 5.0]).into_dyn());
        assert_eq!(average["sparse"], arr1(&[8.0, 0.0, 5.0]).into_dyn());
        assert!(Ema::start(&EmaConfig::default(), &upload([0.0; 3])).is_none());
    }

    #[test]
    fn the_warm_up_is_that_of_timm() {
        let backend = CpuBackend::new().unwrap();
        let start = |decay, warmup| {
            let parameters = Parameters::upload(&backend, &HostParameters::new()).unwrap();
            Ema::start(&EmaConfig { decay, warmup }, &parameters).unwrap()
        };
        // 1 - ModelEmaV3(model, decay=0.99, use_warmup=True).get_decay(step), timm 1.0.
        let warm = start(0.99, true);
        for (step, weight) in [(1, 1.0), (2, 0.629_961), (3, 0.480_750), (36, 0.091_720), (999, 0.010_007)] {
            assert!((warm.weight(step) - weight).abs() < 1e-6, "step {step}: {}", warm.weight(step));
        }
        assert_eq!(warm.weight(1001), 0.01);
        assert_eq!([1, 2, 1001].map(|step| start(0.99, false).weight(step)), [0.01; 3]);
    }

    #[test]
    fn a_warm_up_of_no_average_is_refused() {
        let message = EmaConfig { decay: 0.0, warmup: true }.validate().unwrap_err().to_string();
        assert!(message.contains("`ema.warmup`") && message.contains("ema.decay is 0"), "{message}");
    }

    #[test]
    fn a_decay_outside_its_range_is_refused() {
        for decay in [-0.1, 1.0, f64::NAN] {
            let message = EmaConfig { decay, warmup: false }.validate().unwrap_err().to_string();
            assert!(message.contains("`ema.decay`"), "{message}");
        }
    }
}
