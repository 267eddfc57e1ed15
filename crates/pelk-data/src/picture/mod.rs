//! Image files: reads any common format, writes PNG.

mod gif;
mod guard;
mod header;
mod jpeg;
mod orientation;
mod rgb;
pub(crate) mod sniff;
mod tiff;
mod write;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{ExtendedColorType, ImageDecoder, ImageFormat, ImageReader};

use crate::{DataError, Exif, PictureError};
use header::Header;
use jpeg::Jpeg;
use rgb::rgb;
use sniff::{Content, SNIFFED, sniff};
use tiff::Prepared;

pub use guard::decoding;
pub(crate) use guard::guarded;
pub use header::Colors;
pub(crate) use orientation::{upright, upright_box};
pub(crate) use write::write_png;

/// The largest number of pixels of an image: a quarter of a GiB as RGB, above which Pillow also suspects a
/// small file that unpacks to fill the memory.
const MAX_PIXELS: u64 = 89_478_485;
/// The largest number of bytes of a file: that many pixels as 16-bit RGB, uncompressed.
const MAX_BYTES: u64 = 6 * MAX_PIXELS;

/// The bytes in which the header of a JPEG file usually ends: EXIF data have up to 64 KiB, often with others
/// such as color profiles behind them.
const START: u64 = 1 << 18;

/// The kind of an image file, see [`ImageKind::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageKind {
    /// Its format, judged by content: `JPEG`, `PNG` and so on.
    pub format: &'static str,
    /// Its color space.
    pub colors: Colors,
    /// Whether it has an alpha channel.
    pub alpha: bool,
    /// Bits per channel: 8 (also if the file has fewer), 16 or 32.
    pub bits: u8,
    /// Whether its file name has the ending of another format, or of none.
    pub named_otherwise: bool,
    /// Its EXIF orientation, 1 (upright) to 8; those above 4 swap height and width.
    pub orientation: u8,
    /// What was wrong with the file, though all of its pixels are there: `without an end marker`.
    pub repaired: Option<&'static str>,
}

impl ImageKind {
    /// Reads the file's header.
    ///
    /// # Errors
    /// Same as [`read_rgb`], except for damage behind the header.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        let bytes = read(path)?;
        guarded(path, || Self::of_bytes(path, &bytes))
    }

    fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        let (format, header) = header_of(path, bytes)?;
        let Header { colors, alpha, bits, orientation, repaired, .. } = header;
        // PNM's four endings are one format.
        let named_otherwise = ImageFormat::from_path(path).ok() != Some(format);
        Ok(Self { format: name(format), colors, alpha, bits, named_otherwise, orientation, repaired })
    }
}

/// The format and the header of a file.
fn header_of(path: &Path, bytes: &[u8]) -> Result<(ImageFormat, Header), DataError> {
    let format = format(path, bytes)?;
    let header = match format {
        ImageFormat::Jpeg => Jpeg::new(path, bytes)?.header,
        _ => {
            let mut decoder = other(path, format, bytes)?;
            // Metadata that cannot be read do not hinder the pixels.
            let orientation = decoder.orientation().map_or(1, Orientation::to_exif);
            Header { orientation, ..header(&decoder) }
        }
    };
    Ok((format, header))
}

/// Height and width of an image as it is stored, and its EXIF orientation, without decoding it.
pub(crate) fn stored_size(path: &Path) -> Result<([usize; 2], u8), DataError> {
    let mut start = Vec::new();
    let io_error = |source| DataError::Io { path: path.into(), source };
    let file = File::open(path).map_err(io_error)?;
    file.take(START).read_to_end(&mut start).map_err(io_error)?;
    guarded(path, || {
        // The header of a JPEG file comes first; other formats may have theirs anywhere.
        let is_jpeg = matches!(format(path, &start), Ok(ImageFormat::Jpeg));
        let (_, header) = match header_of(path, &start) {
            Ok(header) if is_jpeg => header,
            _ => header_of(path, &read(path)?)?,
        };
        Ok((header.size, header.orientation))
    })
}

/// Reads an image: its height and width, and its pixels as RGB bytes, height x width x 3.
///
/// Reads JPEG, PNG, BMP, GIF, WebP, TIFF and PNM, the first image if there are several; the content
/// determines the format, not the name. JPEG that lacks its end marker or the standard Huffman tables, or has
/// bytes between its segments, is read, as in libjpeg; JPEG that lacks data is an error. As in Pillow's
/// `convert("RGB")`, and so torchvision: gray and CMYK become RGB, alpha is dropped (transparent pixels show
/// their color), 16 bits keep the upper 8 (gray, too, which Pillow clips at 255 instead), and EXIF
/// orientation is ignored (in TIFF, too, which Pillow turns); [`read_upright`] can apply it.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read, [`DataError::Layout`] if it has more than 89 million pixels,
/// checked before memory is allocated, and [`DataError::Picture`] if it is not an image, is damaged, cut
/// short or of an unsupported format, or if its decoder fails.
pub fn read_rgb(path: &Path) -> Result<([usize; 2], Vec<u8>), DataError> {
    read_upright(path, Exif::Ignore)
}

/// [`read_rgb`], but turned upright as the file's EXIF orientation says if `exif` is [`Exif::Apply`].
///
/// # Errors
/// Same as [`read_rgb`].
pub fn read_upright(path: &Path, exif: Exif) -> Result<([usize; 2], Vec<u8>), DataError> {
    let Decoded { size, pixels, .. } = Decoded::read(path, exif)?;
    Ok((size, pixels))
}

/// An image and how it was turned.
pub(crate) struct Decoded {
    /// Height and width, and the RGB pixels.
    pub size: [usize; 2],
    pub pixels: Vec<u8>,
    /// Height and width in the file.
    pub stored: [usize; 2],
    /// The EXIF orientation by which it was turned; 1 if it was not.
    pub orientation: u8,
}

impl Decoded {
    /// Reads a file, see [`read_upright`].
    pub fn read(path: &Path, exif: Exif) -> Result<Self, DataError> {
        let bytes = read(path)?;
        guarded(path, || {
            let orientation = match exif {
                Exif::Ignore => 1,
                Exif::Apply => ImageKind::of_bytes(path, &bytes)?.orientation,
            };
            let (stored, pixels) = decode(path, &bytes)?;
            let (size, pixels) = upright(pixels, 3, stored, orientation);
            Ok(Self { size, pixels, stored, orientation })
        })
    }
}

/// [`read_rgb`] of these bytes of the file.
fn decode(path: &Path, bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), DataError> {
    match format(path, bytes)? {
        ImageFormat::Jpeg => {
            let jpeg = Jpeg::new(path, bytes)?;
            check_size(path, jpeg.header.size)?;
            Ok((jpeg.header.size, jpeg.decode()?))
        }
        ImageFormat::Tiff => decode_tiff(path, bytes),
        format => pixels(path, format, bytes),
    }
}

/// The size and pixels of all formats but JPEG.
fn pixels(path: &Path, format: ImageFormat, bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), DataError> {
    let decoder = other(path, format, bytes)?;
    let (Header { size, .. }, color) = (header(&decoder), decoder.color_type());
    check_size(path, size)?;
    let length = size[0] * size[1] * usize::from(color.bytes_per_pixel());
    let mut pixels = vec![0; length];
    decoder.read_image(&mut pixels).map_err(|error| refused(path, error))?;
    let mut pixels = rgb(color, pixels);
    if format == ImageFormat::Gif {
        gif::paint_around_frame(bytes, size[1], &mut pixels);
    }
    Ok((size, pixels))
}

fn decode_tiff(path: &Path, bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), DataError> {
    match tiff::prepare(bytes) {
        Prepared::Whole(bytes) => pixels(path, ImageFormat::Tiff, &bytes),
        Prepared::Planes(planes) => {
            let plane = |number| {
                let plane = planes.get(number).ok_or_else(|| damaged(path, "its directory is damaged"))?;
                pixels(path, ImageFormat::Tiff, &plane)
            };
            let (size, mut colors) = plane(0)?;
            for number in 1..planes.count {
                let (_, plane) = plane(number)?;
                for (color, gray) in colors.iter_mut().zip(&plane).skip(number).step_by(3) {
                    *color = *gray;
                }
            }
            Ok((size, colors))
        }
        Prepared::Unsupported(what, remedy) => {
            Err(PictureError::Unsupported { path: path.into(), what, remedy: remedy.to_owned() }.into())
        }
    }
}

/// The decoder's error: a feature that it lacks, or damage.
fn refused(path: &Path, error: image::ImageError) -> DataError {
    let image::ImageError::Unsupported(error) = error else { return damaged(path, error) };
    let what = format!("an image with a rare feature ({error})");
    let remedy = "convert it, for example with `magick FILE FILE.png`".to_owned();
    PictureError::Unsupported { path: path.into(), what, remedy }.into()
}

/// Whether the picture's EXIF orientation swaps its height and width.
pub(crate) fn swaps_sides(path: &Path) -> bool {
    ImageKind::of(path).is_ok_and(|kind| kind.orientation > 4)
}

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let io_error = |source| DataError::Io { path: path.into(), source };
    let file = File::open(path).map_err(io_error)?;
    let length = file.metadata().map_err(io_error)?.len();
    let mut bytes = Vec::with_capacity(length.min(MAX_BYTES) as usize);
    // Something other than a plain file may have more than its length.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > MAX_BYTES {
        let problem = format!("has more than {MAX_BYTES} bytes, the limit for an image file");
        return Err(DataError::layout(path, problem, "remove it, or scale it down if it is an image"));
    }
    Ok(bytes)
}

fn check_size(path: &Path, [height, width]: [usize; 2]) -> Result<(), DataError> {
    if (height as u64).saturating_mul(width as u64) > MAX_PIXELS {
        let problem = format!("announces {height} x {width} pixels, more than the limit of {MAX_PIXELS}");
        return Err(DataError::layout(path, problem, "scale it down, or remove it"));
    }
    Ok(())
}

/// The file's format.
///
/// # Errors
/// [`PictureError`] if it is not one that is read.
pub(crate) fn format(path: &Path, bytes: &[u8]) -> Result<ImageFormat, DataError> {
    let path = path.to_owned();
    let error = match sniff(&bytes[..bytes.len().min(SNIFFED)]) {
        Content::Picture(format) => return Ok(format),
        Content::Unsupported(what, remedy) => {
            PictureError::Unsupported { path, what: what.to_owned(), remedy: remedy.to_owned() }
        }
        Content::Other(what, remedy) => PictureError::NotAnImage { path, what, remedy },
        Content::Unknown if bytes.is_empty() => PictureError::Empty { path },
        Content::Unknown if bytes.iter().all(|byte| *byte == 0) => {
            PictureError::Damaged { path, source: "all its bytes are 0".into() }
        }
        Content::Unknown => PictureError::NotAnImage {
            path,
            what: "a file of an unknown format",
            remedy: "convert it to PNG or JPEG if it is an image, otherwise remove it",
        },
    };
    Err(error.into())
}

/// The decoder of all formats but JPEG; it refuses to use much more memory than [`MAX_PIXELS`] need.
fn other<'a>(
    path: &Path,
    format: ImageFormat,
    bytes: &'a [u8],
) -> Result<impl ImageDecoder + use<'a>, DataError> {
    let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder();
    decoder.map_err(|error| refused(path, error))
}

fn header(decoder: &impl ImageDecoder) -> Header {
    let (width, height) = decoder.dimensions();
    let decoded = decoder.color_type();
    let colors = match decoder.original_color_type() {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => Colors::Cmyk,
        _ if decoded.has_color() => Colors::Rgb,
        _ => Colors::Gray,
    };
    let bits = (decoded.bits_per_pixel() / u16::from(decoded.channel_count())) as u8;
    let size = [height as usize, width as usize];
    Header { size, colors, alpha: decoded.has_alpha(), bits, orientation: 1, repaired: None }
}

pub(crate) fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Pnm => "PNM",
        _ => "another",
    }
}

/// A [`PictureError::Damaged`].
pub(crate) fn damaged(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataError {
    PictureError::Damaged { path: path.into(), source: source.into() }.into()
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..2 * 3 * 3).map(|i| i * 14).collect();
        // The name does not match the format.
        let path = folder.path().join("color.jpg");
        write_png(&path, [2, 3], 3, &pixels).unwrap();
        assert_eq!(read_rgb(&path).unwrap(), ([2, 3], pixels.clone()));
        assert!(matches!(write_png(&path, [2, 3], 3, &pixels), Err(DataError::Write { .. })), "once only");
        let path = folder.path().join("gray.png");
        write_png(&path, [1, 2], 1, &[7, 200]).unwrap();
        assert_eq!(read_rgb(&path).unwrap(), ([1, 2], vec![7, 7, 7, 200, 200, 200]));
        let error = write_png(&folder.path().join("x"), [1, 1], 2, &[0, 0]).unwrap_err().to_string();
        assert!(error.starts_with("pixels is \"1 x 1 x 2\""), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.png");
        write_png(&path, [2, 3], 3, &[9; 18]).unwrap();
        let bytes = fs::read(&path).unwrap();
        // The last 12 bytes are the end marker, which not every decoder waits for.
        for len in 0..bytes.len() - 12 {
            let path = folder.path().join("cut.png");
            fs::write(&path, &bytes[..len]).unwrap();
            let error = read_rgb(&path).unwrap_err();
            let (kind, text) = match len {
                0 => ("empty file", "cut.png is empty (0 bytes)"),
                1..8 => ("not an image", "cut.png is a file of an unknown format"),
                _ => ("damaged", "cut.png is damaged"),
            };
            assert_eq!(error.kind(), kind, "{len}");
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(matches!(read_rgb(&folder.path().join("none.png")), Err(DataError::Io { .. })));
    }
}
