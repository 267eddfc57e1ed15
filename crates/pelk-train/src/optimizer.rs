//! AdamW over a network's named parameters.

use crate::error::{Result, TrainError};
use crate::stage_decay::StageDecay;
use pelk_autodiff::{AdamW, Backend, HostParameters, ParameterSpec, Parameters, Role, from_host, to_host};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// AdamW's settings. Tensors of one dimension and position embeddings are not decayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay of the gradient's running mean.
    pub beta1: f64,
    /// Decay of the squared gradient's running mean.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Largest norm of all gradients together; 0 leaves them as they are.
    pub clip_norm: f64,
    /// Lower learning rates for the backbone's early stages.
    pub stage_decay: StageDecay,
}

impl Default for OptimizerConfig {
    fn default() -> OptimizerConfig {
        OptimizerConfig {
            learning_rate: 4e-3,
            weight_decay: 0.05,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            clip_norm: 0.0,
            stage_decay: StageDecay::default(),
        }
    }
}

impl OptimizerConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        let check = |key, value: f64, ok: bool, range: &str| match ok {
            true => Ok(()),
            false => Err(TrainError::value(key, format!("is {value}, must be {range}"))),
        };
        let finite = |value: f64| value.is_finite() && value >= 0.0;
        check("optimizer.learning_rate", self.learning_rate, finite(self.learning_rate), "0 or more")?;
        check("optimizer.weight_decay", self.weight_decay, finite(self.weight_decay), "0 or more")?;
        check("optimizer.beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "at least 0 and below 1")?;
        check("optimizer.beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "at least 0 and below 1")?;
        check("optimizer.eps", self.eps, finite(self.eps) && self.eps > 0.0, "above 0")?;
        check("optimizer.clip_norm", self.clip_norm, finite(self.clip_norm), "0 (no clipping) or more")?;
        self.stage_decay.validate()
    }
}

/// Names of the two moments in a checkpoint, before the parameter's name.
const MOMENTS: [&str; 2] = ["optimizer.first.", "optimizer.second."];

/// The optimiser's state, by parameter.
pub struct Optimizer<B: Backend> {
    config: OptimizerConfig,
    states: BTreeMap<String, State<B::Tensor>>,
}

/// What is known of one trained parameter.
struct State<T> {
    weight_decay: f64,
    /// Factor on the learning rate.
    rate: f64,
    moments: [T; 2],
}

impl<B: Backend> Optimizer<B> {
    /// Moments of zero for every trained parameter.
    ///
    /// # Errors
    /// When the backend refuses.
    pub fn new(backend: &B, config: OptimizerConfig, specs: &[ParameterSpec]) -> Result<Optimizer<B>> {
        let fresh = |spec: &ParameterSpec| {
            let weight_decay = if spec.role == Role::Weight { config.weight_decay } else { 0.0 };
            let moments = [backend.zeros(&spec.shape)?, backend.zeros(&spec.shape)?];
            let rate = config.stage_decay.factor(&spec.name);
            Ok((spec.name.clone(), State { weight_decay, rate, moments }))
        };
        let trained = specs.iter().filter(|spec| spec.role != Role::Buffer);
        let states = trained.map(fresh).collect::<pelk_autodiff::Result<_>>()?;
        Ok(Optimizer { config, states })
    }

    /// One step, number `step` from 1, in place. The gradients are `scale` times as large as they should be; `norm` is their
    /// [`gradient_norm`] without that, for clipping. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// When the backend refuses.
    pub fn step(
        &mut self,
        backend: &B,
        parameters: &mut Parameters<B>,
        mut gradients: BTreeMap<String, B::Tensor>,
        scale: f64,
        norm: f64,
        learning_rate: f64,
        step: u64,
    ) -> Result<()> {
        let clips = self.config.clip_norm > 0.0 && norm > self.config.clip_norm;
        let factor = if clips { self.config.clip_norm / norm } else { 1.0 } / scale;
        if factor != 1.0 {
            for gradient in gradients.values_mut() {
                backend.scale_assign(gradient, factor as f32)?;
            }
        }
        for (name, gradient) in &gradients {
            let (Some(parameter), Some(state)) = (parameters.get_mut(name), self.states.get_mut(name)) else {
                continue;
            };
            let hyper = AdamW {
                learning_rate: learning_rate * state.rate,
                beta1: self.config.beta1,
                beta2: self.config.beta2,
                eps: self.config.eps,
                weight_decay: state.weight_decay,
                step,
            };
            let [first, second] = &mut state.moments;
            backend.adamw(&hyper, parameter, gradient, [first, second])?;
        }
        Ok(())
    }

    /// The moments by name, for a checkpoint.
    ///
    /// # Errors
    /// When the backend refuses.
    pub fn download(&self, backend: &B) -> Result<HostParameters> {
        let mut host = HostParameters::new();
        for (name, state) in &self.states {
            for (prefix, moment) in MOMENTS.iter().zip(&state.moments) {
                host.insert(format!("{prefix}{name}"), to_host(backend, moment)?);
            }
        }
        Ok(host)
    }

    /// Takes the moments out of the tensors of the checkpoint at `path`.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn restore(&mut self, backend: &B, tensors: &mut HostParameters, path: &Path) -> Result<()> {
        let refuse = |reason| TrainError::Checkpoint { path: path.to_owned(), reason };
        for (name, state) in &mut self.states {
            for (prefix, moment) in MOMENTS.iter().zip(&mut state.moments) {
                let name = format!("{prefix}{name}");
                let shape = backend.shape(moment).clone();
                let array = tensors.remove(&name).ok_or_else(|| {
                    refuse(format!("it holds no {name:?}, so training cannot go on from it"))
                })?;
                if array.shape() != &shape[..] {
                    return Err(refuse(format!("{name:?} has shape {:?}, wanted {shape}", array.shape())));
                }
                *moment = from_host(backend, &array)?;
            }
        }
        Ok(())
    }
}

/// The Euclidean norm of all gradients together; not finite where a gradient is not.
///
/// # Errors
/// When the backend refuses.
pub fn gradient_norm<B: Backend>(backend: &B, gradients: &BTreeMap<String, B::Tensor>) -> Result<f64> {
    Ok(backend.sum_of_squares(&gradients.values().collect::<Vec<_>>())?.sqrt())
}
