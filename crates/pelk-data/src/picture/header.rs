//! The information in the header of an image file.

/// The color space of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Gray.
    Gray,
    /// Red, green and blue, possibly through a palette.
    Rgb,
    /// Four inks: cyan, magenta, yellow, black.
    Cmyk,
}

/// Size and pixel format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub size: [usize; 2],
    pub colors: Colors,
    pub alpha: bool,
    pub bits: u8,
    /// See [`ImageKind::orientation`](super::ImageKind::orientation).
    pub orientation: u8,
    /// See [`ImageKind::repaired`](super::ImageKind::repaired).
    pub repaired: Option<&'static str>,
}
