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
}

impl EmaConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        if (0.0..1.0).contains(&self.decay) {
            return Ok(());
        }
        let reason = format!("is {}, must be at least 0 (no average) and below 1", self.decay);
        Err(TrainError::value("ema.decay", reason))
    }

    /// Whether an average is kept.
    pub fn is_on(&self) -> bool {
        self.decay > 0.0
    }
}

/// The average of all parameters and running statistics.
pub(crate) struct Ema<B: Backend> {
    weight: f32,
    pub average: Parameters<B>,
}

impl<B: Backend> Ema<B> {
    /// The average that starts from these values, if averaging is on.
    pub fn start(config: &EmaConfig, parameters: &Parameters<B>) -> Option<Ema<B>> {
        // In double precision: 1 - 0.9999 in single precision is wrong in its fourth digit.
        let weight = (1.0 - config.decay) as f32;
        config.is_on().then(|| Ema { weight, average: parameters.clone() })
    }

    /// Adds the parameters after a step to the average. In tensors whose name `is_sparse`, zeros are absent
    /// values: the average is zero there too, and a weight that was just added is copied, as in SLaK.
    pub fn update(
        &mut self,
        backend: &B,
        parameters: &Parameters<B>,
        is_sparse: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for (name, value) in parameters.iter() {
            let Some(average) = self.average.get_mut(name) else { continue };
            match is_sparse(name) {
                true => backend.sparse_lerp_assign(average, value, self.weight)?,
                false => backend.lerp_assign(average, value, self.weight)?,
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
        let config = EmaConfig { decay: 0.75 };
        let mut ema = Ema::start(&config, &upload([0.0, 4.0, 4.0])).unwrap();
        ema.update(&backend, &upload([8.0, 0.0, 8.0]), |name| name == "sparse").unwrap();
        let average = ema.average.download(&backend).unwrap();
        assert_eq!(average["dense"], arr1(&[2.0, 3.0, 5.0]).into_dyn());
        assert_eq!(average["sparse"], arr1(&[8.0, 0.0, 5.0]).into_dyn());
        assert!(Ema::start(&EmaConfig::default(), &upload([0.0; 3])).is_none());
    }

    #[test]
    fn a_decay_outside_its_range_is_refused() {
        for decay in [-0.1, 1.0, f64::NAN] {
            let message = EmaConfig { decay }.validate().unwrap_err().to_string();
            assert!(message.contains("`ema.decay`"), "{message}");
        }
    }
}
