//! An estimate of a run's time before it starts.

use super::Trainer;
use crate::error::Result;
use crate::evaluate::objects_of;
use crate::inference::{InferenceConfig, Predictor};
use crate::observer::Limits;
use pelk_autodiff::{Backend, Parameters};
use pelk_data::{Batch, Loader, LoaderConfig};
use pelk_models::detection::Detector;
use pelk_models::{Head, Network};
use std::path::Path;
use std::time::{Duration, Instant};

/// The time that the rest of a run will take, from measured steps and a measured batch of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Time of a step: computing, or waiting for images if that takes longer.
    pub step: Duration,
    /// Time to read and augment the images of a step, on all loading threads.
    pub loading: Duration,
    /// Number of steps left.
    pub steps: u64,
    /// Time of an evaluation: computing, or reading the images if that takes longer.
    pub evaluation: Duration,
    /// Number of evaluations left.
    pub evaluations: u64,
}

/// Measuring stops after this time, or after this number of steps.
const ENOUGH: Duration = Duration::from_secs(3);
const MOST_STEPS: u32 = 5;

impl Estimate {
    /// Time of all steps and evaluations.
    pub fn total(&self) -> Duration {
        let times = |one: Duration, count: u64| {
            Duration::try_from_secs_f64(one.as_secs_f64() * count as f64).unwrap_or(Duration::MAX)
        };
        times(self.step, self.steps).saturating_add(times(self.evaluation, self.evaluations))
    }
}

impl<B: Backend> Trainer<B> {
    /// Takes a few steps to measure them, and restores the state before them.
    ///
    /// # Errors
    /// Same as [`Trainer::run`]: errors of the first step already occur here.
    pub fn estimate(&mut self, limits: Limits) -> Result<Estimate> {
        let (before, saved) = (self.checkpoint()?, self.saved);
        let measured = self.measure_steps(limits);
        // Also after an error, so that it has no effect but its message.
        self.restore(before, Path::new("the state before measuring"))?;
        self.saved = saved;
        let (step, loading) = measured?;
        let last = limits.max_steps.map_or(self.total_steps(), |max| max.min(self.total_steps()));
        let (schedule, per_epoch) = (&self.config.schedule, self.steps_per_epoch);
        let evaluations = schedule.evaluations_between(self.step, last, per_epoch);
        let networks = if self.config.ema.is_on() { 2 } else { 1 };
        Ok(Estimate {
            step: step.max(loading),
            loading,
            steps: last.saturating_sub(self.step),
            evaluation: networks * self.measure_evaluation(&self.parameters, limits)?,
            evaluations,
        })
    }

    /// The time of a step, and of loading its images.
    fn measure_steps(&mut self, limits: Limits) -> Result<(Duration, Duration)> {
        let accumulation = self.config.batch.accumulation as u32;
        self.prepare(limits)?;
        let epoch = self.step / self.steps_per_epoch;
        let mix = self.config.data.mix.clone();
        let start = Instant::now();
        self.loader(epoch, Limits { loaders: Some(1), ..limits }, mix.clone())?.next().transpose()?;
        let loading = start.elapsed() * accumulation / limits.loaders.unwrap_or(1).max(1) as u32;

        let mut loader = self.loader(epoch, limits, mix)?;
        let left = self.steps_per_epoch - self.step % self.steps_per_epoch;
        // The first step allocates buffers that the others reuse.
        let start = Instant::now();
        self.one_step(&mut loader, epoch)?;
        let (mut time, mut steps) = (start.elapsed(), 1);
        if left > 1 && time < ENOUGH {
            let start = Instant::now();
            steps = 0;
            while u64::from(steps) < u64::from(MOST_STEPS).min(left - 1) && start.elapsed() < ENOUGH {
                // An error after the first step is the run's own, which saves what came before it.
                let Ok(_) = self.one_step(&mut loader, epoch) else { break };
                steps += 1;
            }
            // Without a second step, the first one is the measure.
            (time, steps) = if steps > 0 { (start.elapsed(), steps) } else { (time, 1) };
        }
        Ok((time / steps, loading))
    }

    /// The number of test images that the network evaluates in a second once they are loaded, measured on
    /// one batch. `None` if there are no test images.
    ///
    /// # Errors
    /// When the images cannot be loaded, or the backend returns an error.
    pub fn measure_inference(&self, limits: Limits) -> Result<Option<f64>> {
        let test = self.datasets.test.clone();
        let Some(batch) = Loader::new(test, self.test_loading(limits))?.next().transpose()? else {
            return Ok(None);
        };
        let time = self.time_of_batch(&self.parameters, &batch)?;
        Ok(Some(batch.indices.len() as f64 / time.as_secs_f64()))
    }

    /// The time of an evaluation of one network.
    fn measure_evaluation(&self, parameters: &Parameters<B>, limits: Limits) -> Result<Duration> {
        let test = self.datasets.test.clone();
        let images = test.len();
        let loading = self.test_loading(limits);
        let workers = loading.workers.max(1) as u32;
        let start = Instant::now();
        let one = LoaderConfig { workers: 1, prefetch: 1, ..loading };
        let Some(batch) = Loader::new(test, one)?.next().transpose()? else {
            return Ok(Duration::ZERO);
        };
        let loading = start.elapsed() / workers;
        let time = self.time_of_batch(parameters, &batch)?;
        Ok(time.max(loading).mul_f64(images as f64 / batch.indices.len().max(1) as f64))
    }

    /// The time of a batch in evaluation: the shortest of a few runs, of which the first also records the
    /// network.
    fn time_of_batch(&self, parameters: &Parameters<B>, batch: &Batch) -> Result<Duration> {
        let mut network = Measured::new(&self.backend, &self.network, parameters, &self.config.inference)?;
        let (begin, mut shortest) = (Instant::now(), Duration::MAX);
        for _ in 0..4 {
            let start = Instant::now();
            network.run(batch)?;
            shortest = shortest.min(start.elapsed());
            if begin.elapsed() >= ENOUGH {
                break;
            }
        }
        Ok(shortest)
    }
}

/// A network in evaluation mode, of either kind.
enum Measured<'a, B: Backend> {
    Labels(Predictor<'a, B>),
    Objects(Detector<'a, B>),
}

impl<'a, B: Backend> Measured<'a, B> {
    fn new(
        backend: &'a B,
        network: &'a Network,
        parameters: &'a Parameters<B>,
        inference: &InferenceConfig,
    ) -> Result<Measured<'a, B>> {
        Ok(match network.config().head {
            Head::CascadeMaskRcnn(_) => Measured::Objects(Detector::new(backend, network, parameters)?),
            _ => Measured::Labels(Predictor::new(backend, network, parameters, inference.clone())?),
        })
    }

    fn run(&mut self, batch: &Batch) -> Result<()> {
        match self {
            Measured::Labels(predictor) => predictor.logits(&batch.images).map(drop),
            Measured::Objects(detector) => objects_of(detector, batch).map(drop),
        }
    }
}
