//! The loader: batches in a fixed order, prepared by background threads.

use std::sync::Arc;

use pelk_simd::Level;

use crate::assembly::Assembly;
use crate::prefetch::Prefetch;
use crate::resize::LONGEST;
use crate::{
    Augmentation, Batch, DataError, Dataset, EvaluationTransform, Labeling, MixConfig, Normalization, Plan,
};

/// The purpose of the batches, which decides their order and how images are changed.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one per epoch")]
pub enum Mode {
    /// Random order, augmented.
    Training {
        /// The seed of the run.
        seed: u64,
        /// The epoch, counted from 0: each has its own order and its own augmentations.
        epoch: u64,
        /// The random changes to the images, if any.
        augmentation: Option<Augmentation>,
        /// How the augmented images of a batch are mixed.
        mix: MixConfig,
        /// Whether to leave out a last batch that is not full; see [`LoaderConfig::plan`].
        drop_last: bool,
    },
    /// The dataset's own order, every sample.
    Evaluation {
        /// How images of any size become images of one size; `None` leaves them unchanged.
        transform: Option<EvaluationTransform>,
    },
}

/// Configuration of a [`Loader`]; start from [`LoaderConfig::new`] and change fields.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderConfig {
    /// Samples per batch, at least 1.
    pub batch_size: usize,
    /// Training or evaluation.
    pub mode: Mode,
    /// Mean and standard deviation of each of the dataset's channels.
    pub normalization: Normalization,
    /// Images with objects are padded, below and on the right, to multiples of this many pixels and to the
    /// largest image of their batch; at least 1.
    pub size_divisor: usize,
    /// The first batch to deliver, to resume an epoch; at most the number of batches.
    pub start_batch: usize,
    /// The number of background threads, at least 1; batches do not depend on it.
    pub workers: usize,
    /// The number of finished batches that each worker may have waiting, at least 1.
    pub prefetch: usize,
}

impl LoaderConfig {
    /// A whole epoch with one worker, two batches ahead: enough if loading is faster than a training step.
    /// Images with objects are padded to multiples of 32, as in MMDetection.
    pub fn new(batch_size: usize, mode: Mode, normalization: Normalization) -> Self {
        let (start_batch, workers, prefetch) = (0, 1, 2);
        Self { batch_size, mode, normalization, size_divisor: 32, start_batch, workers, prefetch }
    }

    /// A whole dataset in its own order: `batch_size` images at a time if all have one size or `transform`
    /// gives them one, else one at a time. So padding never depends on other images, and results do not
    /// depend on `batch_size`.
    pub fn evaluation(
        dataset: &dyn Dataset,
        transform: Option<EvaluationTransform>,
        batch_size: usize,
        normalization: Normalization,
    ) -> Self {
        let squares = transform.is_some() && dataset.labeling() != Labeling::Objects;
        let alike = squares || dataset.image_size().is_some();
        Self::new(if alike { batch_size } else { 1 }, Mode::Evaluation { transform }, normalization)
    }

    /// The order of an epoch; loads nothing.
    ///
    /// Batches of images with objects, which may differ in size, are those of [`Plan::grouped`]: either all
    /// are wider than high, or none is, so that little is padded.
    ///
    /// # Errors
    /// [`DataError::Config`] if `batch_size` does not suit the number of samples.
    pub fn plan(&self, dataset: &dyn Dataset) -> Result<Plan, DataError> {
        let len = dataset.len();
        match self.mode {
            Mode::Training { seed, epoch, drop_last, .. } if dataset.labeling() == Labeling::Objects => {
                let wide = |size: Option<[usize; 2]>| size.is_some_and(|[height, width]| width > height);
                let groups: Vec<bool> = (0..len).map(|index| wide(dataset.sample_size(index))).collect();
                Plan::grouped(&groups, self.batch_size, seed, epoch, drop_last)
            }
            Mode::Training { seed, epoch, drop_last, .. } => {
                Plan::shuffled(len, self.batch_size, seed, epoch, drop_last)
            }
            Mode::Evaluation { .. } => Plan::sequential(len, self.batch_size),
        }
    }
}

/// The batches of one epoch, in the order of its [`Plan`].
///
/// A batch depends only on the dataset, the configuration and its own number: neither on the number of
/// workers nor on the batch at which the epoch was resumed. An error, or a worker's panic, arrives in place
/// of its batch and is the last item. Dropping a loader stops its threads.
#[derive(Debug)]
pub struct Loader {
    plan: Arc<Plan>,
    batches: Prefetch<Batch>,
}

impl Loader {
    /// Starts loading, with the vector instructions of [`Level::from_env`].
    ///
    /// # Errors
    /// [`DataError::Config`] with the field that does not suit the dataset, [`DataError::Level`] or
    /// [`DataError::Spawn`].
    pub fn new(dataset: Arc<dyn Dataset>, config: LoaderConfig) -> Result<Self, DataError> {
        let plan = Arc::new(config.plan(&*dataset)?);
        if config.start_batch > plan.steps() {
            let expected = format!("at most {}, the number of batches", plan.steps());
            return Err(DataError::config("start_batch", config.start_batch, expected));
        }
        if !(1..=LONGEST).contains(&config.size_divisor) {
            return Err(DataError::config("size_divisor", config.size_divisor, format!("1 to {LONGEST}")));
        }
        let (channels, labeling) = (dataset.channels(), dataset.labeling());
        let normalization = config.normalization;
        normalization.validate(channels)?;
        let plain = Assembly {
            level: Level::from_env()?,
            dataset,
            normalization,
            transform: None,
            augmentation: Augmentation::none(),
            mix: MixConfig::default(),
            size_divisor: config.size_divisor,
            seed: 0,
            epoch: 0,
        };
        let assembly = match config.mode {
            Mode::Training { seed, epoch, augmentation, mix, .. } => {
                if let Some(augmentation) = &augmentation {
                    augmentation.validate_for(plain.dataset.image_size(), channels, labeling)?;
                }
                mix.validate_for(config.batch_size, labeling)?;
                let augmentation = augmentation.unwrap_or_else(Augmentation::none);
                Assembly { augmentation, mix, seed, epoch, ..plain }
            }
            Mode::Evaluation { transform } => {
                if let Some(transform) = &transform {
                    transform.validate_for(channels, labeling)?;
                }
                match transform {
                    Some(EvaluationTransform { fit, .. }) if labeling == Labeling::Objects => {
                        Assembly { augmentation: Augmentation { fit, ..Augmentation::none() }, ..plain }
                    }
                    transform => Assembly { transform, ..plain },
                }
            }
        };

        let range = config.start_batch..plan.steps();
        let order = Arc::clone(&plan);
        let make = move |step| assembly.batch(step, order.indices(step));
        Ok(Self { plan, batches: Prefetch::new(range, config.workers, config.prefetch, make)? })
    }

    /// The order of the whole epoch, wherever this loader started.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

impl ExactSizeIterator for Loader {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageDataset;

    /// 23 images of 4 x 3 x 2 that are all different; the label of image `i` is `i % 5`.
    fn dataset() -> Arc<ImageDataset> {
        let pixels = (0..23 * 24).map(|i| (i * 37 % 251) as u8).collect();
        let classes = (0..5).map(|i| format!("class {i}")).collect();
        Arc::new(
            ImageDataset::new("a test", [4, 3, 2], pixels, (0..23).map(|i| i % 5).collect(), classes)
                .unwrap(),
        )
    }

    fn training(epoch: u64, batch_size: usize) -> LoaderConfig {
        let augmentation = Some(Augmentation { crop_padding: 2, ..Augmentation::default() });
        let mix = MixConfig::default();
        let mode = Mode::Training { seed: 9, epoch, augmentation, mix, drop_last: false };
        LoaderConfig::new(batch_size, mode, Normalization { mean: vec![0.4, 0.5], std: vec![0.2, 0.3] })
    }

    fn mixing(mut config: LoaderConfig) -> LoaderConfig {
        if let Mode::Training { mix, .. } = &mut config.mode {
            *mix = MixConfig { mixup_alpha: 0.8, ..MixConfig::default() };
        }
        config
    }

    fn batches(config: LoaderConfig) -> Vec<Batch> {
        Loader::new(dataset(), config).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn batches_do_not_depend_on_workers_nor_on_where_an_epoch_is_resumed() {
        let whole = batches(training(0, 4));
        assert_eq!(whole.len(), 6);
        assert_eq!((whole[0].images.dim(), whole[5].images.dim()), ((4, 4, 3, 2), (3, 4, 3, 2)));
        for workers in 1..=3 {
            for start_batch in 0..=6 {
                let config = LoaderConfig { workers, start_batch, prefetch: workers, ..training(0, 4) };
                assert_eq!(batches(config), whole[start_batch..]);
            }
        }
    }

    #[test]
    fn a_batch_is_mixed_alike_wherever_an_epoch_is_resumed() {
        let whole = batches(mixing(training(0, 4)));
        let shares: Vec<f32> = whole.iter().flat_map(|batch| &batch.mix).map(|mix| mix.share).collect();
        assert!(shares.len() >= 5 && shares.windows(2).all(|pair| pair[0] != pair[1]), "{shares:?}");
        for (workers, start_batch) in [(2, 0), (1, 3), (3, 5)] {
            let config = LoaderConfig { workers, start_batch, ..mixing(training(0, 4)) };
            assert_eq!(batches(config), whole[start_batch..]);
        }
        let other = batches(mixing(training(1, 4)));
        assert!(whole.iter().zip(&other).all(|(a, b)| a.mix != b.mix), "every epoch has its own draws");
        for (batch, plain) in whole.iter().zip(batches(training(0, 4))) {
            assert_eq!((&batch.labels, &batch.indices), (&plain.labels, &plain.indices));
            assert!(batch.images != plain.images && plain.mix.is_none());
        }
    }

    #[test]
    fn batches_are_those_of_the_plan() {
        let config = training(3, 5);
        let plan = config.plan(&*dataset()).unwrap();
        let loader = Loader::new(dataset(), config).unwrap();
        assert_eq!((loader.plan(), loader.len()), (&plan, plan.steps()));
        for (step, batch) in loader.enumerate() {
            let batch = batch.unwrap();
            assert_eq!(batch.indices, plan.indices(step));
            assert!(batch.indices.iter().zip(&batch.labels).all(|(&i, &label)| label as usize == i % 5));
        }
    }

    /// All images of an epoch in the order of the dataset.
    fn images(config: LoaderConfig) -> Vec<(usize, Vec<f32>)> {
        let mut images = Vec::new();
        for batch in batches(config) {
            images.extend(
                batch
                    .indices
                    .iter()
                    .copied()
                    .zip(batch.images.outer_iter().map(|image| image.iter().copied().collect())),
            );
        }
        images.sort_by_key(|(index, _)| *index);
        images
    }

    #[test]
    fn an_augmented_image_depends_on_seed_epoch_and_index_only() {
        let base = images(training(0, 4));
        assert_eq!(base, images(training(0, 7)), "not on the batch it is in");
        let other_epoch = images(training(1, 4));
        let mut config = training(0, 4);
        let Mode::Training { seed, .. } = &mut config.mode else { unreachable!() };
        *seed = 10;
        for other in [other_epoch, images(config)] {
            let changed = base.iter().zip(&other).filter(|(a, b)| a != b).count();
            assert!(changed > 15, "{changed} of 23");
        }
    }

    #[test]
    fn epochs_differ_in_order() {
        let order = |epoch| batches(training(epoch, 23)).remove(0).indices;
        assert_ne!(order(0), order(1));
    }

    #[test]
    fn evaluation_is_in_order_plain_and_complete() {
        let config = LoaderConfig { mode: Mode::Evaluation { transform: None }, ..training(0, 10) };
        let batches = batches(config.clone());
        assert_eq!(batches.iter().map(|batch| batch.labels.len()).collect::<Vec<_>>(), [10, 10, 3]);
        let dataset = dataset();
        for (i, (index, image)) in images(config.clone()).into_iter().enumerate() {
            assert_eq!(i, index);
            let mut expected: Vec<f32> =
                dataset.image(i).iter().map(|&byte| f32::from(byte) / 255.0).collect();
            config.normalization.apply(&mut expected);
            assert_eq!(image, expected);
        }
        assert_eq!(
            batches.iter().flat_map(|batch| batch.indices.clone()).collect::<Vec<_>>(),
            (0..23).collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_unfit_configuration_is_rejected_by_name() {
        let text = |config| Loader::new(dataset(), config).unwrap_err().to_string();
        assert!(text(training(0, 0)).starts_with("batch_size is 0"));
        assert!(text(LoaderConfig { start_batch: 7, ..training(0, 4) }).contains("at most 6"));
        assert!(text(LoaderConfig { workers: 0, ..training(0, 4) }).starts_with("workers is 0"));
        assert!(
            text(LoaderConfig { normalization: Normalization::identity(3), ..training(0, 4) })
                .starts_with("mean")
        );
        let augmentation = Some(Augmentation { crop_padding: 3, ..Augmentation::default() });
        let mix = MixConfig::default();
        let mode = Mode::Training { seed: 0, epoch: 0, augmentation, mix, drop_last: true };
        assert!(text(LoaderConfig { mode, ..training(0, 4) }).starts_with("crop_padding is 3"));
        assert!(text(mixing(training(0, 5))).starts_with("batch_size is 5, but must be even"));
    }

    #[test]
    fn an_early_drop_lets_go_of_the_dataset() {
        let dataset = dataset();
        for taken in [0, 2] {
            let config = LoaderConfig { workers: 3, ..training(0, 1) };
            let mut loader = Loader::new(Arc::<ImageDataset>::clone(&dataset), config).unwrap();
            assert_eq!(loader.by_ref().take(taken).map(Result::unwrap).count(), taken);
            drop(loader);
            assert_eq!(Arc::strong_count(&dataset), 1);
        }
    }
}
