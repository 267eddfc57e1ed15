//! Part of a bitmap.

use crate::error::{DetectionError, Result, check_len};

/// The part of a bitmap that may hold ones; all pixels elsewhere are 0. For a mask it is enough to hold the
/// object's box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaskCrop {
    /// Row and column of the first pixel in the whole bitmap.
    pub origin: [usize; 2],
    /// Height and width of the part.
    pub size: [usize; 2],
    /// The pixels, row by row: 0 or 1.
    pub pixels: Vec<u8>,
}

impl MaskCrop {
    /// The number of ones.
    pub fn area(&self) -> usize {
        self.pixels.iter().map(|&pixel| usize::from(pixel)).sum()
    }

    /// The rows of the part.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks(self.size[1].max(1))
    }

    /// Whether the pixel in this row and column of the whole bitmap is 1.
    pub fn at(&self, row: usize, column: usize) -> bool {
        let [top, left] = self.origin;
        let [height, width] = self.size;
        let inside = (top..top + height).contains(&row) && (left..left + width).contains(&column);
        inside && self.pixels[(row - top) * width + column - left] == 1
    }

    /// Checks that the pixels are as many as the size says, and 0 or 1.
    pub(crate) fn check(&self) -> Result<()> {
        check_len("pixels of a mask", self.pixels.len(), self.size[0] * self.size[1])?;
        match self.pixels.iter().find(|&&pixel| pixel > 1) {
            Some(pixel) => {
                let reason = format!("holds {pixel}, and must hold 0 and 1");
                Err(DetectionError::Setting { name: "a mask", reason })
            }
            None => Ok(()),
        }
    }
}
