//! Errors in the file of one picture or mask.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// An error in the file of one picture or mask. Its text is the problem, with the file, and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file has no bytes.
    Empty {
        /// The file in question.
        path: PathBuf,
    },

    /// The file is something other than a picture.
    NotAnImage {
        /// The file in question.
        path: PathBuf,
        /// What it is: `an HTML page`.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The file is a picture of a format, or with a feature, that is not supported.
    Unsupported {
        /// The file in question.
        path: PathBuf,
        /// What it is: `a HEIC image`.
        what: String,
        /// What to do about it: a command that converts.
        remedy: String,
    },

    /// The file is damaged or cut short.
    Damaged {
        /// The file in question.
        path: PathBuf,
        /// The decoder's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The decoder panicked.
    DecoderPanic {
        /// The file in question.
        path: PathBuf,
        /// The panic's message.
        message: String,
    },

    /// A mask has a format that changes values when it is saved.
    LossyMask {
        /// The file in question.
        path: PathBuf,
        /// Its format.
        format: &'static str,
    },

    /// The pixel format of a mask cannot stand for classes.
    MaskFormat {
        /// The file in question.
        path: PathBuf,
        /// Its format or pixel format.
        found: String,
        /// The formats that are accepted.
        expected: &'static str,
    },

    /// A file does not have the size of its counterpart.
    PartnerSize {
        /// The file in question.
        path: PathBuf,
        /// Its height and width.
        found: [usize; 2],
        /// Its counterpart.
        partner: String,
        /// The height and width of the counterpart.
        expected: [usize; 2],
        /// Whether the sizes are equal once the picture is turned as its EXIF orientation says.
        turned: bool,
    },

    /// A pixel of a mask does not stand for a class.
    MaskValue {
        /// The mask in question.
        path: PathBuf,
        /// Row and column of the first such pixel.
        at: [usize; 2],
        /// Its value or color.
        found: String,
        /// The number of classes that values and colors stand for.
        classes: usize,
    },
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem(), self.remedy())
    }
}

impl PictureError {
    /// What is wrong, with the file: the error's text without the [remedy](Self::remedy).
    pub fn problem(&self) -> String {
        match self {
            Self::Empty { path } => format!("{} is empty (0 bytes)", path.display()),
            Self::NotAnImage { path, what, .. } => format!("{} is {what}, not an image", path.display()),
            Self::Unsupported { path, what, .. } => {
                format!("{} is {what}, which is not supported", path.display())
            }
            Self::Damaged { path, .. } => format!("{} is damaged", path.display()),
            Self::DecoderPanic { path, message } => {
                format!("{} makes its decoder fail ({message})", path.display())
            }
            Self::LossyMask { path, format } => {
                format!("{} is a {format} file, which does not keep values exactly", path.display())
            }
            Self::MaskFormat { path, found, .. } => format!("{} is {found}", path.display()),
            Self::PartnerSize { path, found, partner, expected, .. } => format!(
                "{} has {} x {} pixels, but {partner} says {} x {}",
                path.display(),
                found[0],
                found[1],
                expected[0],
                expected[1]
            ),
            Self::MaskValue { path, at, found, classes } => format!(
                "{}: the pixel in row {}, column {} (from 0) has {found}, which stands for none of the \
                 {classes} classes",
                path.display(),
                at[0],
                at[1]
            ),
        }
    }

    /// What to do about it, without the file's name: the same for all files with the same problem.
    pub fn remedy(&self) -> Cow<'_, str> {
        match self {
            Self::Empty { .. } => "download it again or remove it",
            Self::NotAnImage { remedy, .. } => *remedy,
            Self::Unsupported { remedy, .. } => remedy.as_str(),
            Self::Damaged { .. } => "download it again, or restore it from the original",
            Self::DecoderPanic { .. } => {
                "convert it with another program, such as `magick FILE FILE.png`, or remove it"
            }
            Self::LossyMask { .. } => {
                "masks must be lossless, so export it again from its source as PNG (converting this file does \
                 not help)"
            }
            Self::MaskFormat { expected, .. } => return format!("convert it to {expected}").into(),
            Self::PartnerSize { turned: true, .. } => {
                "the EXIF orientation of the picture swaps height and width; apply it when reading if masks \
                 and annotations are for the upright picture, and otherwise ignore it"
            }
            Self::PartnerSize { .. } => "put files of the same image there",
            Self::MaskValue { .. } => "correct the mask or name the class",
        }
        .into()
    }

    /// A few words for the kind of error, the same for all files; see [`crate::DataError::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "empty file",
            Self::NotAnImage { .. } => "not an image",
            Self::Unsupported { .. } => "unsupported format",
            Self::Damaged { .. } => "damaged",
            Self::DecoderPanic { .. } => "decoder failed",
            Self::LossyMask { .. } => "lossy mask",
            Self::MaskFormat { .. } => "mask in another pixel format",
            Self::PartnerSize { turned: true, .. } => "size differs by EXIF orientation",
            Self::PartnerSize { .. } => "size differs",
            Self::MaskValue { .. } => "mask value without class",
        }
    }
}
