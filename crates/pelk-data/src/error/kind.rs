//! Short names for the kinds of errors.

use super::DataError;

impl DataError {
    /// A few words for the kind of error, without file names or values: errors of the same kind have the same
    /// cause and remedy, so a report on many files can group them.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Picture(error) => error.kind(),
            Self::Io { .. } => "cannot be read",
            Self::Write { .. } => "cannot be written",
            Self::MissingFile { .. } => "missing file",
            Self::UnknownDataset { .. } | Self::AmbiguousIdx { .. } => "unknown dataset",
            Self::Gzip { .. } | Self::Truncated { .. } | Self::TrailingBytes { .. } => "damaged",
            Self::BadMagic { .. } | Self::TooLarge { .. } => "another format",
            Self::WrongDimensions { .. } => "size differs",
            Self::Empty { .. } => "no images",
            Self::CountMismatch { .. } => "numbers of images and labels differ",
            Self::LabelOutsideClasses { .. } => "label without class",
            Self::SampleSize { .. } | Self::SampleDimensions { .. } | Self::SampleObject { .. } => {
                "sample contradicts its dataset"
            }
            Self::MixedSizes { .. } => "mixed sizes",
            Self::Layout { .. } => "layout of the folder",
            Self::Line { .. } => "line of a text file",
            Self::Annotations(_) => "annotations",
            Self::Config { .. } => "configuration",
            Self::Level(_) => "vector instructions",
            Self::Spawn { .. } | Self::WorkerPanic { .. } => "loader thread",
        }
    }
}
