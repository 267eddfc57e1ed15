//! What can go wrong with data, and what to do about it.

use std::io;
use std::path::PathBuf;

use pelk_simd::LevelError;
use thiserror::Error;

/// An error in a dataset, in the configuration of its loading, or in a worker that loads it.
///
/// The text names the file, the offending value and what would be right; the cause, if any, is the error's source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// None of the names under which a file is known is in the folder.
    #[error("no file {} in {}: put one of them there", names.join(" or "), folder.display())]
    MissingFile {
        /// The folder that was searched.
        folder: PathBuf,
        /// The names that were looked for.
        names: Vec<String>,
    },

    /// No dataset has this name.
    #[error("{found:?} is not the name of a dataset: use one of {}", known.join(", "))]
    UnknownDataset {
        /// The name in question.
        found: String,
        /// The names there are.
        known: Vec<&'static str>,
    },

    /// The folder's name does not tell which dataset its IDX files are.
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
        /// The operating system's answer.
        source: io::Error,
    },

    /// The compressed stream is cut short, its checksum is wrong or something follows it.
    #[error("{} is damaged gzip: fetch the file again", path.display())]
    Gzip {
        /// The file in question.
        path: PathBuf,
        /// The decoder's answer.
        source: io::Error,
    },

    /// The file starts with other bytes than its format.
    #[error(
        "{} starts with the bytes {found:02x?}, an IDX file of unsigned bytes and rank {} with {expected:02x?}: \
         put the right file there",
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

    /// The file ends before its header or its format says.
    #[error("{} ends after {found} of {expected} bytes: fetch the file again", path.display())]
    Truncated {
        /// The file in question.
        path: PathBuf,
        /// The bytes that it should have, header included and uncompressed.
        expected: u64,
        /// The bytes present.
        found: u64,
    },

    /// The file goes on after the end that its header announces or its format fixes.
    #[error("{} goes on after byte {expected}, where it should end: fetch the file again", path.display())]
    TrailingBytes {
        /// The file in question.
        path: PathBuf,
        /// The bytes that it should have, header included and uncompressed.
        expected: u64,
    },

    /// The header announces more than any dataset of this format holds.
    #[error(
        "the header of {} announces the sizes {sizes:?}, more than the {limit} bytes an IDX file may hold here: \
         fetch the file again or split it",
        path.display()
    )]
    TooLarge {
        /// The file in question.
        path: PathBuf,
        /// The sizes announced.
        sizes: Vec<u32>,
        /// The largest number of values that is accepted.
        limit: u64,
    },

    /// The images of a file are not of the dataset's size.
    #[error(
        "{} holds images of {} x {} pixels, this dataset has {} x {}: put the right file there",
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

    /// A dataset without images, or of images without pixels.
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
        "{origin} has {found} pixel values, but {images} labels and thus images of height, width, channels {shape:?}: \
         use the images and the labels of the same set"
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

    /// A label names no class.
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

    /// A sample does not have as many values, labels or groups as its dataset says.
    #[error("sample {index} has {found} {what}, its dataset says {expected}: correct the dataset's `sample`")]
    SampleSize {
        /// The sample in question.
        index: usize,
        /// What was counted: values of pixels, labels or groups.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many follow from the sample's size and the dataset's channels, labeling and groups.
        expected: usize,
    },

    /// A sample is not of the size that its dataset says, or has no pixels.
    #[error(
        "sample {index} has {} x {} pixels, its dataset says {expected}: correct the dataset's `sample`",
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

    /// The images of a batch differ in size.
    #[error(
        "sample {} has {} x {} pixels, sample {} of the same batch {} x {}: set `crop_size` or `resized_crop` of \
         the augmentation for training, and a batch size of 1 or `evaluation` for evaluation",
        indices[0], sizes[0][0], sizes[0][1], indices[1], sizes[1][0], sizes[1][1]
    )]
    MixedSizes {
        /// The two samples.
        indices: [usize; 2],
        /// Height and width of each.
        sizes: [[usize; 2]; 2],
    },

    /// A file or folder of a dataset is missing, empty, without its partner, or in the way.
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

    /// An image file is damaged or of an unknown format.
    #[error("{} is damaged or not an image of a known format: download it again or convert it to PNG", path.display())]
    DamagedImage {
        /// The file in question.
        path: PathBuf,
        /// The decoder's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A mask whose values are not numbers of classes.
    #[error("{} is a PNG of {found}: convert it to {expected}", path.display())]
    MaskFormat {
        /// The file in question.
        path: PathBuf,
        /// What its pixels are.
        found: String,
        /// What they may be.
        expected: &'static str,
    },

    /// A file does not have the size of what it belongs to.
    #[error(
        "{} has {} x {} pixels, but {partner} says {} x {}: put files of the same picture there",
        path.display(), found[0], found[1], expected[0], expected[1]
    )]
    PartnerSize {
        /// The file in question.
        path: PathBuf,
        /// Its height and width.
        found: [usize; 2],
        /// What it belongs to.
        partner: String,
        /// The height and width of that.
        expected: [usize; 2],
    },

    /// A pixel of a mask names no class.
    #[error(
        "{}: the pixel in row {}, column {} (from 0) has {found}, {expected}: correct the mask or name the class",
        path.display(), at[0], at[1]
    )]
    MaskValue {
        /// The mask in question.
        path: PathBuf,
        /// Row and column of the first such pixel.
        at: [usize; 2],
        /// Its value or color.
        found: String,
        /// Which ones there are.
        expected: String,
    },

    /// A line of a text file is not of its form.
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

    /// A JSON file cannot be read as annotations.
    #[error("{} is damaged or holds no annotations of instances in COCO's form: fetch it again", path.display())]
    Json {
        /// The file in question.
        path: PathBuf,
        /// The reader's answer, with line and column.
        source: serde_json::Error,
    },

    /// An entry of a file of annotations contradicts another or itself.
    #[error("{}: {what} {id} {problem}", path.display())]
    Annotation {
        /// The file in question.
        path: PathBuf,
        /// What kind of entry it is: annotation, image or category.
        what: &'static str,
        /// The entry's id.
        id: u64,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// The operating system could not write the file.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file in question.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },

    /// A field of a configuration has a value outside its range.
    #[error("{field} is {found}, but must be {expected}")]
    Config {
        /// The field's name as in the configuration.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },

    /// The operating system did not start a worker thread.
    #[error("cannot start a loader thread: ask for fewer workers")]
    Spawn {
        /// The operating system's answer.
        source: io::Error,
    },

    /// A worker thread panicked; the batches before it were delivered.
    #[error("the loader's worker for batch {batch} panicked: {message}")]
    WorkerPanic {
        /// The batch, counted from the start of the epoch.
        batch: usize,
        /// The panic's message.
        message: String,
    },
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
