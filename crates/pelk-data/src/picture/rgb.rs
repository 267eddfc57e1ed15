//! Decoded pixels as RGB bytes.

use image::ColorType;

/// The pixels as RGB bytes: gray is repeated, alpha is dropped, 16 bits keep the upper 8, and of `f32` 1 is
/// 255. This happens in place where it can: large pictures would take their memory twice.
pub(super) fn rgb(color: ColorType, mut pixels: Vec<u8>) -> Vec<u8> {
    let channels = usize::from(color.channel_count());
    let bytes = usize::from(color.bytes_per_pixel());
    let size = bytes / channels;
    let value = |at: &[u8]| match *at {
        [value] => value,
        [low, high] => (u16::from_ne_bytes([low, high]) >> 8) as u8,
        [a, b, c, d] => fraction(f32::from_ne_bytes([a, b, c, d])),
        _ => unreachable!("channels have 1, 2 or 4 bytes"),
    };
    let colors = |pixel: &[u8]| match channels {
        3 | 4 => [0, 1, 2].map(|channel| value(&pixel[channel * size..][..size])),
        _ => [value(&pixel[..size]); 3],
    };
    if bytes < 3 {
        return pixels.chunks_exact(bytes).flat_map(colors).collect();
    }
    if color == ColorType::Rgb8 {
        return pixels;
    }
    let count = pixels.len() / bytes;
    for place in 0..count {
        let colors = colors(&pixels[place * bytes..][..bytes]);
        pixels[3 * place..][..3].copy_from_slice(&colors);
    }
    pixels.truncate(3 * count);
    pixels.shrink_to_fit();
    pixels
}

/// A value from 0 to 1 as a byte; NaN is white, as in `image`.
fn fraction(value: f32) -> u8 {
    if value < 1.0 { (value.max(0.0) * 255.0).round() as u8 } else { 255 }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA};
    use image::{Rgb, Rgb32FImage, RgbImage, Rgba, Rgba32FImage, RgbaImage};

    use super::*;

    #[test]
    fn pixels_become_rgb_as_image_converts_them() {
        let bytes: Vec<u8> = (0..1600_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let wide: Vec<u16> = bytes.chunks_exact(2).map(|it| u16::from_ne_bytes([it[0], it[1]])).collect();
        let floats: Vec<f32> =
            bytes.iter().map(|&it| f32::from(it) / 200.0 - 0.1).chain([f32::NAN; 4]).collect();
        let [b, w, f] = [1, 2, 3].map(|channels| channels * 100);
        let images: [DynamicImage; 10] = [
            GrayImage::from_raw(10, 10, bytes[..b].to_vec()).unwrap().into(),
            GrayAlphaImage::from_raw(10, 10, bytes[..w].to_vec()).unwrap().into(),
            RgbImage::from_raw(10, 10, bytes[..f].to_vec()).unwrap().into(),
            RgbaImage::from_raw(10, 10, bytes[..400].to_vec()).unwrap().into(),
            ImageBuffer::<Luma<u16>, _>::from_raw(10, 10, wide[..b].to_vec()).unwrap().into(),
            ImageBuffer::<LumaA<u16>, _>::from_raw(10, 10, wide[..w].to_vec()).unwrap().into(),
            ImageBuffer::<Rgb<u16>, _>::from_raw(10, 10, wide[..f].to_vec()).unwrap().into(),
            ImageBuffer::<Rgba<u16>, _>::from_raw(10, 10, wide[..400].to_vec()).unwrap().into(),
            Rgb32FImage::from_raw(10, 10, floats[floats.len() - f..].to_vec()).unwrap().into(),
            Rgba32FImage::from_raw(10, 10, floats[floats.len() - 400..].to_vec()).unwrap().into(),
        ];
        for image in images {
            let color = image.color();
            let raw = image.as_bytes().to_vec();
            let expected = match color.bytes_per_pixel() / color.channel_count() {
                2 => image.into_rgb16().into_raw().into_iter().map(|value| (value >> 8) as u8).collect(),
                _ => image.into_rgb8().into_raw(),
            };
            assert_eq!(rgb(color, raw), expected, "{color:?}");
        }
    }
}
