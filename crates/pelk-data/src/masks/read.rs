//! Masks: PNG files whose pixels stand for classes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};

use crate::picture::{damaged, guarded};
use crate::{DataError, IGNORED, PictureError};

/// The meaning of a mask's pixels.
#[derive(Debug)]
pub(crate) struct Coding {
    /// The label of each value of gray and indexed masks.
    pub values: Vec<u32>,
    /// The label of each color of colored masks; empty if there are no colored masks.
    pub colors: BTreeMap<[u8; 3], u32>,
}

/// The labels of a mask, height x width; it belongs to the image `picture` of height and width `size`.
pub(crate) fn read_mask(
    path: &Path,
    coding: &Coding,
    picture: &Path,
    size: [usize; 2],
) -> Result<Vec<u32>, DataError> {
    guarded(path, || decode(path, coding, picture, size))
}

fn decode(path: &Path, coding: &Coding, picture: &Path, size: [usize; 2]) -> Result<Vec<u32>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io { path: path.into(), source })?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    // The raw numbers: neither a palette's colors nor grays scaled to bytes.
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|source| damaged(path, source))?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let (color, depth) = reader.output_color_type();
    if [height, width] != size {
        let partner = picture.display().to_string();
        let (path, found, expected) = (path.into(), [height, width], size);
        return Err(PictureError::PartnerSize { path, found, partner, expected, turned: false }.into());
    }
    // An image of this size was decoded, so the mask does not need more memory than that.
    let length = reader.output_buffer_size().ok_or_else(|| damaged(path, "it is too large"))?;
    let mut bytes = vec![0; length];
    let frame = reader.next_frame(&mut bytes).map_err(|source| damaged(path, source))?;
    if [frame.height as usize, frame.width as usize] != size {
        return Err(damaged(path, "its first frame is smaller than the image"));
    }
    let rows = bytes.chunks_exact(frame.line_size).take(height);
    let label = |place: usize, label: Option<u32>, found: &dyn Fn() -> String| {
        label.ok_or_else(|| {
            let classes = coding.values.iter().filter(|label| **label != IGNORED).count();
            let expected =
                format!("which stands for none of the {classes} classes: correct the mask or name the class");
            let (path, at) = (path.into(), [place / width, place % width]);
            DataError::from(PictureError::MaskValue { path, at, found: found(), expected })
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
                    let known = coding.values.get(usize::from(value)).copied();
                    labels.push(label(labels.len(), known, &|| format!("the value {value}"))?);
                }
            }
        }
        (ColorType::Rgb | ColorType::Rgba, BitDepth::Eight) if !coding.colors.is_empty() => {
            for pixel in rows.flat_map(|row| row.chunks_exact(color.samples())) {
                let color @ [red, green, blue] = [pixel[0], pixel[1], pixel[2]];
                let known = coding.colors.get(&color).copied();
                let found = || format!("the color {red} {green} {blue}");
                labels.push(label(labels.len(), known, &found)?);
            }
        }
        _ => {
            let found = format!("a PNG of {color:?} pixels with {} bits a channel", depth as u8);
            let expected = if coding.colors.is_empty() {
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
    use std::fs;
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
        for (color, depth, bytes, text) in [
            (ColorType::Grayscale, BitDepth::Sixteen, 2, "Grayscale pixels with 16 bits"),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, 2, "GrayscaleAlpha pixels with 8 bits"),
            (ColorType::Rgb, BitDepth::Sixteen, 6, "Rgb pixels with 16 bits"),
        ] {
            let (_folder, path) = file(color, depth, [1, 1], &vec![0; bytes]);
            let error = read(&path, [1, 1]).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("or to RGB"), "{error}");
        }
        let (_folder, path) = file(ColorType::Rgb, BitDepth::Eight, [1, 1], &[0; 3]);
        let gray_only = Coding { values: vec![0], colors: BTreeMap::new() };
        let error = read_mask(&path, &gray_only, &path, [1, 1]).unwrap_err().to_string();
        assert!(error.ends_with("convert it to gray or indexed pixels of up to 8 bits"), "{error}");
    }

    #[test]
    fn damage_is_an_error_that_names_the_file() {
        let (_folder, path) = file(ColorType::Grayscale, BitDepth::Eight, [2, 2], &[0, 1, 1, 0]);
        let bytes = fs::read(&path).unwrap();
        for len in 0..bytes.len() - 12 {
            fs::write(&path, &bytes[..len]).unwrap();
            let error = read(&path, [2, 2]).unwrap_err();
            let named = matches!(
                &error,
                DataError::Picture(PictureError::Damaged { path: named, .. }) if *named == path
            );
            assert!(named, "{len}: {error}");
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
