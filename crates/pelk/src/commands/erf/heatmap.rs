//! Heat maps of fields, alone and side by side.

use image::imageops::{FilterType, replace, resize};
use image::{Rgb, RgbImage};
use pelk_models::receptive_field::Field;

/// Small maps are enlarged by a whole factor to at least this size.
const SMALLEST: u32 = 256;
/// Height and width of a picture on a sheet.
const TILE: u32 = 384;
/// Pixels between pictures.
const GAP: u32 = 8;

/// The field as a picture, enlarged if small.
pub fn picture(field: &Field) -> RgbImage {
    let [height, width] = field.size().map(|side| side as u32);
    let factor = SMALLEST.div_ceil(height.min(width));
    RgbImage::from_fn(width * factor, height * factor, |x, y| {
        color(field.values()[(y / factor * width + x / factor) as usize])
    })
}

/// The pictures side by side, each fitted into a tile.
pub fn sheet(pictures: &[RgbImage]) -> RgbImage {
    let width = GAP + pictures.len() as u32 * (TILE + GAP);
    let mut sheet = RgbImage::from_pixel(width, TILE + 2 * GAP, Rgb([255; 3]));
    for (picture, i) in pictures.iter().zip(0..) {
        let longest = picture.width().max(picture.height());
        let [width, height] = [picture.width(), picture.height()].map(|side| (side * TILE / longest).max(1));
        let fitted = resize(picture, width, height, FilterType::Triangle);
        let (x, y) = (GAP + i * (TILE + GAP) + (TILE - width) / 2, GAP + (TILE - height) / 2);
        replace(&mut sheet, &fitted, x.into(), y.into());
    }
    sheet
}

/// Colors from black through purple and red to light yellow. Lightness rises evenly in Oklab, so that equal
/// differences in value look equal, also without color.
fn color(value: f64) -> Rgb<u8> {
    const LIGHTEST: f64 = 0.97;
    const CHROMA: f64 = 0.13;
    let value = value.clamp(0.0, 1.0);
    let (lightness, chroma) = (LIGHTEST * value, CHROMA * (std::f64::consts::PI * value).sin());
    // Degrees: purple at 310, red at 20, yellow at 100.
    let (sin, cos) = (310.0 + 150.0 * value).to_radians().sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let cones = [
        lightness + 0.3963377774 * a + 0.2158037573 * b,
        lightness - 0.1055613458 * a - 0.0638541728 * b,
        lightness - 0.0894841775 * a - 1.2914855480 * b,
    ];
    let [l, m, s] = cones.map(|cone| cone.powi(3));
    let light = [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ];
    Rgb(light.map(|light| {
        let light = light.clamp(0.0, 1.0);
        let value = if light <= 0.0031308 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (255.0 * value).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_models::receptive_field::ScoreMap;

    /// The field of one image of one color with these scores.
    fn field(size: [usize; 2], scores: &[f32]) -> Field {
        let mut map = ScoreMap::new(size);
        map.add(scores).unwrap();
        map.field().unwrap()
    }

    #[test]
    fn colors_grow_lighter_from_black() {
        assert_eq!(color(0.0), Rgb([0, 0, 0]));
        let luma = |value: f64| {
            let Rgb([red, green, blue]) = color(value);
            0.2126 * f64::from(red).powf(2.2)
                + 0.7152 * f64::from(green).powf(2.2)
                + 0.0722 * f64::from(blue).powf(2.2)
        };
        let values: Vec<f64> = (0..=20).map(|i| luma(f64::from(i) / 20.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(color(1.0).0.iter().all(|&channel| channel > 220));
    }

    #[test]
    fn small_maps_are_enlarged_to_whole_blocks() {
        let picture = picture(&field([2, 3], &[0.0, 0.0, 0.0, 0.0, 0.0, 5.0]));
        assert_eq!((picture.width(), picture.height()), (3 * 128, 2 * 128));
        assert_eq!(*picture.get_pixel(0, 0), color(0.0));
        assert_eq!(*picture.get_pixel(383, 255), color(1.0));
        assert_eq!(*picture.get_pixel(256, 128), color(1.0));
    }

    #[test]
    fn a_sheet_has_a_tile_for_each_picture() {
        let tall = RgbImage::from_pixel(100, 400, Rgb([9; 3]));
        let sheet = sheet(&[tall.clone(), RgbImage::from_pixel(512, 512, Rgb([7; 3]))]);
        assert_eq!((sheet.width(), sheet.height()), (GAP + 2 * (TILE + GAP), TILE + 2 * GAP));
        assert_eq!(*sheet.get_pixel(GAP + TILE / 2, GAP + 1), Rgb([9; 3]));
        assert_eq!(*sheet.get_pixel(GAP + 1, GAP + 1), Rgb([255; 3]));
        assert_eq!(*sheet.get_pixel(2 * GAP + TILE + 1, GAP + 1), Rgb([7; 3]));
    }
}
