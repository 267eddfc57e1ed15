//! Writes PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::DataError;

/// Writes bytes, height x width x channels (1 for gray, 3 for RGB), as a PNG.
pub(crate) fn write_png(
    path: &Path,
    [height, width]: [usize; 2],
    channels: usize,
    pixels: &[u8],
) -> Result<(), DataError> {
    let error = |source| DataError::Write { path: path.into(), source };
    let (color, [height, width]) = match (channels, [height, width].map(u32::try_from)) {
        (1, [Ok(height), Ok(width)]) => (png::ColorType::Grayscale, [height, width]),
        (3, [Ok(height), Ok(width)]) => (png::ColorType::Rgb, [height, width]),
        _ => {
            let found = format!("{height} x {width} x {channels}");
            return Err(DataError::config("pixels", found, "gray or RGB, less than 2^32 high and wide"));
        }
    };
    let mut encoder =
        png::Encoder::new(BufWriter::new(File::create_new(path).map_err(error)?), width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    written.map_err(|source| error(source.into()))
}
