//! Errors in the file of one picture or mask.

use std::path::PathBuf;

use thiserror::Error;

/// An error in the file of one picture or mask.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file has no bytes.
    #[error("{} is empty (0 bytes): download it again or remove it", path.display())]
    Empty {
        /// The file in question.
        path: PathBuf,
    },

    /// The file is something other than a picture.
    #[error("{} is {what}, not an image: {remedy}", path.display())]
    NotAnImage {
        /// The file in question.
        path: PathBuf,
        /// What it is: `an HTML page`.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The file is a picture of a format, or with a feature, that is not supported.
    #[error("{} is {what}, which is not supported: {remedy}", path.display())]
    Unsupported {
        /// The file in question.
        path: PathBuf,
        /// What it is: `a HEIC image`.
        what: String,
        /// What to do about it: a command that converts.
        remedy: String,
    },

    /// The file is damaged or cut short.
    #[error("{} is damaged: download it again, or restore it from the original", path.display())]
    Damaged {
        /// The file in question.
        path: PathBuf,
        /// The decoder's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The decoder panicked.
    #[error(
        "{} makes its decoder fail ({message}): convert it with another program, such as `magick FILE \
         FILE.png`, or remove it",
        path.display()
    )]
    DecoderPanic {
        /// The file in question.
        path: PathBuf,
        /// The panic's message.
        message: String,
    },

    /// A mask has a format that changes values when it is saved.
    #[error(
        "{} is a {format} file, which does not keep values exactly: masks must be lossless, so export it \
         again from its source as PNG (converting this file does not help)",
        path.display()
    )]
    LossyMask {
        /// The file in question.
        path: PathBuf,
        /// Its format.
        format: &'static str,
    },

    /// The pixel format of a mask cannot stand for classes.
    #[error("{} is {found}: convert it to {expected}", path.display())]
    MaskFormat {
        /// The file in question.
        path: PathBuf,
        /// Its format or pixel format.
        found: String,
        /// The formats that are accepted.
        expected: &'static str,
    },

    /// A file does not have the size of its counterpart.
    #[error(
        "{} has {} x {} pixels, but {partner} says {} x {}: {}",
        path.display(), found[0], found[1], expected[0], expected[1], size_remedy(*turned)
    )]
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
    #[error(
        "{}: the pixel in row {}, column {} (from 0) has {found}, {expected}",
        path.display(), at[0], at[1]
    )]
    MaskValue {
        /// The mask in question.
        path: PathBuf,
        /// Row and column of the first such pixel.
        at: [usize; 2],
        /// Its value or color.
        found: String,
        /// Which values are known, and what to do.
        expected: String,
    },
}

fn size_remedy(turned: bool) -> &'static str {
    if turned {
        "the EXIF orientation of the picture swaps height and width; apply it when reading if masks and \
         annotations are for the upright picture, and otherwise ignore it"
    } else {
        "put files of the same image there"
    }
}

impl PictureError {
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
