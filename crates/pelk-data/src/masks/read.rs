//! Masks: PNG files whose pixels stand for classes.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use image::ImageFormat;

use png::{BitDepth, ColorType, Transformations};

use crate::picture::{self, damaged, guarded};
use crate::{DataError, IGNORED, PictureError};

/// The meaning of a mask's pixels.
#[derive(Debug)]
pub(crate) struct Coding {
    /// The label of each value of gray and indexed masks. A value beyond them that is shown in one of
    /// `colors` has its label: white, 255, in a black and white mask. Any other 255 is [`IGNORED`], as in
    /// PASCAL VOC and Cityscapes.
    pub values: Vec<u32>,
    /// The label of each color of colored masks; empty if there are no colored masks.
    pub colors: BTreeMap<[u8; 3], u32>,
}

impl Coding {
    /// The label of a value that is shown in this color.
    fn label(&self, value: u8, color: [u8; 3]) -> Option<u32> {
        let label = self.values.get(usize::from(value)).or_else(|| self.colors.get(&color));
        label.copied().or_else(|| (value == 255).then_some(IGNORED))
    }
}

/// The labels of a mask, height x width; it belongs to the image `picture` of height and width `size`.
pub(crate) fn read_mask(
    path: &Path,
    coding: &Coding,
    picture: &Path,
    size: [usize; 2],
) -> Result<Vec<u32>, DataError> {
    let bytes = picture::read(path)?;
    guarded(path, || decode(path, &bytes, coding, picture, size))
}

/// Refuses what is not a PNG.
fn check_format(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let path = path.to_owned();
    let found = match picture::format(&path, bytes)? {
        ImageFormat::Png => return Ok(()),
        ImageFormat::Jpeg => return Err(PictureError::LossyMask { path, format: "JPEG" }.into()),
        ImageFormat::WebP if bytes.get(12..16) != Some(b"VP8L") => {
            return Err(PictureError::LossyMask { path, format: "WebP" }.into());
        }
        format => format!("a {} file", picture::name(format)),
    };
    let expected = "PNG, for example with `magick FILE FILE.png`";
    Err(PictureError::MaskFormat { path, found, expected }.into())
}

fn decode(
    path: &Path,
    bytes: &[u8],
    coding: &Coding,
    picture: &Path,
    size: [usize; 2],
) -> Result<Vec<u32>, DataError> {
    check_format(path, bytes)?;
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // The raw numbers: neither a palette's colors nor grays scaled to bytes.
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|source| damaged(path, source))?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let (color, depth) = reader.output_color_type();
    if [height, width] != size {
        let partner = picture.display().to_string();
        let (path, found, expected) = (path.into(), [height, width], size);
        let turned = [width, height] == size && picture::swaps_sides(picture);
        return Err(PictureError::PartnerSize { path, found, partner, expected, turned }.into());
    }
    // An image of this size was decoded, so the mask does not need more memory than that.
    let length = reader.output_buffer_size().ok_or_else(|| damaged(path, "it is too large"))?;
    let mut bytes = vec![0; length];
    let frame = reader.next_frame(&mut bytes).map_err(|source| damaged(path, source))?;
    if [frame.height as usize, frame.width as usize] != size {
        return Err(damaged(path, "its first frame is smaller than the image"));
    }
    // The colors of an indexed mask's values: nothing but a value beyond the classes asks for them.
    let palette = reader.info().palette.clone();
    let shown = |value: u8| match (&palette, color) {
        (Some(palette), ColorType::Indexed) => {
            palette.get(3 * usize::from(value)..).and_then(|rest| rest.first_chunk().copied())
        }
        _ => Some([value; 3]),
    };
    let rows = bytes.chunks_exact(frame.line_size).take(height);
    let label = |place: usize, label: Option<u32>, found: &dyn Fn() -> String| {
        label.ok_or_else(|| {
            let classes = coding.values.iter().filter(|label| **label != IGNORED).count();
            let (path, at) = (path.into(), [place / width, place % width]);
            DataError::from(PictureError::MaskValue { path, at, found: found(), classes })
        })
    };
    let mut labels = Vec::with_capacity(height * width);
    match (color, depth) {
        (
            ColorType::Grayscale | ColorType::Indexed,
            BitDepth::One | BitDepth::Two | BitDepth::Four | BitDepth::Eight,
        ) => {
            let bits = depth as usize;
            for row in rows {
                for x in 0..width {
                    // The first pixel of a byte is in its highest bits.
                    let shift = 8 - bits - x * bits % 8;
                    let value = row[x * bits / 8] >> shift & (255 >> (8 - bits));
                    let known = match coding.values.get(usize::from(value)) {
                        Some(label) => Some(*label),
                        None => coding.label(value, shown(value).unwrap_or_default()),
                    };
                    labels.push(label(labels.len(), known, &|| format!("the value {value}"))?);
                }
            }
        }
        (ColorType::Rgb | ColorType::Rgba, BitDepth::Eight) if !coding.colors.is_empty() => {
            for pixel in rows.flat_map(|row| row.chunks_exact(color.samples())) {
                let color @ [red, green, blue] = [pixel[0], pixel[1], pixel[2]];
                let known = coding.colors.get(&color).copied();
                let found = || {
                    let found = format!("the color {red} {green} {blue}");
                    let equal = red == green && red == blue && coding.values.get(usize::from(red)).is_some();
                    let hint = "its channels are equal, so if it holds the numbers of classes, save it in \
                                gray, for example with `magick FILE -channel R -separate FILE.png`";
                    if equal { format!("{found} ({hint})") } else { found }
                };
                labels.push(label(labels.len(), known, &found)?);
            }
        }
        _ => {
            let mut found = format!("a PNG of {color:?} pixels with {} bits a channel", depth as u8);
            let full = coding.colors.is_empty() && color == ColorType::Rgb && depth == BitDepth::Eight;
            let expected = if full {
                found += ", as in the full ADE20K, which codes thousands of classes in red and green";
                "gray with the numbers of the classes, or use the 150 classes of ADEChallengeData2016.zip"
            } else if coding.colors.is_empty() {
                "gray or indexed pixels of up to 8 bits"
            } else {
                "gray or indexed pixels of up to 8 bits, or to RGB with 8 bits a channel"
            };
            return Err(PictureError::MaskFormat { path: path.into(), found, expected }.into());
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;

    use super::*;

    /// A PNG of these bytes in a folder of its own.
    fn file(
        color: ColorType,
        depth: BitDepth,
        [height, width]: [u32; 2],
        bytes: &[u8],
    ) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette([[9, 9, 9]; 16].concat());
        }
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        (folder, path)
    }

    fn read(path: &Path, size: [usize; 2]) -> Result<Vec<u32>, DataError> {
        let colors = BTreeMap::from([([0, 0, 0], 0), ([255, 0, 9], 1)]);
        read_mask(path, &Coding { values: vec![0, 1, IGNORED, 2], colors }, Path::new("the image"), size)
    }

    #[test]
    fn values_are_read_as_they_are_whatever_their_bits() {
        use BitDepth::{Eight, Four, One, Two};
        for color in [ColorType::Grayscale, ColorType::Indexed] {
            // Rows start at whole bytes.
            for (depth, bytes, values) in [
                (One, &[0b0110_0000, 0b1000_0000][..], [0, 1, 1, 1, 0, 0]),
                (Two, &[0b0001_1100, 0b1110_0100], [0, 1, 3, 3, 2, 1]),
                (Four, &[0x01, 0x30, 0x32, 0x10], [0, 1, 3, 3, 2, 1]),
                (Eight, &[0, 1, 3, 3, 2, 1], [0, 1, 3, 3, 2, 1]),
            ] {
                let (_folder, path) = file(color, depth, [2, 3], bytes);
                let expected = values.map(|value| [0, 1, IGNORED, 2][value]);
                assert_eq!(read(&path, [2, 3]).unwrap(), expected, "{color:?} {depth:?}");
            }
        }
    }

    #[test]
    fn colors_are_looked_up() {
        let (_folder, path) = file(ColorType::Rgb, BitDepth::Eight, [1, 2], &[255, 0, 9, 0, 0, 0]);
        assert_eq!(read(&path, [1, 2]).unwrap(), [1, 0]);
        let (_folder, path) = file(ColorType::Rgba, BitDepth::Eight, [1, 2], &[255, 0, 9, 0, 0, 0, 0, 255]);
        assert_eq!(read(&path, [1, 2]).unwrap(), [1, 0]);
        let (_folder, path) = file(ColorType::Rgb, BitDepth::Eight, [2, 1], &[255, 0, 9, 1, 2, 3]);
        let error = read(&path, [2, 1]).unwrap_err().to_string();
        assert!(
            error.contains("mask.png: the pixel in row 1, column 0 (from 0) has the color 1 2 3"),
            "{error}"
        );
    }

    #[test]
    fn a_value_beyond_the_classes_is_named_with_its_place() {
        let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, [2, 2], &[0, 1, 3, 4]);
        let error = read(&path, [2, 2]).unwrap_err().to_string();
        let expected = "row 1, column 1 (from 0) has the value 4, which stands for none of the 3 classes";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn other_sizes_and_formats_are_refused() {
        let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, [2, 2], &[0; 4]);
        let error = read(&path, [2, 3]).unwrap_err().to_string();
        assert!(error.contains("mask.png has 2 x 2 pixels, but the image says 2 x 3"), "{error}");
        // 14 x 21 pixels, to be turned by 90 degrees.
        let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures/rotated.jpg");
        let coding = Coding { values: vec![0], colors: BTreeMap::new() };
        for (size, kind) in [([21, 14], "size differs by EXIF orientation"), ([21, 15], "size differs")] {
            let bytes = vec![0; (size[0] * size[1]) as usize];
            let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, size, &bytes);
            let error = read_mask(&path, &coding, &photo, [14, 21]).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.to_string().contains("EXIF orientation"), size == [21, 14], "{error}");
        }
        for (color, depth, bytes, text) in [
            (ColorType::Grayscale, BitDepth::Sixteen, 2, "Grayscale pixels with 16 bits"),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, 2, "GrayscaleAlpha pixels with 8 bits"),
            (ColorType::Rgb, BitDepth::Sixteen, 6, "Rgb pixels with 16 bits"),
        ] {
            let (_folder, path) = file(color, depth, [1, 1], &vec![0; bytes]);
            let error = read(&path, [1, 1]).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("or to RGB"), "{error}");
        }
        for (depth, bytes, text) in [
            (BitDepth::Eight, 3, "as in the full ADE20K"),
            (BitDepth::Sixteen, 6, "convert it to gray or indexed pixels of up to 8 bits"),
        ] {
            let (_folder, path) = file(ColorType::Rgb, depth, [1, 1], &vec![0; bytes]);
            let gray_only = Coding { values: vec![0], colors: BTreeMap::new() };
            let error = read_mask(&path, &gray_only, &path, [1, 1]).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn white_is_its_class_and_any_other_255_is_ignored() {
        let coding = |colors: &[([u8; 3], u32)]| Coding {
            values: colors.iter().map(|(_, label)| *label).collect(),
            colors: colors.iter().copied().collect(),
        };
        let black_and_white = coding(&[([0; 3], 0), ([255; 3], 1)]);
        let voc = coding(&[([0; 3], 0), ([128, 0, 0], 1), ([224, 224, 192], IGNORED)]);
        let gray = |coding: &Coding, bytes: &[u8]| {
            let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, [1, bytes.len() as u32], bytes);
            read_mask(&path, coding, &path, [1, bytes.len()])
        };
        assert_eq!(gray(&black_and_white, &[0, 255, 1]).unwrap(), [0, 1, 1]);
        assert_eq!(gray(&voc, &[0, 1, 255, 2]).unwrap(), [0, 1, IGNORED, IGNORED]);
        assert!(gray(&black_and_white, &[254]).is_err() && gray(&voc, &[254]).is_err());
        // ADE20K has no colors; a mask of 256 classes has no other 255.
        let ade = Coding { values: vec![IGNORED, 0], colors: BTreeMap::new() };
        assert_eq!(gray(&ade, &[0, 1, 255]).unwrap(), [IGNORED, 0, IGNORED]);
        let all = Coding { values: (0..256).collect(), colors: BTreeMap::new() };
        assert_eq!(gray(&all, &[7, 255]).unwrap(), [7, 255]);
        // An indexed mask shows 255 in the color of its palette.
        for (white, expected) in [([255; 3], 1), ([224, 224, 192], IGNORED)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("mask.png");
            let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 2, 1);
            encoder.set_color(ColorType::Indexed);
            let mut palette = vec![0; 765];
            palette.extend(white);
            encoder.set_palette(palette);
            encoder.write_header().unwrap().write_image_data(&[0, 255]).unwrap();
            assert_eq!(read_mask(&path, &black_and_white, &path, [1, 2]).unwrap(), [0, expected]);
        }
    }

    #[test]
    fn lossy_masks_and_other_formats_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        for (bytes, kind, text) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], "lossy mask", "is a JPEG file, which does not keep values"),
            (b"RIFF\x20\0\0\0WEBPVP8 \x14\0\0\0", "lossy mask", "is a WebP file, which does not keep values"),
            (b"RIFF\x20\0\0\0WEBPVP8L\x14\0\0\0", "mask in another pixel format", "is a WebP file: convert"),
            (b"II*\0\x08\0\0\0", "mask in another pixel format", "is a TIFF file: convert it to PNG"),
            (b"<html>", "not an image", "is an HTML page"),
            (b"", "empty file", "is empty (0 bytes)"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, [1, 1]).unwrap_err();
            assert!(error.kind() == kind && error.to_string().contains(text), "{error}");
        }
        let (_folder, path) = file(ColorType::Rgb, BitDepth::Eight, [1, 1], &[1; 3]);
        let error = read(&path, [1, 1]).unwrap_err().to_string();
        assert!(error.contains("the color 1 1 1 (its channels are equal"), "{error}");
    }

    #[test]
    fn damage_is_an_error_that_names_the_file() {
        let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, [2, 2], &[0, 1, 1, 0]);
        let bytes = fs::read(&path).unwrap();
        for len in 0..bytes.len() - 12 {
            fs::write(&path, &bytes[..len]).unwrap();
            let error = read(&path, [2, 2]).unwrap_err();
            let kind = if len == 0 {
                "empty file"
            } else if len < 8 {
                "not an image"
            } else {
                "damaged"
            };
            assert!(error.kind() == kind && error.to_string().contains("mask.png is"), "{len}: {error}");
        }
        // Header and pixels carry checksums.
        for bit in 0..(bytes.len() - 12) * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            assert!(read(&path, [2, 2]).is_err(), "bit {bit}");
        }
    }
}
