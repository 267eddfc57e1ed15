//! One step: passes over the network, their gradients, and what moves by them.

use super::{Trainer, targets};
use crate::error::{Result, TrainError};
use crate::loss_scale::LossScale;
use crate::observer::{Limits, StepReport};
use crate::optimizer::gradient_norm;
use crate::sparsity::{Densities, Masks, snip};
use pelk_autodiff::operators::{Add, ScaleSamples};
use pelk_autodiff::{Backend, Executor, Parameters, Pass, Role, Shape, Tape, Var, from_host, to_host};
use pelk_data::{Batch, IGNORED, Loader, MixConfig};
use pelk_models::Outputs;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a pass forward and backward gives.
pub(super) struct PassResult<B: Backend> {
    loss: f64,
    right: usize,
    measured: usize,
    gradients: BTreeMap<String, B::Tensor>,
    /// The parameters with the renewed running statistics.
    parameters: Parameters<B>,
}

impl<B: Backend> Trainer<B> {
    pub(super) fn one_step(&mut self, passes: &mut Loader, epoch: u64) -> Result<StepReport> {
        let learning_rate = self.learning_rate(self.step);
        let accumulation = self.config.batch.accumulation;
        let mut gradients = BTreeMap::new();
        let mut buffers = None;
        let (mut loss, mut right, mut measured) = (0.0, 0, 0);
        let start = Instant::now();
        let mut waited = Duration::ZERO;
        for i in 0..accumulation {
            let asked = Instant::now();
            let Some(batch) = passes.next() else { break };
            waited += asked.elapsed();
            let pass = self.step * accumulation as u64 + i as u64;
            let parameters = buffers.as_ref().unwrap_or(&self.parameters);
            let pass = self.pass(&batch?, pass, parameters, self.config.loss.label_smoothing)?;
            if !pass.loss.is_finite() {
                return Err(self.not_finite(format!("the loss ({})", pass.loss), self.step));
            }
            loss += pass.loss / accumulation as f64;
            right += pass.right;
            measured += pass.measured;
            for (name, gradient) in pass.gradients {
                match gradients.get_mut(&name) {
                    Some(sum) => self.backend.add_assign(sum, &gradient)?,
                    None => {
                        gradients.insert(name, gradient);
                    }
                }
            }
            buffers = Some(pass.parameters);
        }
        let scale = self.scale();
        let norm = gradient_norm(&self.backend, &gradients)? / scale;
        let overflows = !norm.is_finite();
        if overflows && !self.loss_scale.as_mut().is_some_and(LossScale::overflowed) {
            return Err(self.not_finite(self.first_not_finite(&gradients)?, self.step));
        }
        if let Some(parameters) = buffers {
            self.parameters = parameters;
        }
        if !overflows {
            self.apply(gradients, scale, norm, learning_rate)?;
            if let Some(loss_scale) = &mut self.loss_scale {
                loss_scale.succeeded();
            }
        }
        self.step += 1;
        self.loss_sum += loss;
        Ok(StepReport {
            step: self.step,
            total_steps: self.total_steps(),
            epoch: epoch + 1,
            loss,
            gradient_norm: norm,
            skipped: overflows,
            accuracy: right as f64 / measured.max(1) as f64,
            learning_rate,
            images: self.config.batch.images_per_step(),
            time: start.elapsed(),
            waited,
        })
    }

    /// Moves the parameters, and all that follows them: masks, then the average.
    fn apply(
        &mut self,
        gradients: BTreeMap<String, B::Tensor>,
        scale: f64,
        norm: f64,
        learning_rate: f64,
    ) -> Result<()> {
        let step = self.step + 1;
        let (backend, parameters, optimizer) = (&self.backend, &mut self.parameters, &mut self.optimizer);
        optimizer.step(backend, parameters, gradients, scale, norm, learning_rate, step)?;
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
            ema.update(backend, parameters, |name| masks.as_ref().is_some_and(|masks| masks.covers(name)))?;
        }
        Ok(())
    }

    /// What the loss of a pass is multiplied by.
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

    /// Forward and backward of one batch, number `index` of the run.
    pub(super) fn pass(
        &self,
        batch: &Batch,
        index: u64,
        parameters: &Parameters<B>,
        label_smoothing: f32,
    ) -> Result<PassResult<B>> {
        let mut parameters = parameters.clone();
        if batch.labels.iter().all(|&label| label == IGNORED) {
            // A crop of an image of which little is labeled: there is nothing to learn from, and no mean over nothing.
            return Ok(PassResult {
                loss: 0.0,
                right: 0,
                measured: 0,
                gradients: BTreeMap::new(),
                parameters,
            });
        }
        let pass = Pass { seed: self.config.seed, index };
        let mut tape = Tape::new(&self.backend, &parameters, pass).recomputing(self.config.batch.recompute);
        let images = Var::constant(from_host(&self.backend, &batch.images)?);
        let Outputs { logits, auxiliary } = self.network.outputs(&mut tape, &images)?;
        let classes = self.network.config().classes;
        let op = targets::loss(batch, classes, label_smoothing, &self.class_weights);
        let mut loss = tape.apply_one(op.clone(), &[&logits])?;
        if let Some(auxiliary) = auxiliary {
            let auxiliary = tape.apply_one(op, &[&auxiliary])?;
            let weight = ScaleSamples { factors: [self.config.loss.auxiliary_weight].into() };
            let auxiliary = tape.apply_one(weight, &[&auxiliary])?;
            loss = tape.apply_one(Add, &[&loss, &auxiliary])?;
        }
        let value = f64::from(self.backend.download(loss.tensor())?[0]);
        let logits = self.backend.download(logits.tensor())?;
        // Seeding with the share of a pass makes the sum over passes the mean over images.
        let share = self.scale() / self.config.batch.accumulation as f64;
        let seed = self.backend.upload(&Shape::from([1]), &[share as f32])?;
        let backward = tape.backward(&loss, seed)?;
        parameters.replace(backward.buffers);
        let background = self.datasets.train.background();
        let (right, measured) = targets::count_right(&logits, batch, background);
        Ok(PassResult { loss: value, right, measured, gradients: backward.gradients, parameters })
    }

    /// Decides which weights are absent, and takes them away.
    pub(super) fn draw_masks(&mut self, limits: Limits) -> Result<()> {
        let specs = self.network.parameters()?;
        let config = &self.config.sparsity;
        let densities = match config.densities {
            Densities::Weights => None,
            Densities::Uniform => Some(config.uniform(&specs)),
            Densities::Snip => Some(self.sensitive_densities(limits)?),
        };
        let seed = self.config.seed;
        let masks = Masks::draw(&self.backend, seed, &specs, &self.parameters, densities.as_ref())?;
        if densities.is_none() && masks.is_empty() {
            let reason = "is weights, but of the weights that the run starts from none is zero: give those of a sparse \
                          network as `weights`, or set sparsity.densities to snip";
            return Err(TrainError::value("sparsity.densities", reason));
        }
        masks.apply(&self.backend, &mut self.parameters, &mut self.optimizer)?;
        self.masks = Some(masks);
        Ok(())
    }

    /// SNIP's densities: of the first batch, unmixed, by the plain cross-entropy, as SLaK computes them.
    fn sensitive_densities(&self, limits: Limits) -> Result<BTreeMap<String, f64>> {
        let mut scores = BTreeMap::new();
        if let Some(batch) = self.loader(0, limits, MixConfig::default())?.next() {
            let gradients = self.pass(&batch?, 0, &self.parameters, 0.0)?.gradients;
            for spec in self.network.parameters()?.iter().filter(|spec| spec.role == Role::Weight) {
                let weights = to_host(&self.backend, self.parameters.get(&self.backend, spec)?)?;
                let products = match gradients.get(&spec.name) {
                    Some(gradient) => {
                        let gradient = to_host(&self.backend, gradient)?;
                        (&weights * &gradient).iter().map(|product| product.abs()).collect()
                    }
                    None => vec![0.0; weights.len()],
                };
                scores.insert(spec.name.clone(), products);
            }
        }
        Ok(snip(&scores, 1.0 - self.config.sparsity.sparsity))
    }
}
