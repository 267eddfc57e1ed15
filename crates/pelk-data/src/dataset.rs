//! Labeled images: the trait of datasets, and a dataset in memory.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::{DataError, Normalization, Object};

/// An image with its classes or objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// Height and width of the image, in pixels.
    pub size: [usize; 2],
    /// The pixels, height x width x channels, row-major.
    pub pixels: Cow<'a, [u8]>,
    /// The labels, a map of [`Labeling::size`], row-major: each a class or [`IGNORED`].
    pub labels: Cow<'a, [u32]>,
    /// The group that each label is measured in, an index into [`Dataset::groups`], or [`NO_GROUP`]; empty if
    /// the dataset has no groups or its objects have them ([`Object::group`]).
    pub groups: Cow<'a, [u8]>,
    /// The objects, if [`Labeling::Objects`]; else empty.
    pub objects: Cow<'a, [Object]>,
}

impl<'a> Sample<'a> {
    /// An image with these labels, without groups or objects.
    pub fn new(
        size: [usize; 2],
        pixels: impl Into<Cow<'a, [u8]>>,
        labels: impl Into<Cow<'a, [u32]>>,
    ) -> Self {
        let (groups, objects) = (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..]));
        Self { size, pixels: pixels.into(), labels: labels.into(), groups, objects }
    }
}

/// The label of a pixel that is neither learned nor measured.
pub const IGNORED: u32 = u32::MAX;

/// The group of a label or object that belongs to no group.
pub const NO_GROUP: u8 = u8::MAX;

/// What a label belongs to: an image, a square, a pixel or an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labeling {
    /// The whole image.
    Image,
    /// Every pixel, or every square of `stride` x `stride` pixels, counted from the top left. Pixels beyond
    /// the last whole square have no label.
    Pixels {
        /// The side of a square, in pixels, at least 1; 1 for a label per pixel.
        stride: usize,
    },
    /// Objects with boxes and masks, in [`Sample::objects`]. There are no other labels.
    Objects,
}

impl Labeling {
    /// Rows and columns of the labels of an image of this height and width; 1 x 1 for [`Labeling::Image`] and
    /// 0 x 0 for [`Labeling::Objects`].
    pub fn size(self, [height, width]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Image => [1, 1],
            Self::Pixels { stride } => [height / stride, width / stride],
            Self::Objects => [0, 0],
        }
    }
}

/// What all samples of a dataset have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Properties {
    /// Height and width of every image, in pixels; `None` if images differ in size.
    pub image_size: Option<[usize; 2]>,
    /// The channels of every image: 1 for gray, 3 for red, green and blue.
    pub channels: usize,
    /// What a label belongs to.
    pub labeling: Labeling,
    /// The names of the classes, at least 1; a label is an index into this list.
    pub classes: Vec<String>,
    /// The class of pixels without an object: it is learned, but not measured.
    pub background: Option<u32>,
    /// Names of the groups of labels or objects that are measured separately, fewer than [`NO_GROUP`].
    pub groups: Vec<String>,
    /// Mean and standard deviation of each channel, to normalize images with.
    pub statistics: Normalization,
    /// Whether the images are only a part of files that are not divided into training and test images: the
    /// test images are a fifth of them, chosen by file name.
    pub chosen_by_name: bool,
}

impl Properties {
    /// Images of any size with one of `classes` each, without background or groups.
    pub fn new(channels: usize, classes: Vec<String>, statistics: Normalization) -> Self {
        Self {
            image_size: None,
            channels,
            labeling: Labeling::Image,
            classes,
            background: None,
            groups: Vec::new(),
            statistics,
            chosen_by_name: false,
        }
    }
}

/// Labeled images, numbered from 0: what a [`Loader`](crate::Loader) reads, from several threads.
///
/// [`ImageDataset`] keeps its images in memory; others decode or compose them in [`Dataset::sample`].
pub trait Dataset: Send + Sync {
    /// The number of samples, at least 1.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all samples have in common.
    fn properties(&self) -> &Properties;

    /// Sample `index`, which is below [`Dataset::len`]; the same one in every call.
    ///
    /// # Errors
    /// Whatever prevents reading the sample; the loader passes it on.
    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError>;

    /// Height and width of sample `index` if known without reading it.
    fn sample_size(&self, _index: usize) -> Option<[usize; 2]> {
        self.image_size()
    }

    /// The objects of sample `index`, as in [`Dataset::sample`]: in the pixels of the dataset's image.
    ///
    /// # Errors
    /// Those of [`Dataset::sample`].
    fn objects(&self, index: usize) -> Result<Cow<'_, [Object]>, DataError> {
        Ok(self.sample(index)?.objects)
    }

    /// The id of image `index` in files of results in COCO's format.
    fn image_id(&self, index: usize) -> u64 {
        index as u64
    }

    /// The id of `class` in files of results in COCO's format.
    fn category_id(&self, class: u32) -> u64 {
        u64::from(class) + 1
    }

    /// The annotation file in COCO's format, if the dataset has one: what official evaluations compare with.
    fn annotations(&self) -> Option<&Path> {
        None
    }

    /// The file of the image of sample `index`, if each has its own.
    fn file(&self, _index: usize) -> Option<PathBuf> {
        None
    }

    /// Decisions of the reader that users should know about, one sentence each: for instance, files that it
    /// skipped.
    fn remarks(&self) -> &[String] {
        &[]
    }

    /// Faults in the layout of the dataset's folder that it was opened in spite of, see
    /// [`FileOptions::lenient`](crate::FileOptions::lenient).
    fn faults(&self) -> &[DataError] {
        &[]
    }

    /// [`Properties::image_size`].
    fn image_size(&self) -> Option<[usize; 2]> {
        self.properties().image_size
    }

    /// [`Properties::channels`].
    fn channels(&self) -> usize {
        self.properties().channels
    }

    /// [`Properties::labeling`].
    fn labeling(&self) -> Labeling {
        self.properties().labeling
    }

    /// [`Properties::classes`].
    fn classes(&self) -> &[String] {
        &self.properties().classes
    }

    /// [`Properties::background`].
    fn background(&self) -> Option<u32> {
        self.properties().background
    }

    /// [`Properties::groups`].
    fn groups(&self) -> &[String] {
        &self.properties().groups
    }

    /// [`Properties::statistics`].
    fn statistics(&self) -> &Normalization {
        &self.properties().statistics
    }

    /// [`Properties::chosen_by_name`].
    fn chosen_by_name(&self) -> bool {
        self.properties().chosen_by_name
    }
}

/// Labeled images in memory, as bytes.
#[derive(Debug)]
pub struct ImageDataset {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<u32>,
    properties: Properties,
}

impl ImageDataset {
    /// The images `pixels` (labels.len() x height x width x channels, row-major) with their labels.
    ///
    /// `origin` says where the data come from, for errors; `shape` is height, width and channels; label `i`
    /// means `classes[i]`.
    ///
    /// # Errors
    /// [`DataError::Empty`], [`DataError::CountMismatch`] or [`DataError::LabelOutsideClasses`].
    pub fn new(
        origin: &str,
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<u32>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let origin = || origin.to_owned();
        if labels.is_empty() || shape.contains(&0) {
            return Err(DataError::Empty { origin: origin(), images: labels.len(), shape });
        }
        let count = shape.iter().try_fold(labels.len(), |product, &size| product.checked_mul(size));
        if count != Some(pixels.len()) {
            let (found, images) = (pixels.len(), labels.len());
            return Err(DataError::CountMismatch { origin: origin(), found, images, shape });
        }
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes.len()) {
            let (label, classes) = (labels[index], classes.len());
            return Err(DataError::LabelOutsideClasses { origin: origin(), index, label, classes });
        }
        let statistics = Normalization::of_pixels(&pixels, shape[2]);
        let image_size = Some([shape[0], shape[1]]);
        let properties = Properties { image_size, ..Properties::new(shape[2], classes, statistics) };
        Ok(Self { shape, pixels, labels, properties })
    }

    /// The number of images, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an empty set cannot be made")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Height, width and channels of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Image `index`: height x width x channels bytes, row-major.
    ///
    /// # Panics
    /// If `index` is not below [`ImageDataset::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.iter().product::<usize>();
        &self.pixels[index * size..][..size]
    }

    /// The class of image `index`.
    ///
    /// # Panics
    /// If `index` is not below [`ImageDataset::len`].
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }
}

impl Dataset for ImageDataset {
    fn len(&self) -> usize {
        self.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let size = [self.shape[0], self.shape[1]];
        Ok(Sample::new(size, self.image(index), &self.labels[index..=index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(shape: [usize; 3], pixels: usize, labels: &[u32]) -> Result<ImageDataset, DataError> {
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        ImageDataset::new("a test", shape, (0..pixels).map(|i| i as u8).collect(), labels.to_vec(), classes)
    }

    #[test]
    fn images_and_labels_are_found_by_index() {
        let dataset = make([2, 1, 3], 12, &[1, 0]).unwrap();
        assert_eq!((dataset.len(), dataset.shape(), dataset.classes().len()), (2, [2, 1, 3], 2));
        assert_eq!(dataset.image(1), [6, 7, 8, 9, 10, 11]);
        let sample = dataset.sample(0).unwrap();
        assert_eq!((dataset.image_size(), dataset.channels(), sample.size), (Some([2, 1]), 3, [2, 1]));
        assert_eq!(
            (sample.pixels.as_ref(), sample.labels.as_ref()),
            (dataset.image(0), &[dataset.label(0)][..])
        );
        // Channel 0 holds 0, 3, 6, 9: mean 4.5, variance 11.25.
        assert_eq!(dataset.statistics().mean[0], 4.5 / 255.0);
        assert_eq!(dataset.statistics().std[0], (11.25_f64.sqrt() / 255.0) as f32);
    }

    #[test]
    fn a_stride_divides_an_image_into_squares() {
        assert_eq!(Labeling::Image.size([7, 9]), [1, 1]);
        assert_eq!(Labeling::Pixels { stride: 1 }.size([7, 9]), [7, 9]);
        assert_eq!(Labeling::Pixels { stride: 4 }.size([8, 15]), [2, 3]);
        assert_eq!(Labeling::Objects.size([8, 15]), [0, 0]);
    }

    #[test]
    fn inconsistent_parts_are_rejected() {
        assert!(matches!(make([1, 1, 1], 0, &[]), Err(DataError::Empty { images: 0, .. })));
        assert!(matches!(make([1, 0, 1], 0, &[0]), Err(DataError::Empty { .. })));
        assert!(matches!(make([2, 2, 1], 7, &[0, 1]), Err(DataError::CountMismatch { found: 7, .. })));
        assert!(matches!(make([usize::MAX, 2, 1], 7, &[0, 1]), Err(DataError::CountMismatch { .. })));
        let error = make([1, 1, 1], 3, &[0, 1, 2]).unwrap_err();
        assert!(matches!(error, DataError::LabelOutsideClasses { index: 2, label: 2, classes: 2, .. }));
        assert!(error.to_string().starts_with("a test: the label of image 2 is 2"), "{error}");
    }
}
