//! Assembles a batch from samples.

use std::sync::Arc;

use ndarray::{Array4, ArrayView3, Slice};
use pelk_random::{Purpose, stream};
use pelk_simd::Level;

use crate::relabel::outside;
use crate::{
    Augmentation, Batch, DataError, Dataset, EvaluationTransform, IGNORED, Labeling, MixConfig,
    Normalization, Sample,
};

/// Everything that a batch depends on except the indices of its samples.
pub(crate) struct Assembly {
    pub level: Level,
    pub dataset: Arc<dyn Dataset>,
    pub normalization: Normalization,
    /// Runs before the augmentation.
    pub transform: Option<EvaluationTransform>,
    pub augmentation: Augmentation,
    pub mix: MixConfig,
    /// Images with objects are padded to multiples of this.
    pub size_divisor: usize,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, counted from 0.
    pub epoch: u64,
}

impl Assembly {
    /// Batch `number` of the epoch, with these samples.
    pub fn batch(&self, number: usize, indices: &[usize]) -> Result<Batch, DataError> {
        let labeling = self.dataset.labeling();
        let mut pixels = Vec::new();
        let mut batch = Batch { indices: indices.to_vec(), ..Batch::default() };
        for (place, &index) in indices.iter().enumerate() {
            let sample = self.dataset.sample(index)?;
            check(&*self.dataset, index, &sample)?;
            batch.original_sizes.push(sample.size);
            let sample = match &self.transform {
                Some(transform) => transform.sample(self.level, &sample, self.dataset.channels()),
                None => sample,
            };
            let mut rng = stream(self.seed, Purpose::Augment, self.epoch, index as u64);
            let made = self.augmentation.apply(self.level, &mut rng, &sample, labeling, &self.normalization);
            if place == 0 {
                pixels.reserve_exact(indices.len() * made.pixels.len());
                batch.labels.reserve_exact(indices.len() * made.labels.len());
            } else if labeling != Labeling::Objects && batch.sizes[0] != made.size {
                let (indices, sizes) = ([indices[0], index], [batch.sizes[0], made.size]);
                return Err(DataError::MixedSizes { indices, sizes });
            }
            pixels.extend_from_slice(&made.pixels);
            batch.labels.extend_from_slice(&made.labels);
            batch.groups.extend_from_slice(&made.groups);
            batch.objects.push(made.objects);
            batch.sizes.push(made.size);
        }
        batch.images = self.images(pixels, &batch.sizes);
        let number = number as u64;
        batch.mix = self.mix.apply([self.seed, self.epoch, number], &mut batch.images, &batch.labels);
        Ok(batch)
    }

    /// The pixels of images of these sizes as one array; images with objects are padded to a common size.
    fn images(&self, pixels: Vec<f32>, sizes: &[[usize; 2]]) -> Array4<f32> {
        let channels = self.dataset.channels();
        let largest = |axis: usize| sizes.iter().map(|size| size[axis]).max().unwrap_or(0);
        let size @ [height, width] = match self.dataset.labeling() {
            Labeling::Objects => [0, 1].map(|axis| largest(axis).next_multiple_of(self.size_divisor)),
            _ => [0, 1].map(largest),
        };
        let shape = (sizes.len(), height, width, channels);
        if sizes.iter().all(|&other| other == size) {
            return Array4::from_shape_vec(shape, pixels)
                .expect("the pixels of as many images of this shape");
        }
        let mut images = Array4::zeros(shape);
        let mut rest = &pixels[..];
        for (mut image, &[height, width]) in images.outer_iter_mut().zip(sizes) {
            let (own, others) = rest.split_at(height * width * channels);
            let own = ArrayView3::from_shape((height, width, channels), own).expect("pixels of this size");
            image.slice_each_axis_mut(|axis| Slice::from(..own.len_of(axis.axis))).assign(&own);
            rest = others;
        }
        images
    }
}

/// Checks that a sample agrees with the properties of its dataset.
pub(crate) fn check(dataset: &dyn Dataset, index: usize, sample: &Sample<'_>) -> Result<(), DataError> {
    let found = sample.size;
    if found.contains(&0) {
        return Err(DataError::SampleDimensions { index, found, expected: "at least 1 x 1".into() });
    }
    if let Some(size @ [height, width]) = dataset.image_size()
        && size != found
    {
        let expected = format!("{height} x {width}");
        return Err(DataError::SampleDimensions { index, found, expected });
    }
    let places = dataset.labeling().size(found).iter().product();
    let grouped = if dataset.groups().is_empty() { 0 } else { places };
    for (what, found, expected) in [
        ("values", sample.pixels.len(), found[0] * found[1] * dataset.channels()),
        ("labels", sample.labels.len(), places),
        ("groups", sample.groups.len(), grouped),
    ] {
        if found != expected {
            return Err(DataError::SampleSize { index, what, found, expected });
        }
    }
    // Losses and tables index by label.
    let classes = dataset.classes().len();
    if let Some(&label) = sample.labels.iter().find(|&&label| label != IGNORED && label as usize >= classes) {
        return Err(outside(dataset, index, label));
    }
    if dataset.labeling() != Labeling::Objects && !sample.objects.is_empty() {
        let (what, found) = ("objects", sample.objects.len());
        return Err(DataError::SampleSize { index, what, found, expected: 0 });
    }
    for object in sample.objects.iter() {
        if let Some(problem) = object.problem(sample.size, classes, dataset.groups().len()) {
            return Err(DataError::SampleObject { index, id: object.id, problem });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loader, LoaderConfig, Mode, Properties};

    /// Gray images of one class.
    fn properties() -> Properties {
        Properties::new(1, vec!["only".to_owned()], Normalization::identity(1))
    }

    /// A faulty dataset: sample 2 is too short, sample 5 panics, sample 6 is too wide.
    struct Broken(Properties);

    impl Dataset for Broken {
        fn len(&self) -> usize {
            8
        }

        fn properties(&self) -> &Properties {
            &self.0
        }

        fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
            assert!(index != 5, "sample 5 is cursed");
            let size = [1, if index == 6 { 2 } else { 1 }];
            Ok(Sample::new(size, vec![0; usize::from(index != 2)], vec![0]))
        }
    }

    #[test]
    fn failures_of_a_dataset_arrive_as_items() {
        let config = LoaderConfig::new(1, Mode::Evaluation { transform: None }, Normalization::identity(1));
        for (start_batch, step, text) in [
            (0, 2, "sample 2 has 0 values"),
            (3, 5, "batch 5 panicked: sample 5 is cursed"),
            (6, 6, "sample 6 has 1 x 2 pixels, but its dataset says 1 x 1"),
        ] {
            let image_size = Some([1, 1]);
            let broken = Broken(Properties { image_size, ..properties() });
            let loader =
                Loader::new(Arc::new(broken), LoaderConfig { start_batch, workers: 2, ..config.clone() });
            let items: Vec<_> = loader.unwrap().collect();
            assert_eq!(items.len(), step - start_batch + 1);
            let error = items.last().unwrap().as_ref().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    /// Twelve images, each pixel with a label: two of every size from 2 x 3 on.
    struct Growing(Properties);

    impl Dataset for Growing {
        fn len(&self) -> usize {
            12
        }

        fn properties(&self) -> &Properties {
            &self.0
        }

        fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
            let size = [index / 2 + 2, index / 2 + 3];
            let pixels: Vec<u8> = (1..=size[0] * size[1]).map(|i| i as u8).collect();
            let labels: Vec<u32> = pixels.iter().map(|&byte| u32::from(byte)).collect();
            let labels = if self.0.labeling == Labeling::Image { vec![0] } else { labels };
            Ok(Sample::new(size, pixels, labels))
        }
    }

    fn growing(config: LoaderConfig) -> Result<Vec<Result<Batch, DataError>>, DataError> {
        let labeling = Labeling::Pixels { stride: 1 };
        let classes = (0..=255).map(|byte| byte.to_string()).collect();
        let growing = Growing(Properties { labeling, classes, ..properties() });
        Ok(Loader::new(Arc::new(growing), config)?.collect())
    }

    #[test]
    fn a_label_without_a_class_is_an_error() {
        let config = LoaderConfig::new(1, Mode::Evaluation { transform: None }, Normalization::identity(1));
        let labeling = Labeling::Pixels { stride: 1 };
        let growing = Growing(Properties { labeling, ..properties() });
        let error = Loader::new(Arc::new(growing), config).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("the label of image 0 is 1, but the 1 classes"), "{error}");
    }

    #[test]
    fn images_of_different_size_are_evaluated_where_a_batch_has_one_size() {
        let config = LoaderConfig::new(1, Mode::Evaluation { transform: None }, Normalization::identity(1));
        for batch_size in [1, 2] {
            for batch in growing(LoaderConfig { batch_size, ..config.clone() }).unwrap() {
                let batch = batch.unwrap();
                let size = [batch.indices[0] / 2 + 2, batch.indices[0] / 2 + 3];
                assert_eq!(batch.images.dim(), (batch_size, size[0], size[1], 1));
                assert_eq!(batch.labels.len(), batch_size * size[0] * size[1]);
            }
        }
        let items = growing(LoaderConfig { batch_size: 3, ..config }).unwrap();
        let error = items[0].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("sample 0 has 2 x 3 pixels, sample 2 of the same batch 3 x 4"), "{error}");
        assert!(error.contains("`crop_size`") && error.contains("batch size of 1"), "{error}");
    }

    #[test]
    fn images_are_evaluated_together_where_they_are_alike_or_made_so() {
        let batch_size = |image_size, transform| {
            let growing = Growing(Properties { image_size, ..properties() });
            LoaderConfig::evaluation(&growing, transform, 8, Normalization::identity(1)).batch_size
        };
        assert_eq!(batch_size(None, None), 1);
        assert_eq!(batch_size(Some([9, 9]), None), 8);
        assert_eq!(batch_size(None, Some(EvaluationTransform::default())), 8);
    }

    #[test]
    fn images_of_different_size_become_squares_of_one() {
        let mut properties = properties();
        properties.labeling = Labeling::Image;
        let transform = EvaluationTransform { size: 4, crop_ratio: 0.8, fit: [0, 0] };
        let mode = Mode::Evaluation { transform: Some(transform.clone()) };
        let config = LoaderConfig::new(5, mode, Normalization::identity(1));
        let dataset = Arc::new(Growing(properties));
        let batches: Vec<Batch> = Loader::new(Arc::<Growing>::clone(&dataset), config.clone())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(batches.iter().map(|batch| batch.images.dim().0).collect::<Vec<_>>(), [5, 5, 2]);
        for (batch, image, index) in batches
            .iter()
            .flat_map(|batch| batch.images.outer_iter().zip(&batch.indices).map(move |(i, n)| (batch, i, *n)))
        {
            assert_eq!(batch.images.dim().1, 4);
            let sample = dataset.sample(index).unwrap();
            let expected = transform.apply(Level::best(), &sample.pixels, sample.size, 1);
            assert!(image.iter().zip(expected).all(|(value, byte)| *value == f32::from(byte) / 255.0));
        }
        let error = growing(config).unwrap_err().to_string();
        assert!(error.starts_with("evaluation is") && error.contains("labels per pixel"), "{error}");
    }

    #[test]
    fn images_of_different_size_are_trained_with_where_they_are_cropped() {
        let config = |crop_size, workers, start_batch| {
            let augmentation =
                Some(Augmentation { crop_size, flip_probability: 0.5, ..Augmentation::none() });
            let mix = MixConfig::default();
            let mode = Mode::Training { seed: 1, epoch: 0, augmentation, mix, drop_last: true };
            let config = LoaderConfig::new(5, mode, Normalization::identity(1));
            LoaderConfig { workers, start_batch, ..config }
        };
        let error = growing(config(0, 1, 0)).unwrap_err().to_string();
        assert!(error.starts_with("crop_size is 0, but must be at least 1, or"), "{error}");
        let batches = |workers, start| -> Vec<Batch> {
            growing(config(4, workers, start)).unwrap().into_iter().map(Result::unwrap).collect()
        };
        let whole = batches(1, 0);
        assert_eq!(whole.len(), 2);
        for batch in &whole {
            assert_eq!((batch.images.dim(), batch.labels.len()), ((5, 4, 4, 1), 5 * 16));
            for (value, &label) in batch.images.iter().zip(&batch.labels) {
                let expected = if label == IGNORED { 0.0 } else { label as f32 / 255.0 };
                assert_eq!(*value, expected);
            }
        }
        assert_eq!((batches(2, 0), &batches(2, 1)[..]), (whole.clone(), &whole[1..]));
    }
}
