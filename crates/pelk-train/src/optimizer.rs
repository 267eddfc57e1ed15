//! AdamW and SGD over a network's named parameters.

use crate::error::{Result, TrainError};
use crate::layer_decay::LayerDecay;
use crate::tensors::{OPTIMIZER, take};
use pelk_autodiff::{
    AdamW, Backend, HostParameters, ParameterSpec, Parameters, Role, Sgd, from_host, to_host,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The rule by which a gradient moves a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Adam with decoupled weight decay, like PyTorch's `AdamW`.
    #[default]
    AdamW,
    /// Gradient descent with momentum, like PyTorch's `SGD`.
    Sgd,
}

impl Algorithm {
    /// Names of the tensors that it keeps for each parameter; in a checkpoint they come before the
    /// parameter's name.
    fn state(self) -> &'static [&'static str] {
        match self {
            Algorithm::AdamW => &["first", "second"],
            Algorithm::Sgd => &["velocity"],
        }
    }
}

/// The optimizer's settings. Tensors of one dimension and position embeddings have no weight decay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// `adamw` or `sgd`.
    pub algorithm: Algorithm,
    /// Highest learning rate of the schedule, 0 or more.
    pub learning_rate: f64,
    /// Weight decay, 0 or more: decoupled in AdamW, added to the gradient in SGD.
    pub weight_decay: f64,
    /// AdamW: decay of the running mean of gradients, from 0 to below 1.
    pub beta1: f64,
    /// AdamW: decay of the running mean of squared gradients, from 0 to below 1.
    pub beta2: f64,
    /// AdamW: added to the root of the second moment, above 0.
    pub eps: f64,
    /// SGD: decay of the velocity, from 0 to below 1.
    pub momentum: f64,
    /// SGD: use Nesterov momentum.
    pub nesterov: bool,
    /// Largest norm of all gradients together; 0 turns clipping off.
    pub clip_norm: f64,
    /// Lower learning rates for the backbone's early layers.
    pub layer_decay: LayerDecay,
}

impl Default for OptimizerConfig {
    fn default() -> OptimizerConfig {
        OptimizerConfig {
            algorithm: Algorithm::AdamW,
            learning_rate: 4e-3,
            weight_decay: 0.05,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            momentum: 0.9,
            nesterov: true,
            clip_norm: 0.0,
            layer_decay: LayerDecay::default(),
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
        for (key, share) in [
            ("optimizer.beta1", self.beta1),
            ("optimizer.beta2", self.beta2),
            ("optimizer.momentum", self.momentum),
        ] {
            check(key, share, (0.0..1.0).contains(&share), "at least 0 and below 1")?;
        }
        check("optimizer.eps", self.eps, finite(self.eps) && self.eps > 0.0, "above 0")?;
        check("optimizer.clip_norm", self.clip_norm, finite(self.clip_norm), "0 (no clipping) or more")?;
        self.layer_decay.validate()
    }
}

/// The numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Number of the step, from 1.
    pub step: u64,
    /// Learning rate of the step, before any layer decay.
    pub learning_rate: f64,
    /// Factor by which the gradients are too large, because the loss was scaled; 1 if it was not.
    pub scale: f64,
    /// [`gradient_norm`] of the gradients, divided by `scale`; for clipping.
    pub norm: f64,
}

/// The optimizer's state, by parameter.
pub struct Optimizer<B: Backend> {
    config: OptimizerConfig,
    states: BTreeMap<String, State<B::Tensor>>,
}

/// The settings and tensors of one trained parameter.
struct State<T> {
    weight_decay: f64,
    /// Factor for the learning rate.
    rate: f64,
    tensors: StateTensors<T>,
}

/// The tensors that an algorithm keeps for a parameter, in the order of [`Algorithm::state`].
enum StateTensors<T> {
    AdamW([T; 2]),
    Sgd([T; 1]),
}

impl<T> StateTensors<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            StateTensors::AdamW(tensors) => tensors,
            StateTensors::Sgd(tensors) => tensors,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            StateTensors::AdamW(tensors) => tensors,
            StateTensors::Sgd(tensors) => tensors,
        }
    }
}

impl<B: Backend> Optimizer<B> {
    /// A state of zeros for every trained parameter.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn new(backend: &B, config: OptimizerConfig, specs: &[ParameterSpec]) -> Result<Optimizer<B>> {
        let fresh = |spec: &ParameterSpec| {
            let weight_decay = if spec.role == Role::Weight { config.weight_decay } else { 0.0 };
            let zeros = || backend.zeros(&spec.shape);
            let tensors = match config.algorithm {
                Algorithm::AdamW => StateTensors::AdamW([zeros()?, zeros()?]),
                Algorithm::Sgd => StateTensors::Sgd([zeros()?]),
            };
            let rate = config.layer_decay.factor(spec.place.section);
            Ok((spec.name.clone(), State { weight_decay, rate, tensors }))
        };
        let trained = specs.iter().filter(|spec| spec.role != Role::Buffer);
        let states = trained.map(fresh).collect::<pelk_autodiff::Result<_>>()?;
        Ok(Optimizer { config, states })
    }

    /// Updates the parameters in place. A parameter without a gradient does not change.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn step(
        &mut self,
        backend: &B,
        parameters: &mut Parameters<B>,
        mut gradients: BTreeMap<String, B::Tensor>,
        Update { step, learning_rate, scale, norm }: Update,
    ) -> Result<()> {
        let clips = self.config.clip_norm > 0.0 && norm > self.config.clip_norm;
        let factor = if clips { self.config.clip_norm / norm } else { 1.0 } / scale;
        if factor != 1.0 {
            for gradient in gradients.values_mut() {
                backend.scale_assign(gradient, factor as f32)?;
            }
        }
        let OptimizerConfig { beta1, beta2, eps, momentum, nesterov, .. } = self.config;
        for (name, gradient) in &gradients {
            let (Some(parameter), Some(state)) = (parameters.get_mut(name), self.states.get_mut(name)) else {
                continue;
            };
            let (learning_rate, weight_decay) = (learning_rate * state.rate, state.weight_decay);
            match &mut state.tensors {
                StateTensors::AdamW([first, second]) => {
                    let hyper = AdamW { learning_rate, beta1, beta2, eps, weight_decay, step };
                    backend.adamw(&hyper, parameter, gradient, [first, second])?;
                }
                StateTensors::Sgd([velocity]) => {
                    let hyper = Sgd { learning_rate, momentum, weight_decay, nesterov };
                    backend.sgd(&hyper, parameter, gradient, velocity)?;
                }
            }
        }
        Ok(())
    }

    /// The velocity of a parameter, if the algorithm has one.
    pub(crate) fn velocity_mut(&mut self, name: &str) -> Option<&mut B::Tensor> {
        match self.states.get_mut(name).map(|state| &mut state.tensors) {
            Some(StateTensors::Sgd([velocity])) => Some(velocity),
            _ => None,
        }
    }

    /// The state by name, for a checkpoint.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn download(&self, backend: &B) -> Result<HostParameters> {
        let mut host = HostParameters::new();
        for (name, state) in &self.states {
            for (prefix, tensor) in self.config.algorithm.state().iter().zip(state.tensors.as_slice()) {
                host.insert(format!("{OPTIMIZER}{prefix}.{name}"), to_host(backend, tensor)?);
            }
        }
        Ok(host)
    }

    /// Takes the state from the tensors of the checkpoint at `path`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(&mut self, backend: &B, tensors: &mut HostParameters, path: &Path) -> Result<()> {
        for (name, state) in &mut self.states {
            let prefixes = self.config.algorithm.state();
            for (prefix, tensor) in prefixes.iter().zip(state.tensors.as_mut_slice()) {
                let shape = backend.shape(tensor).clone();
                let array = take(tensors, &format!("{OPTIMIZER}{prefix}.{name}"), &shape, path)?;
                *tensor = from_host(backend, &array)?;
            }
        }
        Ok(())
    }
}

/// The Euclidean norm of all gradients together; not finite if a gradient is not.
///
/// # Errors
/// When the backend fails.
pub fn gradient_norm<B: Backend>(backend: &B, gradients: &BTreeMap<String, B::Tensor>) -> Result<f64> {
    Ok(backend.sum_of_squares(&gradients.values().collect::<Vec<_>>())?.sqrt())
}
