//! The images of a run, and how batches are made of them.

use crate::config::DataConfig;
use pelk_data::{Dataset, Labeling, LoaderConfig, Mode, Normalization};
use std::sync::Arc;

/// Training and test images.
#[derive(Clone)]
pub struct Datasets {
    /// Training images.
    pub train: Arc<dyn Dataset>,
    /// Test images.
    pub test: Arc<dyn Dataset>,
}

impl DataConfig {
    /// Loads an epoch's training batches of `batch_size` images, augmented and mixed; without a last batch
    /// that is not full, or for images with objects with some of them repeated to fill it. Epochs count
    /// from 0.
    pub fn training_loading(
        &self,
        dataset: &dyn Dataset,
        batch_size: usize,
        [seed, epoch]: [u64; 2],
    ) -> LoaderConfig {
        let augmentation = Some(self.augmentation.clone());
        let drop_last = dataset.labeling() != Labeling::Objects;
        let mode = Mode::Training { seed, epoch, augmentation, mix: self.mix.clone(), drop_last };
        let loading = LoaderConfig::new(batch_size, mode, dataset.statistics().clone());
        LoaderConfig { size_divisor: self.objects.size_divisor, ..loading }
    }

    /// Loads a dataset for evaluation, in batches of `batch_size` if its images have one size;
    /// `normalization` is that of training.
    pub fn evaluation_loading(
        &self,
        dataset: &dyn Dataset,
        batch_size: usize,
        normalization: &Normalization,
    ) -> LoaderConfig {
        let loading =
            LoaderConfig::evaluation(dataset, self.evaluation.clone(), batch_size, normalization.clone());
        LoaderConfig { size_divisor: self.objects.size_divisor, ..loading }
    }
}
