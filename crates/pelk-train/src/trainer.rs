//! The training loop.

use crate::checkpoint::{Checkpoint, Description, TrainingState};
use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::evaluate::{evaluate, targets};
use crate::inference::{InferenceConfig, Predictor};
use crate::loss_scale::LossScale;
use crate::metrics::MetricsRow;
use crate::observer::{Limits, Observer, Outcome, StepReport};
use crate::optimizer::{Optimizer, gradient_norm};
use crate::warm_start::{self, WarmStart};
use pelk_autodiff::operators::{Add, CrossEntropy, ScaleSamples};
use pelk_autodiff::{Backend, Executor, HostParameters, Parameters, Pass, Shape, Tape, Var, from_host};
use pelk_data::{Batch, Dataset, IGNORED, Labelling, Loader, LoaderConfig, Mode, steps_per_epoch};
use pelk_models::{Head, Network, Outputs, initialize, zoo};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Training and test images.
#[derive(Clone)]
pub struct Datasets {
    /// Images to learn from.
    pub train: Arc<dyn Dataset>,
    /// Images to measure on.
    pub test: Arc<dyn Dataset>,
}

/// A network in training.
pub struct Trainer<B: Backend> {
    backend: B,
    config: TrainConfig,
    network: Network,
    /// One a class where the data have a background, else none.
    class_weights: Arc<[f32]>,
    parameters: Parameters<B>,
    optimizer: Optimizer<B>,
    datasets: Datasets,
    steps_per_epoch: u64,
    step: u64,
    loss_sum: f64,
    speed: Speed,
    /// The best value of the run's metric so far.
    best: Option<f64>,
    /// Height, width and channels of the images of a batch.
    image: [usize; 3],
    /// Where activations are 16-bit floats.
    loss_scale: Option<LossScale>,
}

impl<B: Backend> Trainer<B> {
    /// A fresh network.
    ///
    /// # Errors
    /// When the configuration makes no network or does not suit the data.
    pub fn new(backend: B, config: TrainConfig, datasets: Datasets) -> Result<Trainer<B>> {
        let backend = if config.batch.float16 { backend.storing_float16()? } else { backend };
        let image @ [height, width, channels] = image_of(&config, &datasets)?;
        let classes = datasets.train.classes().len();
        let labelling = datasets.train.labelling();
        let mut network = zoo::configure(&config.model, channels, classes)?;
        if network.head == Head::Pooled && labelling != Labelling::Image {
            network.head = Head::Dense;
        }
        let network = Network::new(network)?;
        let smallest = network.config().smallest_input();
        if height.min(width) < smallest {
            let reason = format!(
                "{} needs images of at least {smallest} pixels, they have {height} x {width}",
                config.model.name
            );
            return Err(TrainError::value("model.name", reason));
        }
        if let Some(evaluation) = &config.data.evaluation
            && evaluation.size < smallest
        {
            let reason = format!(
                "is {}, but {} needs images of at least {smallest} pixels",
                evaluation.size, config.model.name
            );
            return Err(TrainError::value("data.evaluation.size", reason));
        }
        let map = &network.output_shape([height, width])?[1..3];
        let labels = labelling.size([height, width]);
        if map != labels {
            let (key, remedy) = match (labelling, &network.config().head) {
                (Labelling::Image, _) => ("model.upernet", "leave it out, since images have one class each"),
                (_, Head::UperNet(_)) => {
                    ("model.upernet", "leave it out, since labels are coarser than pixels")
                }
                (Labelling::Places { stride: 1 }, _) => {
                    ("model.upernet", "set it, for instance model.upernet.channels=64")
                }
                _ => ("model.stem_stride", "change it or the number of stages"),
            };
            let reason = format!(
                "the network classifies a map of {map:?} (rows, columns), the images of {} have {labels:?} labels: {remedy}",
                config.data.dataset
            );
            return Err(TrainError::value(key, reason));
        }
        let alone = config.batch.size == 1
            && matches!(&network.config().head, Head::UperNet(head) if head.pools.contains(&1));
        if alone {
            let reason = "is 1, but UperNet's pool of side 1 has one value a channel of each image, which BatchNorm cannot \
                          normalise: take 2 or more, or leave 1 out of model.upernet.pools";
            return Err(TrainError::value("batch.size", reason));
        }
        let passes = steps_per_epoch(datasets.train.len(), config.batch.size, true)?;
        let steps = passes / config.batch.accumulation;
        if steps == 0 {
            let reason = format!(
                "is {} with batch.size {}: the {} training images make {passes} passes, less than one step",
                config.batch.accumulation,
                config.batch.size,
                datasets.train.len()
            );
            return Err(TrainError::value("batch.accumulation", reason));
        }
        datasets.train.statistics().validate(channels)?;
        let weights = |background| {
            let weight = |class| if class == background { config.loss.background_weight } else { 1.0 };
            (0..classes as u32).map(weight).collect()
        };
        let class_weights = datasets.train.background().map(weights).unwrap_or_default();
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
            datasets,
            steps_per_epoch: steps as u64,
            step: 0,
            loss_sum: 0.0,
            speed: Speed::default(),
            best: None,
            image,
            loss_scale,
        })
    }

    /// The state that the checkpoint at `path` holds; the run goes on as if it had never stopped.
    ///
    /// # Errors
    /// When the checkpoint is of another run's configuration, network or images, or not made to go on from.
    pub fn restore(&mut self, checkpoint: Checkpoint, path: &Path) -> Result<()> {
        let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
        let Checkpoint { description, mut tensors } = checkpoint;
        let training = description
            .training
            .ok_or_else(|| refuse("it holds a network only; resume from last.safetensors".into()))?;
        if description.network != *self.network.config() {
            let (theirs, ours) = (&description.network.name, &self.network.config().name);
            return Err(refuse(format!("it is of another network ({theirs}) than this run's ({ours})")));
        }
        if training.config != self.config {
            return Err(refuse("it was made with another configuration than this run's config.toml".into()));
        }
        let train = &self.datasets.train;
        if description.image != self.image || description.normalisation != *train.statistics() {
            return Err(refuse("it was trained on other images than these; use the same data".into()));
        }
        if description.step > self.total_steps() {
            let (step, total) = (description.step, self.total_steps());
            return Err(refuse(format!("it has taken {step} steps, but the whole run has {total}")));
        }
        self.optimizer.restore(&self.backend, &mut tensors, path)?;
        let parameters = Parameters::upload(&self.backend, &tensors)?;
        for spec in self.network.parameters()? {
            parameters.get(&self.backend, &spec).map_err(|error| refuse(error.to_string()))?;
        }
        self.parameters = parameters;
        self.step = description.step;
        self.loss_sum = training.loss_sum;
        self.best = training.best;
        self.loss_scale = training.loss_scale.or(self.loss_scale);
        Ok(())
    }

    /// Starts from the weights in the file that the configuration names, if any, instead of fresh ones; for a run that has taken
    /// no step.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another backbone.
    pub fn warm_start(&mut self) -> Result<Option<WarmStart>> {
        if self.config.weights.as_os_str().is_empty() {
            return Ok(None);
        }
        let mut values = self.parameters.download(&self.backend)?;
        let start = warm_start::apply(&self.network, &mut values, &self.config.weights)?;
        self.parameters = Parameters::upload(&self.backend, &values)?;
        Ok(Some(start))
    }

    /// The network as it is now, to be asked in this way.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn predictor(&self, inference: InferenceConfig) -> Result<Predictor<'_, B>> {
        Predictor::new(&self.backend, &self.network, &self.parameters, inference)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Steps of the whole schedule.
    pub fn total_steps(&self) -> u64 {
        self.config.schedule.total_steps(self.steps_per_epoch)
    }

    /// Steps of one pass over the training images.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// Everything needed to go on.
    ///
    /// # Errors
    /// When a value is not finite, or the backend refuses.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let training = TrainingState {
            config: self.config.clone(),
            loss_sum: self.loss_sum,
            best: self.best,
            loss_scale: self.loss_scale,
        };
        let mut checkpoint = self.describe(Some(training))?;
        let moments = self.optimizer.download(&self.backend)?;
        self.check_finite(&moments)?;
        checkpoint.tensors.extend(moments);
        Ok(checkpoint)
    }

    fn describe(&self, training: Option<TrainingState>) -> Result<Checkpoint> {
        let data = &self.datasets.train;
        let description = Description::new(
            self.network.config().clone(),
            self.config.data.clone(),
            self.image,
            data.statistics().clone(),
            data.classes().to_vec(),
            self.config.inference.clone(),
            self.step,
            training,
        );
        let tensors = self.parameters.download(&self.backend)?;
        self.check_finite(&tensors)?;
        Ok(Checkpoint { description, tensors })
    }

    /// A step can overflow although its gradients were finite; what comes of that must not replace a good checkpoint.
    fn check_finite(&self, tensors: &HostParameters) -> Result<()> {
        let spoilt = tensors.iter().find(|(_, values)| !values.iter().all(|value| value.is_finite()));
        spoilt.map_or(Ok(()), |(name, _)| {
            // Tensors are as the last step left them; a fresh network has taken none.
            let step = self.step.saturating_sub(1);
            Err(self.not_finite(name.clone(), step))
        })
    }

    /// `what` went wrong in this step, counted from 0.
    fn not_finite(&self, what: String, step: u64) -> TrainError {
        let epoch = step / self.steps_per_epoch + 1;
        TrainError::NotFinite { what, step: step + 1, epoch, learning_rate: self.learning_rate(step) }
    }

    /// The learning rate in this step, counted from 0.
    fn learning_rate(&self, step: u64) -> f64 {
        self.config.optimizer.learning_rate * self.config.schedule.factor(step, self.steps_per_epoch)
    }

    /// Trains until the schedule ends, a limit is reached or the observer stops it.
    ///
    /// # Errors
    /// When the loss or a gradient is not finite, the data cannot be read, or the observer cannot save.
    pub fn run(&mut self, limits: Limits, observer: &mut impl Observer) -> Result<Outcome> {
        let last = limits.max_steps.map_or(self.total_steps(), |max| max.min(self.total_steps()));
        while self.step < last {
            if let Some(outcome) = self.epoch(last, limits, observer)? {
                return Ok(outcome);
            }
        }
        Ok(if self.step < self.total_steps() { Outcome::Limited } else { Outcome::Finished })
    }

    /// Trains to the end of the epoch or of the run; returns an outcome where a limit or the observer ends it before.
    fn epoch(&mut self, last: u64, limits: Limits, observer: &mut impl Observer) -> Result<Option<Outcome>> {
        let epoch = self.step / self.steps_per_epoch;
        let end = ((epoch + 1) * self.steps_per_epoch).min(self.total_steps());
        let mut passes = self.loader(epoch)?;
        while self.step < end {
            let start = Instant::now();
            let report = self.one_step(&mut passes, epoch)?;
            self.speed.add(start.elapsed());
            let go_on = observer.on_step(&report);
            let evaluates = self.config.schedule.evaluates_after(self.step, self.steps_per_epoch);
            if evaluates {
                self.evaluate(epoch, observer)?;
            }
            let finished = self.step == self.total_steps();
            let ends = !finished && (!go_on || self.step >= last);
            let saves =
                limits.checkpoint_every.is_some_and(|every| every > 0 && self.step.is_multiple_of(every));
            if evaluates || ends || saves {
                observer.on_checkpoint(&self.checkpoint()?)?;
            }
            if ends {
                return Ok(Some(if go_on { Outcome::Limited } else { Outcome::Stopped }));
            }
        }
        Ok(None)
    }

    fn loader(&self, epoch: u64) -> Result<Loader> {
        let data = &self.datasets.train;
        let mode = Mode::Training {
            seed: self.config.seed,
            epoch,
            augmentation: Some(self.config.data.augmentation.clone()),
            mix: self.config.data.mix.clone(),
            drop_last: true,
        };
        let mut config = LoaderConfig::new(self.config.batch.size, mode, data.statistics().clone());
        config.start_batch = (self.step % self.steps_per_epoch) as usize * self.config.batch.accumulation;
        Ok(Loader::new(data.clone(), config)?)
    }

    fn one_step(&mut self, passes: &mut Loader, epoch: u64) -> Result<StepReport> {
        let learning_rate = self.learning_rate(self.step);
        let accumulation = self.config.batch.accumulation;
        let mut gradients = BTreeMap::new();
        let mut buffers = None;
        let (mut loss, mut right, mut measured) = (0.0, 0, 0);
        for (i, batch) in passes.by_ref().take(accumulation).enumerate() {
            let pass = self.step * accumulation as u64 + i as u64;
            let pass = self.pass(&batch?, pass, buffers.take().as_ref())?;
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
            self.optimizer.step(
                &self.backend,
                &mut self.parameters,
                gradients,
                scale,
                norm,
                learning_rate,
                self.step + 1,
            )?;
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
        })
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

    /// Forward and backward of one batch. The parameters that come back hold the renewed running statistics.
    fn pass(&self, batch: &Batch, index: u64, parameters: Option<&Parameters<B>>) -> Result<PassResult<B>> {
        let mut parameters = parameters.unwrap_or(&self.parameters).clone();
        if batch.labels.iter().all(|&label| label == IGNORED) {
            // A crop of an image of which little is labelled: there is nothing to learn from, and no mean over nothing.
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
        let cross_entropy = self.cross_entropy(batch);
        let mut loss = tape.apply_one(cross_entropy.clone(), &[&logits])?;
        if let Some(auxiliary) = auxiliary {
            let auxiliary = tape.apply_one(cross_entropy, &[&auxiliary])?;
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
        let (right, measured) = count_right(&logits, &batch.labels, self.datasets.train.background());
        Ok(PassResult { loss: value, right, measured, gradients: backward.gradients, parameters })
    }

    fn cross_entropy(&self, batch: &Batch) -> CrossEntropy {
        CrossEntropy {
            labels: targets(batch),
            ignore_index: Some(i64::from(IGNORED)),
            label_smoothing: self.config.loss.label_smoothing,
            class_weights: self.class_weights.clone(),
        }
    }

    fn evaluate(&mut self, epoch: u64, observer: &mut impl Observer) -> Result<()> {
        let network = self.describe(None)?;
        let test = self.datasets.test.clone();
        let all = test.len();
        let evaluation = evaluate(
            &self.backend,
            &self.network,
            &self.parameters,
            test,
            self.datasets.train.statistics(),
            self.config.data.evaluation.as_ref(),
            &self.config.inference,
            self.config.batch.evaluation_size,
            |done| observer.on_evaluation_batch(done, all),
        )?;
        let steps = self.config.schedule.steps_since_evaluation(self.step, self.steps_per_epoch);
        let row = MetricsRow {
            epoch: epoch + 1,
            step: self.step,
            learning_rate: self.learning_rate(self.step - 1),
            train_loss: self.loss_sum / steps as f64,
            test_loss: evaluation.loss,
            test_accuracy: evaluation.confusion.accuracy(),
            test_mean_iou: evaluation.confusion.mean_iou(),
            images_per_second: self.config.batch.images_per_step() as f64
                * self.speed.take_steps_per_second(),
        };
        self.loss_sum = 0.0;
        let value = self.config.metric().value(&row);
        let is_best = self.best.is_none_or(|best| value > best);
        if is_best {
            self.best = Some(value);
        }
        observer.on_evaluation(&row, &evaluation, is_best.then_some(&network))
    }
}

/// The time of the steps since the last evaluation; of a resumed run, since then.
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

struct PassResult<B: Backend> {
    loss: f64,
    right: usize,
    measured: usize,
    gradients: BTreeMap<String, B::Tensor>,
    parameters: Parameters<B>,
}

/// Height, width and channels of the images of a batch.
fn image_of(config: &TrainConfig, datasets: &Datasets) -> Result<[usize; 3]> {
    let Datasets { train, test } = datasets;
    let differ = |what: &str, train: String, test: String| {
        let reason = format!("training images have {what} {train}, test images {test}; they must be equal");
        Err(TrainError::value("data.dataset", reason))
    };
    if test.channels() != train.channels() {
        return differ("channels", train.channels().to_string(), test.channels().to_string());
    }
    if test.labelling() != train.labelling() {
        return differ("labels", format!("{:?}", train.labelling()), format!("{:?}", test.labelling()));
    }
    let evaluation = &config.data.evaluation;
    if let Some(evaluation) = evaluation {
        evaluation.validate_for(test.channels(), test.labelling())?;
    }
    let any_size = evaluation.is_some() || train.labelling() == (Labelling::Places { stride: 1 });
    if !any_size && test.image_size() != train.image_size() {
        let size = |data: &Arc<dyn Dataset>| {
            data.image_size().map_or("that differ".into(), |size| format!("{size:?}"))
        };
        return differ("height and width", size(train), size(test));
    }
    if test.classes() != train.classes() {
        return differ("classes", format!("{:?}", train.classes()), format!("{:?}", test.classes()));
    }
    let augmentation = &config.data.augmentation;
    augmentation.validate_for(train.image_size(), train.channels(), train.labelling())?;
    config.data.mix.validate_for(config.batch.size, train.labelling())?;
    let [height, width] = augmentation.output_size(train.image_size()).ok_or_else(|| {
        let reason = "is 0, but the training images differ in size: cut parts of one size out of them";
        TrainError::value("data.augmentation.crop_size", reason)
    })?;
    Ok([height, width, train.channels()])
}

/// The labels that have the highest logit, and all that count: those that are neither ignored nor the background, which is no
/// choice.
fn count_right(logits: &[f32], labels: &[u32], background: Option<u32>) -> (usize, usize) {
    let rows = logits.chunks_exact(logits.len() / labels.len().max(1));
    let (mut right, mut measured) = (0, 0);
    for (row, &label) in
        rows.zip(labels).filter(|(_, label)| **label != IGNORED && Some(**label) != background)
    {
        let highest = row
            .iter()
            .enumerate()
            .all(|(class, &logit)| logit <= row[label as usize] || Some(class as u32) == background);
        right += usize::from(highest);
        measured += 1;
    }
    (right, measured)
}
