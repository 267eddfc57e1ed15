//! Draws short texts into pictures.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Height of a line, in pixels.
pub const LINE: u32 = RasterHeight::Size16.val() as u32;
const WEIGHT: FontWeight = FontWeight::Regular;

/// Width of a text, in pixels.
pub fn width(text: &str) -> u32 {
    (text.chars().count() * get_raster_width(WEIGHT, RasterHeight::Size16)) as u32
}

/// Writes a line of text with its top left corner at `[left, top]`. Text outside the picture is cut off;
/// characters missing from the font become question marks.
pub fn write(picture: &mut RgbImage, text: &str, [left, top]: [u32; 2], color: Rgb<u8>) {
    let mut x = left;
    for character in text.chars() {
        let known = get_raster(character, WEIGHT, RasterHeight::Size16);
        let Some(raster) = known.or_else(|| get_raster('?', WEIGHT, RasterHeight::Size16)) else { continue };
        for (row, values) in raster.rows().enumerate() {
            for (column, &cover) in values.iter().enumerate() {
                let place = (x + column as u32, top + row as u32);
                if let Some(pixel) = picture.get_pixel_mut_checked(place.0, place.1) {
                    for (value, ink) in pixel.0.iter_mut().zip(color.0) {
                        let (under, over) = (f32::from(*value), f32::from(ink));
                        *value = (under + (over - under) * f32::from(cover) / 255.0).round() as u8;
                    }
                }
            }
        }
        x += raster.width() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_it_says_and_is_cut_at_the_border() {
        let color = Rgb([0, 0, 0]);
        let mut picture = RgbImage::from_pixel(width("mIoU é") + 2, LINE, Rgb([255; 3]));
        write(&mut picture, "mIoU é", [1, 0], color);
        assert!(picture.pixels().any(|pixel| pixel.0[0] < 60));
        let mut small = RgbImage::from_pixel(3, 3, Rgb([255; 3]));
        write(&mut small, "cut off", [0, 0], color);
    }
}
