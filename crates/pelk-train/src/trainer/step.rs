//! One step: passes over the network, their gradients, and the update.

use super::{Trainer, targets};
use crate::error::Result;
use crate::loss_scale::LossScale;
use crate::observer::{Limits, LossParts, StepDetail, StepReport};
use crate::optimizer::{Update, gradient_norm};
use pelk_autodiff::{Backend, Parameters, Pass};
use pelk_data::{Batch, Loader, MixConfig};
use pelk_models::Head;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The result of one pass, forward and backward, or the sum over the passes of a step.
pub(super) struct PassResult<B: Backend> {
    /// `None` if no label counts.
    pub loss: Option<f64>,
    pub measured: Measured,
    pub gradients: BTreeMap<String, B::Tensor>,
    /// The parameters with updated running statistics.
    pub parameters: Parameters<B>,
}

/// What passes measure besides the loss.
#[derive(Clone, Copy)]
pub(super) enum Measured {
    /// Labels that were classified correctly, and all that count.
    Labels { correct: usize, all: usize },
    /// The parts of a detector's loss.
    Objects(LossParts),
}

impl Measured {
    /// Adds a pass, with its share as a divisor.
    fn add(&mut self, pass: Measured, divisor: f64) {
        match (self, pass) {
            (Measured::Labels { correct, all }, Measured::Labels { correct: more, all: of }) => {
                *correct += more;
                *all += of;
            }
            (Measured::Objects(sum), Measured::Objects(parts)) => {
                sum.proposals += parts.proposals / divisor;
                sum.proposal_boxes += parts.proposal_boxes / divisor;
                sum.classes += parts.classes / divisor;
                sum.boxes += parts.boxes / divisor;
                sum.masks += parts.masks / divisor;
            }
            // All passes of a run are of one kind.
            (sum, pass) => *sum = pass,
        }
    }

    fn detail(self) -> StepDetail {
        match self {
            Measured::Labels { correct, all } => {
                StepDetail::Accuracy((all > 0).then(|| correct as f64 / all as f64))
            }
            Measured::Objects(parts) => StepDetail::Losses(parts),
        }
    }
}

impl<B: Backend> PassResult<B> {
    /// A pass that computed nothing.
    pub fn empty(parameters: Parameters<B>, measured: Measured) -> PassResult<B> {
        PassResult { loss: None, measured, gradients: BTreeMap::new(), parameters }
    }

    /// Adds a pass, with its share as a divisor. Its gradients already have this share.
    fn add(&mut self, backend: &B, pass: PassResult<B>, divisor: f64) -> Result<()> {
        if let Some(loss) = pass.loss {
            *self.loss.get_or_insert(0.0) += loss / divisor;
        }
        self.measured.add(pass.measured, divisor);
        for (name, gradient) in pass.gradients {
            match self.gradients.get_mut(&name) {
                Some(sum) => backend.add_assign(sum, &gradient)?,
                None => drop(self.gradients.insert(name, gradient)),
            }
        }
        self.parameters = pass.parameters;
        Ok(())
    }
}

impl<B: Backend> Trainer<B> {
    /// Takes a step, with the next batches of the loader.
    pub(super) fn one_step(&mut self, loader: &mut Loader, epoch: u64) -> Result<StepReport> {
        let learning_rate = self.learning_rate(self.step);
        let start = Instant::now();
        let (sum, waited) = self.accumulate(loader)?;
        let scale = self.scale();
        let norm = gradient_norm(&self.backend, &sum.gradients)? / scale;
        let overflows = !norm.is_finite();
        if overflows && !self.loss_scale.as_mut().is_some_and(LossScale::overflowed) {
            return Err(self.not_finite(self.first_not_finite(&sum.gradients)?, self.step));
        }
        self.parameters = sum.parameters;
        match sum.loss {
            Some(loss) => self.loss_sum += loss,
            None => self.uncounted_steps += 1,
        }
        // Where nothing counts there is nothing to follow: momentum and weight decay wait too.
        if !overflows && sum.loss.is_some() {
            self.update(sum.gradients, scale, norm, learning_rate)?;
            if let Some(loss_scale) = &mut self.loss_scale {
                loss_scale.succeeded();
            }
        }
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            total_steps: self.total_steps(),
            epoch: epoch + 1,
            loss: sum.loss,
            gradient_norm: norm,
            skipped: overflows,
            detail: sum.measured.detail(),
            learning_rate,
            images: self.config.batch.images_per_step(),
            time: start.elapsed(),
            waited,
        })
    }

    /// The sum over the passes of the next step, and the time spent waiting for images.
    ///
    /// A step's loss is the mean over its labels, so a pass has the share of its labels that count, by their
    /// weights. A detector's passes all have the same share, as in MMDetection.
    fn accumulate(&self, loader: &mut Loader) -> Result<(PassResult<B>, Duration)> {
        let accumulation = self.config.batch.accumulation;
        let detects = matches!(self.network.config().head, Head::CascadeMaskRcnn(_));
        let nothing = match detects {
            true => Measured::Objects(LossParts::default()),
            false => Measured::Labels { correct: 0, all: 0 },
        };
        let mut sum = PassResult::empty(self.parameters.clone(), nothing);
        let mut waited = Duration::ZERO;
        let mut next = || {
            let start = Instant::now();
            let batch = loader.next().transpose();
            waited += start.elapsed();
            batch
        };
        let mut ahead = VecDeque::new();
        let mut divisors = vec![Some(accumulation as f64); accumulation];
        if !detects {
            for _ in 0..accumulation {
                ahead.extend(next()?);
            }
            let weights = ahead.iter().map(|batch| self.weight(batch)).collect::<Result<Vec<f64>>>()?;
            divisors = targets::divisors(&weights);
        }
        for (i, divisor) in divisors.into_iter().enumerate() {
            let batch = if detects { next()? } else { ahead.pop_front() };
            let Some(batch) = batch else { break };
            // A crop of an image with few labels: there is nothing to learn, and no mean over zero labels.
            let Some(divisor) = divisor else { continue };
            let index = self.step * accumulation as u64 + i as u64;
            let smoothing = self.config.loss.label_smoothing;
            let pass = self.forward_backward(&batch, index, &sum.parameters, (smoothing, divisor))?;
            if let Some(loss) = pass.loss.filter(|loss| !loss.is_finite()) {
                return Err(self.not_finite(format!("the loss ({loss})"), self.step));
            }
            sum.add(&self.backend, pass, divisor)?;
        }
        Ok((sum, waited))
    }

    /// The weight of a batch's labels in the mean of a step; 0 if none counts.
    fn weight(&self, batch: &Batch) -> Result<f64> {
        targets::weight(batch, self.network.config().classes, &self.class_weights)
    }

    /// Updates the parameters, then the masks, then the average.
    fn update(
        &mut self,
        gradients: BTreeMap<String, B::Tensor>,
        scale: f64,
        norm: f64,
        learning_rate: f64,
    ) -> Result<()> {
        let step = self.step + 1;
        let (backend, parameters, optimizer) = (&self.backend, &mut self.parameters, &mut self.optimizer);
        let numbers = Update { step, learning_rate, scale, norm };
        optimizer.step(backend, parameters, gradients, numbers)?;
        let sparsity = &self.config.sparsity;
        if let Some(masks) = &mut self.masks {
            masks.apply(backend, parameters, optimizer)?;
            if sparsity.updates_after(step) {
                let total = self.config.schedule.total_steps(self.steps_per_epoch);
                masks.update(backend, parameters, step, sparsity.rate(step, total))?;
            }
        }
        if let Some(ema) = &mut self.ema {
            let masks = &self.masks;
            ema.update(backend, parameters, step, |name| {
                masks.as_ref().is_some_and(|masks| masks.covers(name))
            })?;
        }
        Ok(())
    }

    /// The factor for the loss of a pass.
    fn scale(&self) -> f64 {
        self.loss_scale.map_or(1.0, |scale| scale.factor())
    }

    fn first_not_finite(&self, gradients: &BTreeMap<String, B::Tensor>) -> Result<String> {
        for (name, gradient) in gradients {
            if !self.backend.sum_of_squares(&[gradient])?.is_finite() {
                return Ok(format!("the gradient of {name}"));
            }
        }
        Ok("the norm of all gradients".to_owned())
    }

    /// Forward and backward of one batch: pass `index` of the run, from 0, with this label smoothing and share in
    /// its step, as a divisor.
    fn forward_backward(
        &self,
        batch: &Batch,
        index: u64,
        parameters: &Parameters<B>,
        (label_smoothing, divisor): (f32, f64),
    ) -> Result<PassResult<B>> {
        // The scale of 16-bit losses is divided out again after the sum over passes.
        let seed = (self.scale() / divisor) as f32;
        let pass = Pass { seed: self.config.seed, index };
        match self.network.config().head {
            Head::CascadeMaskRcnn(_) => self.object_pass(batch, pass, parameters, seed),
            _ => self.label_pass(batch, pass, parameters, (label_smoothing, seed)),
        }
    }

    /// The gradients that SNIP scores weights by: of the first batch with a label that counts, not mixed, by
    /// the plain cross-entropy, as SLaK computes them.
    pub(super) fn first_gradients(&self, limits: Limits) -> Result<BTreeMap<String, B::Tensor>> {
        let detects = matches!(self.network.config().head, Head::CascadeMaskRcnn(_));
        let divisor = self.config.batch.accumulation as f64;
        for batch in self.loader(0, limits, MixConfig::default())? {
            let batch = batch?;
            if detects || self.weight(&batch)? > 0.0 {
                return Ok(self.forward_backward(&batch, 0, &self.parameters, (0.0, divisor))?.gradients);
            }
        }
        Ok(BTreeMap::new())
    }
}
