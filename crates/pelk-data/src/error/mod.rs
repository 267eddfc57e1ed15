//! Errors in data: what is wrong, and how to fix it.

mod kind;
mod picture;

use std::io;
use std::path::PathBuf;

use pelk_coco::FileError;
use pelk_simd::LevelError;
use thiserror::Error;

pub use picture::PictureError;

/// An error in a dataset, in the configuration of its loading, or in a worker that loads it.
///
/// The text names the file, the wrong value and the correct one; the cause, if any, is the error's source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file is missing from the folder under all of its known names.
    #[error("no file {} in {}: put one of them there", names.join(" or "), folder.display())]
    MissingFile {
        /// The folder that was searched.
        folder: PathBuf,
        /// The names under which the file is known.
        names: Vec<String>,
    },

    /// No dataset has this name.
    #[error("{found:?} is not the name of a dataset: use one of {}", known.join(", "))]
    UnknownDataset {
        /// The name in question.
        found: String,
        /// All names.
        known: Vec<&'static str>,
    },

    /// The folder's name does not show which dataset its IDX files belong to.
    #[error(
        "{} holds IDX files, but its name does not tell whether they are MNIST or Fashion-MNIST",
        folder.display()
    )]
    AmbiguousIdx {
        /// The folder in question.
        folder: PathBuf,
    },

    /// The operating system could not read the file.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file in question.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// The gzip stream is truncated, its checksum is wrong or something follows it.
    #[error("{} is a damaged gzip file: download it again", path.display())]
    Gzip {
        /// The file in question.
        path: PathBuf,
        /// The decoder's error.
        source: io::Error,
    },

    /// The first bytes of the file are not those of its format.
    #[error(
        "{} starts with the bytes {found:02x?}, but an IDX file of unsigned bytes and rank {} with \
         {expected:02x?}: put the right file there",
        path.display(), expected[3]
    )]
    BadMagic {
        /// The file in question.
        path: PathBuf,
        /// Its first four bytes.
        found: [u8; 4],
        /// What they should be.
        expected: [u8; 4],
    },

    /// The file is shorter than its header or its format says.
    #[error("{} ends after {found} of {expected} bytes: download it again", path.display())]
    Truncated {
        /// The file in question.
        path: PathBuf,
        /// The bytes it should have, uncompressed, with the header.
        expected: u64,
        /// The bytes present.
        found: u64,
    },

    /// The file is longer than its header or its format says.
    #[error("{} continues after byte {expected}, where it should end: download it again", path.display())]
    TrailingBytes {
        /// The file in question.
        path: PathBuf,
        /// The bytes it should have, uncompressed, with the header.
        expected: u64,
    },

    /// The header announces more than any dataset of this format has.
    #[error(
        "the header of {} announces the sizes {sizes:?}, more than the limit of {limit} bytes for an IDX \
         file: download it again or split it",
        path.display()
    )]
    TooLarge {
        /// The file in question.
        path: PathBuf,
        /// The announced sizes.
        sizes: Vec<u32>,
        /// The largest number of values that is accepted.
        limit: u64,
    },

    /// The images of a file do not have the dataset's size.
    #[error(
        "{} has images of {} x {} pixels, but this dataset has {} x {}: put the right file there",
        path.display(), found[0], found[1], expected[0], expected[1]
    )]
    WrongDimensions {
        /// The file in question.
        path: PathBuf,
        /// Height and width in the file.
        found: [usize; 2],
        /// Height and width of the dataset.
        expected: [usize; 2],
    },

    /// A dataset has no images, or images without pixels.
    #[error("{origin} has {images} images of height, width, channels {shape:?}: each must be at least 1")]
    Empty {
        /// Where the dataset comes from.
        origin: String,
        /// The number of images.
        images: usize,
        /// Height, width and channels of an image.
        shape: [usize; 3],
    },

    /// The number of pixel values is not images x height x width x channels.
    #[error(
        "{origin} has {found} pixel values, but {images} labels and thus images of height, width, channels \
         {shape:?}: use the images and the labels of the same set"
    )]
    CountMismatch {
        /// Where the dataset comes from.
        origin: String,
        /// The number of pixel values.
        found: usize,
        /// The number of labels.
        images: usize,
        /// Height, width and channels of an image.
        shape: [usize; 3],
    },

    /// A label is not a class index.
    #[error(
        "{origin}: the label of image {index} is {label}, but the {classes} classes are numbered from 0: \
         correct the label or name the missing classes"
    )]
    LabelOutsideClasses {
        /// Where the dataset comes from.
        origin: String,
        /// The image with this label.
        index: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },

    /// A sample has more or fewer values, labels, groups or objects than its dataset says.
    #[error(
        "sample {index} has {found} {what}, but its dataset says {expected}: correct the dataset's `sample`"
    )]
    SampleSize {
        /// The sample in question.
        index: usize,
        /// What was counted: values of pixels, labels, groups or objects.
        what: &'static str,
        /// Their number.
        found: usize,
        /// The number that follows from the sample's size and the dataset's channels, labeling and groups.
        expected: usize,
    },

    /// A sample does not have the size that its dataset says, or has no pixels.
    #[error(
        "sample {index} has {} x {} pixels, but its dataset says {expected}: correct the dataset's `sample`",
        found[0], found[1]
    )]
    SampleDimensions {
        /// The sample in question.
        index: usize,
        /// Its height and width.
        found: [usize; 2],
        /// What they should be.
        expected: String,
    },

    /// An object of a sample contradicts its image or its dataset.
    #[error("object {id} of sample {index} {problem}: correct the dataset's `sample`")]
    SampleObject {
        /// The sample in question.
        index: usize,
        /// The object's id.
        id: u64,
        /// What is wrong with it.
        problem: String,
    },

    /// The images of a batch differ in size.
    #[error(
        "sample {} has {} x {} pixels, sample {} of the same batch {} x {}: for training set `crop_size` or \
         `resized_crop` of the augmentation, for evaluation a batch size of 1 or an evaluation transform",
        indices[0], sizes[0][0], sizes[0][1], indices[1], sizes[1][0], sizes[1][1]
    )]
    MixedSizes {
        /// The two samples.
        indices: [usize; 2],
        /// Height and width of each.
        sizes: [[usize; 2]; 2],
    },

    /// A file or folder of a dataset is missing, empty, without its counterpart, or in the way.
    #[error("{} {problem}: {remedy}", path.display())]
    Layout {
        /// The file or folder in question.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },

    /// The environment names vector instructions that do not exist, or that this processor lacks.
    #[error(transparent)]
    Level(#[from] LevelError),

    /// The file of a picture or mask cannot be used.
    #[error(transparent)]
    Picture(#[from] PictureError),

    /// A line of a text file has the wrong form.
    #[error("line {line} of {} is `{found}`, but must be {expected}", path.display())]
    Line {
        /// The file in question.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The line's text.
        found: String,
        /// What it must be.
        expected: String,
    },

    /// An annotation file is missing, damaged or has a wrong entry.
    #[error(transparent)]
    Annotations(Box<FileError>),

    /// The operating system could not write the file.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file in question.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// A field of a configuration has a value outside its range.
    #[error("{field} is {found}, but must be {expected}")]
    Config {
        /// The field's name as in the configuration.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that are accepted.
        expected: String,
    },

    /// The operating system did not start a worker thread.
    #[error("cannot start a loader thread: use fewer workers")]
    Spawn {
        /// The operating system's error.
        source: io::Error,
    },

    /// A worker thread panicked; the batches before this one were delivered.
    #[error("the loader's worker for batch {batch} panicked: {message}")]
    WorkerPanic {
        /// The batch, counted from the start of the epoch.
        batch: usize,
        /// The panic's message.
        message: String,
    },
}

impl From<FileError> for DataError {
    fn from(error: FileError) -> Self {
        Self::Annotations(Box::new(error))
    }
}

impl DataError {
    /// A [`DataError::Layout`].
    pub(crate) fn layout(
        path: impl Into<PathBuf>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Layout { path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// A [`DataError::Config`].
    pub(crate) fn config(
        field: &'static str,
        found: impl std::fmt::Debug,
        expected: impl Into<String>,
    ) -> Self {
        Self::Config { field, found: format!("{found:?}"), expected: expected.into() }
    }
}
