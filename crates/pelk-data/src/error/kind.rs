//! Short names for the kinds of errors, and problems apart from their remedies.

use std::borrow::Cow;

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

    /// What is wrong, with the file: the error's text, without the [remedy](Self::remedy) where that is in it.
    pub fn problem(&self) -> String {
        match self {
            Self::Picture(error) => error.problem(),
            Self::Layout { path, problem, .. } => format!("{} {problem}", path.display()),
            other => other.to_string(),
        }
    }

    /// What to do about it, the same for all files with the same problem; `None` if [`Self::problem`] says it.
    pub fn remedy(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Picture(error) => Some(error.remedy()),
            Self::Layout { remedy, .. } => Some(remedy.into()),
            Self::Io { .. } => Some("make it readable for this user, or remove it".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::{DataError, PictureError};

    #[test]
    fn the_text_is_the_problem_and_the_remedy() {
        let path = || PathBuf::from("x/a.png");
        let error = |path: PathBuf| DataError::layout(path, "is missing", "put it there");
        let (found, partner, expected) = ([2, 3], "a.jpg".to_owned(), [3, 2]);
        for (error, problem, remedy) in [
            (error(path()), "x/a.png is missing", "put it there"),
            (
                PictureError::PartnerSize { path: path(), found, partner, expected, turned: false }.into(),
                "x/a.png has 2 x 3 pixels, but a.jpg says 3 x 2",
                "put files of the same image there",
            ),
            (
                PictureError::MaskFormat { path: path(), found: "a GIF file".into(), expected: "PNG" }.into(),
                "x/a.png is a GIF file",
                "convert it to PNG",
            ),
            (
                PictureError::MaskValue { path: path(), at: [1, 2], found: "the value 9".into(), classes: 3 }
                    .into(),
                "x/a.png: the pixel in row 1, column 2 (from 0) has the value 9, which stands for none of the \
                 3 classes",
                "correct the mask or name the class",
            ),
        ] {
            assert_eq!((&*error.problem(), error.remedy().as_deref()), (problem, Some(remedy)));
            assert_eq!(error.to_string(), format!("{problem}: {remedy}"));
        }
    }
}
