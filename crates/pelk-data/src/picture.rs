//! Files with pictures: any common format in, PNG out.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use image::ImageReader;

use crate::DataError;

/// A picture's height and width, and its pixels as RGB bytes, height x width x 3; grey becomes colour, opacity and what
/// exceeds 8 bits are dropped.
pub(crate) fn read_rgb(path: &Path) -> Result<([usize; 2], Vec<u8>), DataError> {
    let io_error = |source| DataError::Io { path: path.into(), source };
    let file = BufReader::new(File::open(path).map_err(io_error)?);
    // The content says what the format is, the name need not. The decoders refuse sizes beyond a fixed limit.
    let reader = ImageReader::new(file).with_guessed_format().map_err(io_error)?;
    let picture = reader.decode().map_err(|source| damaged(path, source))?.into_rgb8();
    Ok(([picture.height() as usize, picture.width() as usize], picture.into_raw()))
}

/// A [`DataError::Picture`].
pub(crate) fn damaged(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataError {
    DataError::Picture { path: path.into(), source: source.into() }
}

/// Writes bytes, height x width x channels (1 for grey, 3 for RGB), as a PNG.
pub(crate) fn write_png(
    path: &Path,
    [height, width]: [usize; 2],
    channels: usize,
    pixels: &[u8],
) -> Result<(), DataError> {
    let error = |source| DataError::Write { path: path.into(), source };
    let (colour, [height, width]) = match (channels, [height, width].map(u32::try_from)) {
        (1, [Ok(height), Ok(width)]) => (png::ColorType::Grayscale, [height, width]),
        (3, [Ok(height), Ok(width)]) => (png::ColorType::Rgb, [height, width]),
        _ => {
            let found = format!("{height} x {width} x {channels}");
            return Err(DataError::config("pixels", found, "grey or RGB, at most 2^32 high and wide"));
        }
    };
    let mut encoder =
        png::Encoder::new(BufWriter::new(File::create_new(path).map_err(error)?), width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    written.map_err(|source| error(source.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..2 * 3 * 3).map(|i| i * 14).collect();
        // The name does not say the format.
        let path = folder.path().join("colour.jpg");
        write_png(&path, [2, 3], 3, &pixels).unwrap();
        assert_eq!(read_rgb(&path).unwrap(), ([2, 3], pixels.clone()));
        assert!(matches!(write_png(&path, [2, 3], 3, &pixels), Err(DataError::Write { .. })), "once only");
        let path = folder.path().join("grey.png");
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
        // What follows the last pixel's checksum is the mark of the end, 12 bytes, which not every decoder waits for.
        for len in 0..bytes.len() - 12 {
            let path = folder.path().join("cut.png");
            fs::write(&path, &bytes[..len]).unwrap();
            let error = read_rgb(&path).unwrap_err();
            assert!(matches!(error, DataError::Picture { .. }), "{len}: {error}");
            assert!(error.to_string().contains("cut.png is damaged"), "{error}");
        }
        assert!(matches!(read_rgb(&folder.path().join("none.png")), Err(DataError::Io { .. })));
    }
}
