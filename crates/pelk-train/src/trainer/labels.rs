//! A pass of a network that classifies images or pixels.

use super::step::{Measured, PassResult};
use super::{Trainer, targets};
use crate::error::Result;
use pelk_autodiff::operators::{Add, ScaleSamples};
use pelk_autodiff::{Backend, Executor, Parameters, Pass, Shape, Tape, Var, from_host};
use pelk_data::Batch;
use pelk_models::Outputs;

impl<B: Backend> Trainer<B> {
    /// Forward and backward of a batch of labels, some of which count, with this label smoothing and seed of
    /// the gradients.
    pub(super) fn label_pass(
        &self,
        batch: &Batch,
        pass: Pass,
        parameters: &Parameters<B>,
        (label_smoothing, seed): (f32, f32),
    ) -> Result<PassResult<B>> {
        let mut parameters = parameters.clone();
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
        let seed = self.backend.upload(&Shape::from([1]), &[seed])?;
        let backward = tape.backward(&loss, seed)?;
        parameters.replace(backward.buffers);
        let background = self.datasets.train.background();
        let (correct, all) = targets::count_correct(&logits, batch, background);
        let measured = Measured::Labels { correct, all };
        Ok(PassResult { loss: Some(value), measured, gradients: backward.gradients, parameters })
    }
}
