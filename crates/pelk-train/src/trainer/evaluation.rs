//! Evaluating a network during training, and its averaged weights with it.

use super::Trainer;
use crate::checkpoint::Checkpoint;
use crate::error::{Result, TrainError};
use crate::evaluate::{Evaluation, EvaluationTask, evaluate};
use crate::metrics::{MetricsRow, Scores};
use crate::observer::{EvaluationReport, Limits, Observer};
use pelk_autodiff::{Backend, Parameters};
use pelk_data::LoaderConfig;

impl<B: Backend> Trainer<B> {
    /// Evaluates the network after a step, as is due. Returns whether it did; if the observer stops it, the
    /// evaluation stays due.
    pub(super) fn evaluate(&mut self, limits: Limits, observer: &mut impl Observer) -> Result<bool> {
        match self.evaluate_all(limits, observer) {
            Err(TrainError::Stopped) => Ok(false),
            result => {
                result?;
                self.evaluation_due = false;
                Ok(true)
            }
        }
    }

    fn evaluate_all(&mut self, limits: Limits, observer: &mut impl Observer) -> Result<()> {
        let images = self.datasets.test.len();
        let all = if self.ema.is_some() { 2 * images } else { images };
        let (network, evaluation) =
            self.measure(&self.parameters, limits, |done| observer.on_evaluation_batch(done, all))?;
        let ema = self.ema.as_ref().map(|ema| {
            self.measure(&ema.average, limits, |done| observer.on_evaluation_batch(images + done, all))
        });
        let ema = ema.transpose()?;

        let steps = self.config.schedule.steps_since_evaluation(self.step, self.steps_per_epoch);
        let counted = steps.saturating_sub(self.uncounted_steps);
        let row = MetricsRow {
            epoch: (self.step - 1) / self.steps_per_epoch + 1,
            step: self.step,
            learning_rate: self.learning_rate(self.step - 1),
            train_loss: (counted > 0).then(|| self.loss_sum / counted as f64),
            test: Scores::of(&evaluation),
            ema: ema.as_ref().map(|(_, evaluation)| Scores::of(evaluation)),
            nonzeros: self.nonzeros()?,
            images_per_second: self.config.batch.images_per_step() as f64
                * self.speed.take_steps_per_second(),
        };
        self.loss_sum = 0.0;
        self.uncounted_steps = self.config.schedule.steps_past_interval(self.step, self.steps_per_epoch);
        let metric = self.config.metric();
        let is_best = improves(&mut self.best.network, metric.of(&row.test));
        let is_best_ema = row.ema.is_some_and(|scores| improves(&mut self.best.ema, metric.of(&scores)));
        observer.on_evaluation(&EvaluationReport {
            row,
            evaluation: &evaluation,
            ema: ema.as_ref().map(|(_, evaluation)| evaluation),
            best: is_best.then_some(&network),
            best_ema: ema.as_ref().map(|(network, _)| network).filter(|_| is_best_ema),
        })
    }

    /// The network with these parameters, and its results on the test images.
    fn measure(
        &self,
        parameters: &Parameters<B>,
        limits: Limits,
        on_batch: impl FnMut(usize) -> bool,
    ) -> Result<(Checkpoint, Evaluation)> {
        // First, so that weights that are not finite are found before they are evaluated.
        let network = self.describe(parameters, None)?;
        let task = EvaluationTask {
            backend: &self.backend,
            network: &self.network,
            parameters,
            dataset: self.datasets.test.clone(),
            loading: self.test_loading(limits),
        };
        let evaluation = evaluate(task, &self.config.inference, on_batch)?;
        Ok((network, evaluation))
    }

    /// How to load the test images.
    pub(super) fn test_loading(&self, limits: Limits) -> LoaderConfig {
        let (config, datasets) = (&self.config, &self.datasets);
        let (batch_size, normalization) = (config.batch.evaluation_size, datasets.train.statistics());
        let loading = config.data.evaluation_loading(&*datasets.test, batch_size, normalization);
        LoaderConfig { workers: limits.loaders.unwrap_or(loading.workers), ..loading }
    }
}

/// Whether a value is above the best so far; if so, it becomes the best. Nothing measured is never better.
fn improves(best: &mut Option<f64>, value: Option<f64>) -> bool {
    let Some(value) = value.filter(|value| value.is_finite()) else { return false };
    let improves = best.is_none_or(|best| value > best);
    if improves {
        *best = Some(value);
    }
    improves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_without_a_value_is_never_the_best() {
        let mut best = None;
        let values =
            [None, Some(f64::NAN), Some(0.25), None, Some(0.25), Some(0.5), Some(f64::NAN), Some(0.75)];
        let improved = values.map(|value| improves(&mut best, value));
        assert_eq!(improved, [false, false, true, false, false, true, false, true]);
        assert_eq!(best, Some(0.75));
    }
}
