//! The training loop.

pub(crate) mod estimate;
mod evaluation;
pub(crate) mod fit;
mod labels;
mod objects;
mod state;
mod step;
mod targets;

use crate::checkpoint::Best;
use crate::config::{DataConfig, TrainConfig};
use crate::ema::Ema;
use crate::error::{Result, TrainError};
use crate::inference::{InferenceConfig, Predictor};
use crate::loading::Datasets;
use crate::loss_scale::LossScale;
use crate::observer::{Limits, Observer, Outcome};
use crate::optimizer::Optimizer;
use crate::sparsity::{self, Masks};
use crate::warm_start::{self, WarmStart};
use fit::Fit;
use pelk_autodiff::{Backend, Parameters};
use pelk_data::{Labeling, Loader, MixConfig};
use pelk_models::detection::Detector;
use pelk_models::{HostMasks, Network, initialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A network in training.
pub struct Trainer<B: Backend> {
    backend: B,
    config: TrainConfig,
    network: Network,
    /// One per class if the dataset has a background class, else empty.
    class_weights: Arc<[f32]>,
    parameters: Parameters<B>,
    optimizer: Optimizer<B>,
    /// The averaged weights, if the run has them; created before the first step.
    ema: Option<Ema<B>>,
    /// The masks of a sparse run; drawn before the first step.
    masks: Option<Masks<B>>,
    /// The masks of the sparse network that the initial weights come from.
    inherited_masks: HostMasks,
    datasets: Datasets,
    steps_per_epoch: u64,
    step: u64,
    /// Step of the last checkpoint that was read or that the observer has saved.
    saved: Option<u64>,
    /// Sum of the losses since the last evaluation.
    loss_sum: f64,
    /// Steps since the last multiple of the evaluation interval whose loss is not in the sum, see
    /// [`TrainingState::uncounted_steps`](crate::TrainingState::uncounted_steps).
    uncounted_steps: u64,
    speed: Speed,
    /// Whether the last step is to be evaluated and was not yet.
    evaluation_due: bool,
    /// Best values of the run's metric so far.
    best: Best,
    /// Height, width and channels of the images of a batch.
    image: [usize; 3],
    /// Factor for the loss, if activations are 16-bit floats.
    loss_scale: Option<LossScale>,
}

impl<B: Backend> Trainer<B> {
    /// A trainer for a network with random weights.
    ///
    /// # Errors
    /// When the configuration is not valid, or does not fit the data or the backend.
    pub fn new(backend: B, config: TrainConfig, datasets: Datasets) -> Result<Trainer<B>> {
        let backend = if config.batch.float16 { backend.storing_float16()? } else { backend };
        let Fit { network, image, steps_per_epoch, class_weights } = Fit::new(&config, &datasets)?;
        let parameters = Parameters::upload(&backend, &initialize(&network, config.seed)?)?;
        let optimizer = Optimizer::new(&backend, config.optimizer.clone(), &network.parameters()?)?;
        let loss_scale = config.batch.float16.then(LossScale::default);
        Ok(Trainer {
            backend,
            config,
            network,
            class_weights,
            parameters,
            optimizer,
            ema: None,
            masks: None,
            inherited_masks: HostMasks::new(),
            datasets,
            steps_per_epoch,
            step: 0,
            saved: None,
            loss_sum: 0.0,
            uncounted_steps: 0,
            speed: Speed::default(),
            evaluation_due: false,
            best: Best::default(),
            image,
            loss_scale,
        })
    }

    /// Loads initial weights from the file that the configuration names, if any; for a run that has taken no
    /// step.
    ///
    /// # Errors
    /// When the file cannot be read, or has another backbone.
    pub fn warm_start(&mut self) -> Result<Option<WarmStart>> {
        if self.config.weights.as_os_str().is_empty() {
            return Ok(None);
        }
        let mut values = self.parameters.download(&self.backend)?;
        let classes = self.datasets.train.classes();
        let (start, masks) = warm_start::apply(&self.network, classes, &mut values, &self.config.weights)?;
        self.inherited_masks = masks;
        self.parameters = Parameters::upload(&self.backend, &values)?;
        Ok(Some(start))
    }

    /// A predictor with the current network.
    ///
    /// # Errors
    /// Same as [`Predictor::new`].
    pub fn predictor(&self, inference: InferenceConfig) -> Result<Predictor<'_, B>> {
        Predictor::new(&self.backend, &self.network, &self.parameters, inference)
    }

    /// A detector with the current network.
    ///
    /// # Errors
    /// When the network is not a detector.
    pub fn detector(&self) -> Result<Detector<'_, B>> {
        Ok(Detector::new(&self.backend, &self.network, &self.parameters)?)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether the run was stopped in the evaluation after its last step, which [`Trainer::run`] makes up for.
    pub fn evaluation_is_due(&self) -> bool {
        self.evaluation_due
    }

    /// Steps of the whole schedule.
    pub fn total_steps(&self) -> u64 {
        self.config.schedule.total_steps(self.steps_per_epoch)
    }

    /// Steps per pass over the training images.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// Number of trained values that are not masked.
    ///
    /// # Errors
    /// Same as [`Network::parameters`].
    pub fn nonzeros(&self) -> Result<u64> {
        Ok(match &self.masks {
            Some(masks) => masks.nonzeros(),
            None => self.network.trained_values()? as u64,
        })
    }

    /// The learning rate in a step, counted from 0.
    fn learning_rate(&self, step: u64) -> f64 {
        self.config.optimizer.learning_rate * self.config.schedule.factor(step, self.steps_per_epoch)
    }

    /// The error that `what` is not finite in a step, counted from 0.
    fn not_finite(&self, what: String, step: u64) -> TrainError {
        let epoch = step / self.steps_per_epoch + 1;
        let (learning_rate, saved) = (self.learning_rate(step), self.saved);
        TrainError::NotFinite { what, step: step + 1, epoch, learning_rate, saved }
    }

    /// Trains until the schedule ends, a limit is reached, or the observer stops it.
    ///
    /// # Errors
    /// When the loss or a gradient is not finite, the data cannot be read (after a last checkpoint if steps
    /// were taken), the backend fails, or the observer cannot save.
    pub fn run(&mut self, limits: Limits, observer: &mut impl Observer) -> Result<Outcome> {
        let last = limits.max_steps.map_or(self.total_steps(), |max| max.min(self.total_steps()));
        if self.evaluation_due {
            let evaluated = self.evaluate(limits, observer)?;
            self.save(observer)?;
            if !evaluated {
                return Ok(Outcome::Stopped);
            }
        }
        if self.step < last {
            self.prepare(limits)?;
        }
        while self.step < last {
            if let Some(outcome) = self.epoch(last, limits, observer)? {
                return Ok(outcome);
            }
        }
        Ok(if self.step < self.total_steps() { Outcome::Limited } else { Outcome::Finished })
    }

    /// Draws the masks and starts the average, before the first step; [`Trainer::run`] does it if this was not
    /// called.
    ///
    /// # Errors
    /// When the images of the first step cannot be read, or the backend fails.
    pub fn prepare(&mut self, limits: Limits) -> Result<()> {
        if self.step > 0 {
            return Ok(());
        }
        if self.config.sparsity.is_on() && self.masks.is_none() {
            let specs = self.network.parameters()?;
            let TrainConfig { sparsity, seed, .. } = &self.config;
            let weights = sparsity::Weights {
                specs: &specs,
                parameters: &self.parameters,
                masks: &self.inherited_masks,
            };
            let gradients = || self.first_gradients(limits);
            let masks = sparsity::draw(&self.backend, sparsity, *seed, weights, gradients)?;
            masks.apply(&self.backend, &mut self.parameters, &mut self.optimizer)?;
            self.masks = Some(masks);
        }
        if self.ema.is_none() {
            self.ema = Ema::start(&self.config.ema, &self.parameters);
        }
        Ok(())
    }

    /// Trains to the end of the epoch or of the run; returns an outcome if a limit or the observer ends it
    /// earlier.
    fn epoch(&mut self, last: u64, limits: Limits, observer: &mut impl Observer) -> Result<Option<Outcome>> {
        let epoch = self.step / self.steps_per_epoch;
        let end = ((epoch + 1) * self.steps_per_epoch).min(self.total_steps());
        let mut loader = self.loader(epoch, limits, self.config.data.mix.clone())?;
        while self.step < end {
            let start = Instant::now();
            let report = match self.one_step(&mut loader, epoch) {
                // An unreadable file does not harm what was learned: once it is fixed, training can resume
                // from here.
                Err(error @ TrainError::Data(_)) if self.step > 0 => {
                    self.save(observer)?;
                    return Err(error);
                }
                report => report?,
            };
            self.speed.add(start.elapsed());
            let continues = observer.on_step(&report);
            let evaluates = self.config.schedule.evaluates_after(self.step, self.steps_per_epoch);
            self.evaluation_due = evaluates;
            let evaluated = !evaluates || self.evaluate(limits, observer)?;
            let finished = self.step == self.total_steps();
            let ends = !evaluated || !finished && (!continues || self.step >= last);
            let saves =
                limits.checkpoint_every.is_some_and(|every| every > 0 && self.step.is_multiple_of(every));
            if evaluates || ends || saves {
                self.save(observer)?;
            }
            if ends {
                return Ok(Some(if continues && evaluated { Outcome::Limited } else { Outcome::Stopped }));
            }
        }
        Ok(None)
    }

    /// Gives a checkpoint to the observer.
    fn save(&mut self, observer: &mut impl Observer) -> Result<()> {
        observer.on_checkpoint(&self.checkpoint()?)?;
        self.saved = Some(self.step);
        Ok(())
    }

    /// The batches of an epoch, starting with those of the next step.
    fn loader(&self, epoch: u64, limits: Limits, mix: MixConfig) -> Result<Loader> {
        let dataset = &self.datasets.train;
        let data = DataConfig { mix, ..self.config.data.clone() };
        let mut config = data.training_loading(&**dataset, self.config.batch.size, [self.config.seed, epoch]);
        config.start_batch = (self.step % self.steps_per_epoch) as usize * self.config.batch.accumulation;
        config.workers = limits.loaders.unwrap_or(config.workers);
        if dataset.labeling() != Labeling::Objects {
            // A step begins when its batches are there, see `accumulate`; those of the next load meanwhile.
            config.prefetch = config.prefetch.max(self.config.batch.accumulation);
        }
        Ok(Loader::new(dataset.clone(), config)?)
    }
}

/// Number and time of the steps since the last evaluation, or since the run was resumed.
#[derive(Default)]
struct Speed {
    steps: u64,
    time: Duration,
}

impl Speed {
    fn add(&mut self, time: Duration) {
        self.steps += 1;
        self.time += time;
    }

    fn take_steps_per_second(&mut self) -> f64 {
        let Speed { steps, time } = std::mem::take(self);
        steps as f64 / time.as_secs_f64().max(1e-9)
    }
}
