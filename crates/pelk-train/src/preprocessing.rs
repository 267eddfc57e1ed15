//! Prepares pictures for a network: size, channels and range of values.

use crate::error::{Result, TrainError};
use image::imageops::{FilterType, resize};
use image::{DynamicImage, RgbImage};
use pelk_data::{DataError, EvaluationTransform, Exif, Normalization};
use pelk_simd::Level;
use std::path::Path;

/// Decodes a file the way training does, see [`pelk_data::read_rgb`].
///
/// # Errors
/// When it cannot be read.
pub fn open_image(path: &Path) -> Result<DynamicImage> {
    open_upright(path, Exif::Ignore)
}

/// [`open_image`], turned upright if `exif` says so, see [`pelk_data::read_upright`]; a network's is in its
/// description, as [`DataConfig::exif`](crate::DataConfig::exif).
///
/// # Errors
/// When it cannot be read.
pub fn open_upright(path: &Path, exif: Exif) -> Result<DynamicImage> {
    let ([height, width], pixels) = pelk_data::read_upright(path, exif)?;
    let image = RgbImage::from_raw(width as u32, height as u32, pixels);
    Ok(image.expect("as many bytes as its size says").into())
}

/// The image resized to `[height, width, channels]` and normalized as in training.
///
/// # Errors
/// When `channels` is neither 1 nor 3.
pub fn resized(
    image: &DynamicImage,
    [height, width, channels]: [usize; 3],
    filter: FilterType,
    normalization: &Normalization,
) -> Result<Vec<f32>> {
    let image = match (image.height() as usize, image.width() as usize) == (height, width) {
        true => image.clone(),
        false => exactly(image, [width as u32, height as u32], filter),
    };
    Ok(normalized(&bytes(&image, channels)?, normalization))
}

/// The image of 8 bits at another size. `DynamicImage::resize_exact` would bring a filter for each of its ten
/// kinds of pixel into the program.
fn exactly(image: &DynamicImage, [width, height]: [u32; 2], filter: FilterType) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(gray) => resize(gray, width, height, filter).into(),
        DynamicImage::ImageRgb8(color) => resize(color, width, height, filter).into(),
        other => resize(&other.to_rgb8(), width, height, filter).into(),
    }
}

/// The image as the classifier's evaluations see it, with its new height and width: after their `transform`,
/// or else resized to `[height, width, channels]` of the training images.
///
/// # Errors
/// When `channels` is neither 1 nor 3, or `PELK_SIMD` does not name a level of this processor.
pub fn evaluated(
    image: &DynamicImage,
    transform: Option<&EvaluationTransform>,
    [height, width, channels]: [usize; 3],
    normalization: &Normalization,
) -> Result<(Vec<f32>, [usize; 2])> {
    let Some(transform) = transform else {
        let values = resized(image, [height, width, channels], FilterType::Triangle, normalization)?;
        return Ok((values, [height, width]));
    };
    let size = [image.height() as usize, image.width() as usize];
    let level = Level::from_env().map_err(DataError::from)?;
    let square = transform.apply(level, &bytes(image, channels)?, size, channels);
    Ok((normalized(&square, normalization), [transform.size; 2]))
}

fn bytes(image: &DynamicImage, channels: usize) -> Result<Vec<u8>> {
    match channels {
        1 => Ok(image.to_luma8().into_raw()),
        3 => Ok(image.to_rgb8().into_raw()),
        channels => Err(TrainError::ImageChannels { channels }),
    }
}

/// Bytes, channels innermost, as normalized network input.
pub fn normalized(bytes: &[u8], normalization: &Normalization) -> Vec<f32> {
    let mut values: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    normalization.apply(&mut values);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn an_image_becomes_values_of_the_network_s_shape() {
        let image = DynamicImage::from(RgbImage::from_pixel(4, 2, Rgb([51, 102, 255])));
        let normalization = Normalization { mean: vec![0.2, 0.2, 0.2], std: vec![0.2, 0.1, 0.4] };
        let values = |shape| resized(&image, shape, FilterType::CatmullRom, &normalization).unwrap();
        for shape in [[2, 4, 3], [3, 2, 3]] {
            let values = values(shape);
            assert_eq!(values.len(), shape.iter().product::<usize>());
            for pixel in values.chunks(3) {
                for (value, expected) in pixel.iter().zip([0.0, 2.0, 2.0]) {
                    assert!((value - expected).abs() < 1e-6, "{pixel:?}");
                }
            }
        }
    }

    #[test]
    fn a_classifier_sees_what_it_sees_in_evaluations() {
        let image = DynamicImage::from(RgbImage::from_fn(9, 5, |x, y| Rgb([20 * x as u8, 50 * y as u8, 7])));
        let normalization = Normalization::identity(3);
        let transform = EvaluationTransform { size: 4, crop_ratio: 0.8, fit: [0, 0] };
        let (values, size) = evaluated(&image, Some(&transform), [6, 6, 3], &normalization).unwrap();
        let expected = transform.apply(Level::best(), image.as_bytes(), [5, 9], 3);
        assert_eq!(size, [4, 4]);
        assert_eq!(values, expected.iter().map(|&byte| f32::from(byte) / 255.0).collect::<Vec<_>>());
        let (values, size) = evaluated(&image, None, [6, 2, 3], &normalization).unwrap();
        assert_eq!((values.len(), size), (36, [6, 2]));
    }

    #[test]
    fn a_missing_file_and_odd_channels_are_refused_by_name() {
        let missing = open_image(Path::new("no-such.png")).unwrap_err().to_string();
        assert!(missing.contains("no-such.png"), "{missing}");
        let image = DynamicImage::new_luma8(2, 2);
        let error =
            resized(&image, [2, 2, 2], FilterType::Triangle, &Normalization::identity(2)).unwrap_err();
        assert!(error.to_string().contains("2 channels"), "{error}");
    }
}
