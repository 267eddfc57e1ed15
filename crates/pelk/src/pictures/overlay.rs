//! Shows the classes of an image's pixels as colors.

use super::class_color;
use image::{Rgb, RgbImage};
use pelk_data::IGNORED;

/// The color of unlabeled pixels.
const WITHOUT: Rgb<u8> = Rgb([60, 60, 60]);
/// Opacity of the class color.
const COVER: f32 = 0.5;
const EDGE: Rgb<u8> = Rgb([255, 255, 255]);

/// A map of classes, row-major, as a picture.
pub fn class_map([height, width]: [usize; 2], classes: &[u32]) -> RgbImage {
    RgbImage::from_fn(width as u32, height as u32, |x, y| match classes[y as usize * width + x as usize] {
        IGNORED => WITHOUT,
        class => class_color(class as usize),
    })
}

/// The image overlaid with class colors, with lines where classes meet. Map and image have the same shape;
/// the image may be enlarged by a whole factor.
pub fn outlined(image: &RgbImage, [height, width]: [usize; 2], classes: &[u32]) -> RgbImage {
    let factor =
        [image.height() / height.max(1) as u32, image.width() / width.max(1) as u32].map(|f| f.max(1));
    let class = |x: u32, y: u32| {
        let place = |at: u32, factor: u32, len: usize| ((at / factor) as usize).min(len - 1);
        classes[place(y, factor[0], height) * width + place(x, factor[1], width)]
    };
    let colors = class_map([height, width], classes);
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let own = class(x, y);
        let differs = |x: u32, y: u32| x < image.width() && y < image.height() && class(x, y) != own;
        if differs(x + 1, y) || differs(x, y + 1) {
            return EDGE;
        }
        let color =
            colors.get_pixel((x / factor[1]).min(width as u32 - 1), (y / factor[0]).min(height as u32 - 1));
        let mut pixel = *image.get_pixel(x, y);
        for (value, over) in pixel.0.iter_mut().zip(color.0) {
            *value = (f32::from(*value) + COVER * (f32::from(over) - f32::from(*value))).round() as u8;
        }
        pixel
    })
}

/// The classes that occur and their shares of the pixels, largest first.
pub fn shares(classes: &[u32]) -> Vec<(u32, f64)> {
    let mut counts = std::collections::BTreeMap::<u32, usize>::new();
    for &class in classes {
        *counts.entry(class).or_default() += 1;
    }
    let mut shares: Vec<_> =
        counts.into_iter().map(|(class, count)| (class, count as f64 / classes.len() as f64)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_lie_over_the_image_and_lines_where_classes_meet() {
        let image = RgbImage::from_pixel(8, 4, Rgb([100, 100, 100]));
        let classes = [1, 1, 2, 2, 1, 1, 2, 2];
        let picture = outlined(&image, [2, 4], &classes);
        let blend = |class: usize| {
            Rgb(class_color(class).0.map(|over| ((100.0 + f32::from(over)) / 2.0).round() as u8))
        };
        assert_eq!((picture.get_pixel(0, 0), picture.get_pixel(7, 3)), (&blend(1), &blend(2)));
        assert!((0..4).all(|y| *picture.get_pixel(3, y) == EDGE));
        assert_eq!(class_map([1, 2], &[IGNORED, 3]).into_raw()[..3], WITHOUT.0);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(&[4, 4, 1, 4]), [(4, 0.75), (1, 0.25)]);
    }
}
