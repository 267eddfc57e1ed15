//! JPEG, decoded completely or not at all.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::header::{Colors, Header};

/// Why the decoder refused a file.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// A decoder that has read the header.
pub(super) struct Jpeg<'a> {
    bytes: &'a [u8],
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    pub header: Header,
}

impl<'a> Jpeg<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, Refusal> {
        // Otherwise damaged areas become gray: a wrong image that a program takes for a correct one.
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers()?;
        let (width, height) = decoder.dimensions().ok_or("it has no size")?;
        let colors = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => Colors::Gray,
            Some(ColorSpace::CMYK | ColorSpace::YCCK) => Colors::Cmyk,
            _ => Colors::Rgb,
        };
        let header = Header { size: [height, width], colors, alpha: false, bits: 8 };
        Ok(Self { bytes, decoder, header })
    }

    /// The pixels as RGB; CMYK is converted as in Pillow, `(255 - C) (255 - K) / 255` and so on, with the
    /// inverted values that Adobe writes, as all such files in the wild have.
    pub fn decode(mut self) -> Result<Vec<u8>, Refusal> {
        let pixels = self.decoder.decode()?;
        // The decoder checks for the end of the data at each row of blocks, so it misses a truncation in the
        // last one.
        if !ends(self.bytes) {
            return Err("it has no end marker".into());
        }
        Ok(pixels)
    }
}

/// Whether the end marker, FF D9, follows the start of the first scan. Coded data cannot contain it, but
/// earlier segments can: EXIF with a thumbnail.
fn ends(bytes: &[u8]) -> bool {
    scan(bytes).is_some_and(|data| data.windows(2).any(|mark| mark == [0xff, 0xd9]))
}

/// The data after the header of the first scan.
fn scan(bytes: &[u8]) -> Option<&[u8]> {
    // After FF D8 come segments: FF (one or more), a kind, and a length that includes itself.
    let mut rest = bytes.get(2..)?;
    loop {
        let start = rest.iter().position(|&byte| byte == 0xff)?;
        let fill = rest[start..].iter().position(|&byte| byte != 0xff)?;
        let segment = &rest[start + fill..];
        let length = u16::from_be_bytes([*segment.get(1)?, *segment.get(2)?]);
        rest = segment.get(1 + usize::from(length)..)?;
        if segment[0] == 0xda {
            return Some(rest);
        }
    }
}
