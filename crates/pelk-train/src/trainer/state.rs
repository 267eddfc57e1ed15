//! Making checkpoints of a run, and resuming from them.

use super::Trainer;
use crate::checkpoint::{Checkpoint, Description, FORMAT, TrainingState};
use crate::ema::Ema;
use crate::error::{Result, TrainError};
use crate::identity::{self, DataIdentity};
use crate::sparsity::Masks;
use crate::tensors::{EMA, take};
use pelk_autodiff::{Backend, HostParameters, Parameters};
use std::path::Path;

impl<B: Backend> Trainer<B> {
    /// Restores the state in the checkpoint at `path`; the run continues as if it had never stopped. Its
    /// schedule may be longer than that of the checkpoint.
    ///
    /// # Errors
    /// When the checkpoint has another configuration, network or dataset than this run, or no training state.
    pub fn restore(&mut self, checkpoint: Checkpoint, path: &Path) -> Result<()> {
        let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let Checkpoint { description, mut tensors, masks } = checkpoint;
        let training = description
            .training
            .clone()
            .ok_or_else(|| refuse("it holds the network only; resume from last.safetensors".into()))?;
        // First, since other classes make another network.
        identity::check_same(&description, &self.datasets).map_err(|error| refuse(error.to_string()))?;
        if description.network != *self.network.config() {
            let (theirs, ours) = (&description.network.name, &self.network.config().name);
            let differing = if theirs == ours { " with other settings" } else { "" };
            let reason = format!("it is of another network ({theirs}{differing}) than this run's ({ours})");
            return Err(refuse(reason));
        }
        let (ours, mut theirs) = (&self.config, training.config);
        let ended = description.step == theirs.schedule.total_steps(self.steps_per_epoch);
        if ours.schedule.extends(&theirs.schedule) {
            theirs.schedule.clone_from(&ours.schedule);
        }
        if !theirs.is_same_run(ours) {
            return Err(refuse("it was made with another configuration than this run's config.toml".into()));
        }
        let train = &self.datasets.train;
        if description.image != self.image || description.normalization != *train.statistics() {
            return Err(refuse("it was trained on other images than these; use the same data".into()));
        }
        if description.step > self.total_steps() {
            let (step, total) = (description.step, self.total_steps());
            return Err(refuse(format!("it has taken {step} steps, but the whole run has {total}")));
        }
        if masks.len() != training.masked {
            let (found, expected) = (masks.len(), training.masked);
            return Err(refuse(format!("it has {found} masks, but its metadata says {expected}")));
        }
        let specs = self.network.parameters()?;
        self.optimizer.restore(&self.backend, &mut tensors, path)?;
        let mut network = |prefix: &str| -> Result<Parameters<B>> {
            let mut host = HostParameters::new();
            for spec in &specs {
                let array = take(&mut tensors, &format!("{prefix}{}", spec.name), &spec.shape, path)?;
                host.insert(spec.name.clone(), array);
            }
            Ok(Parameters::upload(&self.backend, &host)?)
        };
        let parameters = network("")?;
        // A run that has taken no step starts its average and draws its masks later, before the first step.
        let ema = match self.config.ema.is_on() && description.step > 0 {
            true => Ema::start(&self.config.ema, &network(EMA)?),
            false => None,
        };
        let masks = match self.config.sparsity.is_on() && description.step > 0 {
            true => Some(Masks::restore(&self.backend, self.config.seed, &specs, masks, path)?),
            false => None,
        };
        self.parameters = parameters;
        (self.ema, self.masks) = (ema, masks);
        (self.step, self.saved) = (description.step, Some(description.step));
        (self.loss_sum, self.uncounted_steps) = (training.loss_sum, training.uncounted_steps);
        if ended && !training.evaluation_due {
            // Checkpoints of earlier versions do not say it.
            self.uncounted_steps = ours.schedule.steps_past_interval(description.step, self.steps_per_epoch);
        }
        self.best = training.best;
        self.loss_scale = training.loss_scale.or(self.loss_scale);
        self.evaluation_due = training.evaluation_due;
        Ok(())
    }

    /// A checkpoint from which training can resume.
    ///
    /// # Errors
    /// When a value is not finite, or the backend fails.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let masks = self.masks.as_ref().map(Masks::to_host).unwrap_or_default();
        let training = TrainingState {
            config: self.config.clone(),
            loss_sum: self.loss_sum,
            uncounted_steps: self.uncounted_steps,
            best: self.best,
            masked: masks.len(),
            loss_scale: self.loss_scale,
            evaluation_due: self.evaluation_due,
        };
        let mut checkpoint = self.describe(&self.parameters, Some(training))?;
        let mut rest = self.optimizer.download(&self.backend)?;
        if let Some(ema) = &self.ema {
            let average = ema.average.download(&self.backend)?;
            rest.extend(average.into_iter().map(|(name, array)| (format!("{EMA}{name}"), array)));
        }
        self.check_finite(&rest)?;
        checkpoint.tensors.extend(rest);
        checkpoint.masks = masks;
        Ok(checkpoint)
    }

    /// A checkpoint of the network with these parameters.
    pub(super) fn describe(
        &self,
        parameters: &Parameters<B>,
        training: Option<TrainingState>,
    ) -> Result<Checkpoint> {
        let data = &self.datasets.train;
        let description = Description {
            format: FORMAT,
            network: self.network.config().clone(),
            data: self.config.data.clone(),
            image: self.image,
            normalization: data.statistics().clone(),
            classes: data.classes().to_vec(),
            identity: Some(DataIdentity::of(&self.datasets)),
            inference: self.config.inference.clone(),
            step: self.step,
            training,
        };
        let tensors = parameters.download(&self.backend)?;
        self.check_finite(&tensors)?;
        Ok(Checkpoint { description, tensors, masks: Default::default() })
    }

    /// A step can overflow although its gradients are finite; such values must not replace a good checkpoint.
    fn check_finite(&self, tensors: &HostParameters) -> Result<()> {
        let spoilt = tensors.iter().find(|(_, values)| !values.iter().all(|value| value.is_finite()));
        spoilt.map_or(Ok(()), |(name, _)| {
            // The last step made the values; a new network has taken none.
            let step = self.step.saturating_sub(1);
            Err(self.not_finite(name.clone(), step))
        })
    }
}
