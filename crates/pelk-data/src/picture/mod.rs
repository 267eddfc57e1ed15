//! Image files: reads any common format, writes PNG.

mod guard;
mod header;
mod jpeg;
pub(crate) mod sniff;
mod write;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader};

use crate::{DataError, PictureError};
use header::Header;
use jpeg::Jpeg;
use sniff::{Content, SNIFFED, sniff};

pub use guard::decoding;
pub(crate) use guard::guarded;
pub use header::Colors;
pub(crate) use write::write_png;

/// The largest number of pixels of an image: a quarter of a GiB as RGB, above which Pillow also suspects a
/// small file that unpacks to fill the memory.
const MAX_PIXELS: u64 = 89_478_485;
/// The largest number of bytes of a file: that many pixels as 16-bit RGB, uncompressed.
const MAX_BYTES: u64 = 6 * MAX_PIXELS;

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
        let format = format(path, bytes)?;
        let Header { colors, alpha, bits, .. } = match format {
            ImageFormat::Jpeg => Jpeg::new(bytes).map_err(|source| damaged(path, source))?.header,
            _ => header(&other(path, format, bytes)?),
        };
        // PNM's four endings are one format.
        let named_otherwise = ImageFormat::from_path(path).ok() != Some(format);
        Ok(Self { format: name(format), colors, alpha, bits, named_otherwise })
    }
}

/// Reads an image: its height and width, and its pixels as RGB bytes, height x width x 3.
///
/// Reads JPEG, PNG, BMP, GIF, WebP, TIFF and PNM, the first image if there are several; the content
/// determines the format, not the name. As in Pillow's `convert("RGB")`, and so torchvision: gray and CMYK
/// become RGB, alpha is dropped (transparent pixels show their color), 16 bits keep the upper 8 (gray, too,
/// which Pillow clips at 255 instead), and EXIF orientation is ignored.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read, [`DataError::Layout`] if it has more than 89 million pixels,
/// checked before memory is allocated, and [`DataError::Picture`] if it is not an image, is damaged, cut short
/// or of an unsupported format, or if its decoder fails.
pub fn read_rgb(path: &Path) -> Result<([usize; 2], Vec<u8>), DataError> {
    let bytes = read(path)?;
    guarded(path, || decode(path, &bytes))
}

/// [`read_rgb`] of these bytes of the file.
fn decode(path: &Path, bytes: &[u8]) -> Result<([usize; 2], Vec<u8>), DataError> {
    match format(path, bytes)? {
        ImageFormat::Jpeg => {
            let jpeg = Jpeg::new(bytes).map_err(|source| damaged(path, source))?;
            let size = jpeg.header.size;
            check_size(path, size)?;
            Ok((size, jpeg.decode().map_err(|source| damaged(path, source))?))
        }
        format => {
            let decoder = other(path, format, bytes)?;
            let Header { size, bits, .. } = header(&decoder);
            check_size(path, size)?;
            let picture = DynamicImage::from_decoder(decoder).map_err(|source| damaged(path, source))?;
            let pixels = match bits {
                16 => picture.into_rgb16().into_raw().into_iter().map(|value| (value >> 8) as u8).collect(),
                _ => picture.into_rgb8().into_raw(),
            };
            Ok((size, pixels))
        }
    }
}

/// The file's bytes.
fn read(path: &Path) -> Result<Vec<u8>, DataError> {
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

fn format(path: &Path, bytes: &[u8]) -> Result<ImageFormat, DataError> {
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
    decoder.map_err(|source| damaged(path, source))
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
    Header { size: [height as usize, width as usize], colors, alpha: decoded.has_alpha(), bits }
}

fn name(format: ImageFormat) -> &'static str {
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
mod tests {
    use std::fs;
    use std::path::PathBuf;

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

    /// The images of 14 x 21 pixels made by `tests/fixtures/generate/pictures.py`.
    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures").join(name)
    }

    /// Files that Pillow reads, and by how much values may differ: JPEG's transform and colors are rounded
    /// elsewhere, and color stored at half the size is scaled up by another filter.
    const GOLDEN: [(&str, u8, &str, Colors, bool, u8); 22] = [
        ("420.jpg", 2, "JPEG", Colors::Rgb, false, 8),
        ("444.jpg", 2, "JPEG", Colors::Rgb, false, 8),
        ("progressive.jpg", 2, "JPEG", Colors::Rgb, false, 8),
        ("restarts.jpg", 2, "JPEG", Colors::Rgb, false, 8),
        ("gray.jpg", 1, "JPEG", Colors::Gray, false, 8),
        ("rotated.jpg", 2, "JPEG", Colors::Rgb, false, 8),
        ("cmyk.jpg", 1, "JPEG", Colors::Cmyk, false, 8),
        ("ycck.jpg", 1, "JPEG", Colors::Cmyk, false, 8),
        ("alpha.png", 0, "PNG", Colors::Rgb, true, 8),
        ("gray.png", 0, "PNG", Colors::Gray, false, 8),
        ("gray-alpha.png", 0, "PNG", Colors::Gray, true, 8),
        ("palette.png", 0, "PNG", Colors::Rgb, false, 8),
        ("palette-transparent.png", 0, "PNG", Colors::Rgb, true, 8),
        ("bits.png", 0, "PNG", Colors::Gray, false, 8),
        ("interlaced.png", 0, "PNG", Colors::Rgb, false, 8),
        ("deep.png", 0, "PNG", Colors::Rgb, false, 16),
        ("deep-gray.png", 0, "PNG", Colors::Gray, false, 16),
        ("colors.webp", 0, "WebP", Colors::Rgb, false, 8),
        ("colors.bmp", 0, "BMP", Colors::Rgb, false, 8),
        ("colors.gif", 0, "GIF", Colors::Rgb, true, 8),
        ("colors.tif", 0, "TIFF", Colors::Rgb, false, 8),
        ("colors.ppm", 0, "PNM", Colors::Rgb, false, 8),
    ];

    #[test]
    fn pictures_of_every_kind_are_read_as_pillow_reads_them() {
        for (name, tolerance, ..) in
            GOLDEN.into_iter().chain([("png-in-truth.jpg", 0, "", Colors::Rgb, false, 8)])
        {
            let (size, pixels) = read_rgb(&fixture(name)).unwrap();
            let expected = fs::read(fixture(&format!("{name}.rgb"))).unwrap();
            assert_eq!((size, pixels.len()), ([14, 21], expected.len()), "{name}");
            let worst = pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(tolerance), "{name}: {worst:?}");
        }
    }

    #[test]
    fn the_kind_of_a_picture_is_told_from_its_header() {
        for (name, _, format, colors, alpha, bits) in GOLDEN {
            let kind = ImageKind { format, colors, alpha, bits, named_otherwise: false };
            assert_eq!(ImageKind::of(&fixture(name)).unwrap(), kind, "{name}");
        }
        let kind = ImageKind::of(&fixture("png-in-truth.jpg")).unwrap();
        assert!(kind.format == "PNG" && kind.named_otherwise);
    }

    #[test]
    fn every_truncated_jpeg_is_an_error() {
        let path = Path::new("cut.jpg");
        for (name, ..) in GOLDEN.into_iter().filter(|(name, ..)| name.ends_with("jpg")) {
            let bytes = fs::read(fixture(name)).unwrap();
            for len in 0..bytes.len() {
                let error = decode(path, &bytes[..len]).unwrap_err();
                let kind = ["empty file", "not an image", "not an image", "damaged"][len.min(3)];
                assert_eq!(error.kind(), kind, "{name} {len}: {error}");
            }
            let more = [&bytes, &[0; 100][..]].concat();
            assert!(decode(path, &more).is_ok(), "bytes after the end are ignored");
        }
    }

    #[test]
    fn sizes_that_lie_are_refused_before_memory_is_allocated() {
        let mut jpeg = fs::read(fixture("420.jpg")).unwrap();
        let frame = jpeg.windows(2).position(|mark| mark == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        let mut png = fs::read(fixture("gray.png")).unwrap();
        png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        for (bytes, text) in [(jpeg, "announces 65535 x 65535 pixels"), (png, "large is damaged")] {
            let error = decode(Path::new("large"), &bytes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
