//! JPEG, decoded completely or not at all.

mod markers;
mod repair;
mod second;

use std::borrow::Cow;
use std::path::Path;

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::damaged;
use super::header::{Colors, Header};
use crate::{DataError, PictureError};
use markers::{DAC, Layout, SOS};

/// Why a decoder refused a file.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

const MAGICK: &str = "convert it, for example with `magick FILE FILE.png`";
const JPEGTRAN: &str = "convert it without loss, for example with `jpegtran -copy all FILE > NEW.jpg`";

/// A file whose markers have been read.
pub(super) struct Jpeg<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    layout: Layout,
    pub header: Header,
}

impl<'a> Jpeg<'a> {
    /// Reads the markers.
    ///
    /// # Errors
    /// [`PictureError::Damaged`], or [`PictureError::Unsupported`] for the less common kinds of JPEG.
    pub fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let layout = Layout::new(bytes).map_err(|problem| damaged(path, problem))?;
        let frame = &layout.frame;
        let [height, width] = frame.size;
        let arithmetic = layout.segments.iter().any(|segment| segment.kind == DAC);
        let found = match frame.kind {
            0xc9..=0xcf => Some(("a JPEG with arithmetic coding", JPEGTRAN)),
            _ if arithmetic => Some(("a JPEG with arithmetic coding", JPEGTRAN)),
            0xc3 => Some(("a lossless JPEG", MAGICK)),
            0xc5..=0xc7 => Some(("a hierarchical JPEG", MAGICK)),
            _ if frame.precision == 12 => Some(("a JPEG with 12 bits a channel", MAGICK)),
            _ if height == 0 => Some(("a JPEG that tells its height after its data", JPEGTRAN)),
            _ => None,
        };
        if let Some((what, remedy)) = found {
            let (path, what, remedy) = (path.into(), what.to_owned(), remedy.to_owned());
            return Err(PictureError::Unsupported { path, what, remedy }.into());
        }
        if width == 0 {
            return Err(damaged(path, "it has no width"));
        }
        let colors = match frame.components.len() {
            1 => Colors::Gray,
            3 => Colors::Rgb,
            4 => Colors::Cmyk,
            count => return Err(damaged(path, format!("it has {count} color components"))),
        };
        let orientation = layout.orientation(bytes).map_or(1, Orientation::to_exif);
        let repaired = match () {
            () if !layout.followed => None,
            () if layout.junk => Some("with bytes between its segments"),
            () if layout.lacks_tables() => Some("without Huffman tables"),
            () if !layout.end => Some("without an end marker"),
            () => None,
        };
        let header = Header { size: [height, width], colors, alpha: false, bits: 8, orientation, repaired };
        Ok(Self { path, bytes, layout, header })
    }

    /// The pixels as RGB; CMYK is converted as in Pillow, `(255 - C) (255 - K) / 255` and so on, with the
    /// inverted values that Adobe writes, as all such files in the wild have.
    ///
    /// As in libjpeg, bytes between segments are skipped, and an end marker and the standard Huffman tables
    /// may be missing. All blocks must be there.
    ///
    /// # Errors
    /// [`PictureError::Damaged`].
    pub fn decode(&self) -> Result<Vec<u8>, DataError> {
        self.pixels().map_err(|source| damaged(self.path, source))
    }

    fn pixels(&self) -> Result<Vec<u8>, Refusal> {
        if self.layout.needs_second(self.bytes) {
            return second::decode(self.bytes, &self.layout);
        }
        let bytes = match self.header.repaired {
            Some(_) => Cow::Owned(repair::rebuilt(self.bytes, &self.layout, &[])),
            None => Cow::Borrowed(self.bytes),
        };
        // Otherwise damaged areas become gray: a wrong image that a program takes for a correct one.
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let pixels = JpegDecoder::new_with_options(ZCursor::new(&*bytes), options).decode()?;
        // The decoder checks for the end of the data at each row of blocks, so it misses a truncation in the
        // last one. The second decoder finds it, at the cost of decoding several times.
        if !self.ends() {
            second::decode(self.bytes, &self.layout).map_err(|_| "it has no end marker, and lacks data")?;
        }
        Ok(pixels)
    }

    /// Whether the end marker, FF D9, follows the start of the first scan. Coded data cannot contain it, but
    /// earlier segments can: EXIF with a thumbnail.
    fn ends(&self) -> bool {
        let scan = self.layout.segments.iter().find(|segment| segment.kind == SOS);
        let data = scan.map_or(&[][..], |scan| &self.bytes[scan.parameters.end..]);
        data.windows(2).any(|mark| mark == [0xff, 0xd9])
    }
}
