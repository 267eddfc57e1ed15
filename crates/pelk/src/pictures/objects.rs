//! Draws objects over an image: tinted masks, boxes and names.

use super::text::{LINE, width, write};
use super::{INK, class_color};
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use pelk_coco::Rle;
use pelk_data::Object;
use pelk_models::ModelError;
use pelk_models::detection::Detected;

/// Opacity of a mask's color.
const COVER: f32 = 0.45;
/// Length of the dashes around a crowd, in pixels.
const DASH: u32 = 4;

/// Shorter side of a picture with objects at least, so that there is room for names, and longer side at most.
const LEAST: u32 = 288;
const MOST: u32 = 640;

/// An image with these objects drawn over it, see [`with_drawn`]: their masks, boxes and the names of their
/// classes. The boxes of crowds are dashed.
pub fn annotated(image: &RgbImage, objects: &[Object], classes: &[String]) -> RgbImage {
    let drawn = objects.iter().map(|object| Drawn {
        bbox: object.bbox,
        mask: &object.mask,
        color: object_color(object.class as usize),
        name: classes.get(object.class as usize).map_or("", String::as_str),
        score: "",
        dashed: object.crowd,
    });
    with_drawn(image, &drawn.collect::<Vec<_>>())
}

/// Objects with at least this score are drawn by default.
pub const LEAST_SCORE: f32 = 0.3;

/// An image with everything that a detector found with at least this score, see [`with_drawn`]: masks, boxes,
/// and the names of classes with their scores, the highest scores on top.
///
/// # Errors
/// When a mask does not fit the image.
pub fn with_found(
    image: &RgbImage,
    found: &[Detected],
    classes: &[String],
    least: f32,
) -> Result<RgbImage, ModelError> {
    let size = [image.height() as usize, image.width() as usize];
    let found: Vec<&Detected> = found.iter().filter(|found| found.score >= least).rev().collect();
    let masks = found.iter().map(|found| found.mask.to_rle(size)).collect::<Result<Vec<_>, _>>()?;
    let scores: Vec<String> = found.iter().map(|found| format!("{:.2}", found.score)).collect();
    let drawn = found.iter().zip(&masks).zip(&scores).map(|((found, mask), score)| Drawn {
        bbox: found.corners,
        mask,
        color: object_color(found.class),
        name: &classes[found.class],
        score,
        dashed: false,
    });
    Ok(with_drawn(image, &drawn.collect::<Vec<_>>()))
}

/// The color of a class of objects: that of the class in maps of classes with a background.
fn object_color(class: usize) -> Rgb<u8> {
    class_color(class + 1)
}

/// An image enlarged or shrunk to a handy size, with these objects drawn over it: tinted masks, boxes and
/// names.
fn with_drawn(image: &RgbImage, objects: &[Drawn<'_>]) -> RgbImage {
    let (short, long) = (image.height().min(image.width()), image.height().max(image.width()));
    let factor = match short < LEAST {
        true => LEAST.div_ceil(short.max(1)) as f32,
        false => (MOST as f32 / long as f32).min(1.0),
    };
    let side = |side: u32| (factor * side as f32).round().max(1.0) as u32;
    let filter = if factor < 1.0 { FilterType::Triangle } else { FilterType::Nearest };
    let picture = resize(image, side(image.width()), side(image.height()), filter);
    with_objects(&picture, factor, objects)
}

/// An object to draw.
struct Drawn<'a> {
    /// `[x1, y1, x2, y2]`, in pixels of the image.
    bbox: [f32; 4],
    /// Its pixels in the image.
    mask: &'a Rle,
    /// The color of its box and mask.
    color: Rgb<u8>,
    /// What is written into the box, as much as fits.
    name: &'a str,
    /// What is written behind the name, whole even if it is wider than the box; or nothing.
    score: &'a str,
    /// Whether its box is dashed.
    dashed: bool,
}

/// The picture, which shows the image enlarged by `factor`, with objects drawn over it: first all masks, then
/// all boxes and names.
fn with_objects(picture: &RgbImage, factor: f32, objects: &[Drawn<'_>]) -> RgbImage {
    let mut out = picture.clone();
    for object in objects {
        tint(&mut out, factor, object);
    }
    for object in objects {
        let edge = |value: f32, length: u32| ((factor * value).round() as u32).min(length - 1);
        let [left, right] = [object.bbox[0], object.bbox[2]].map(|x| edge(x, picture.width()));
        let [top, bottom] = [object.bbox[1], object.bbox[3]].map(|y| edge(y, picture.height()));
        let dash = |at: u32| !object.dashed || (at / DASH).is_multiple_of(2);
        for x in (left..=right).filter(|&x| dash(x)) {
            out.put_pixel(x, top, object.color);
            out.put_pixel(x, bottom, object.color);
        }
        for y in (top..=bottom).filter(|&y| dash(y)) {
            out.put_pixel(left, y, object.color);
            out.put_pixel(right, y, object.color);
        }
        label(&mut out, object, [left + 1, top + 1], [right, bottom]);
    }
    out
}

/// Blends the color of the mask into the picture.
fn tint(picture: &mut RgbImage, factor: f32, object: &Drawn<'_>) {
    let [height, width] = object.mask.size();
    let bits = object.mask.to_bitmap();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let [column, row] = [x, y].map(|at| ((at as f32 + 0.5) / factor) as usize);
        if row < height && column < width && bits[row * width + column] {
            for (value, over) in pixel.0.iter_mut().zip(object.color.0) {
                *value = (f32::from(*value) + COVER * (f32::from(over) - f32::from(*value))).round() as u8;
            }
        }
    }
}

/// As much of the name as leaves room for the score in a line of `fits` characters, and the score.
fn shortened(name: &str, score: &str, fits: usize) -> String {
    if score.is_empty() {
        return name.chars().take(fits).collect();
    }
    let room = fits.saturating_sub(score.chars().count() + 1);
    let short: String = name.chars().take(room).collect();
    format!("{} {score}", short.trim_end()).trim_start().to_owned()
}

/// Writes as much of the name as fits between two corners, and the score, on a strip of the object's color.
/// A score wider than the box stays within the picture.
fn label(picture: &mut RgbImage, object: &Drawn<'_>, [left, top]: [u32; 2], [right, bottom]: [u32; 2]) {
    if top + LINE > bottom {
        return;
    }
    let fits = (right.saturating_sub(left) / width("x")) as usize;
    let text = shortened(object.name, object.score, fits);
    let left = left.min(picture.width().saturating_sub(width(&text)));
    let end = (left + width(&text)).min(picture.width());
    for y in top..top + LINE {
        (left..end).for_each(|x| picture.put_pixel(x, y, object.color));
    }
    let light = object.color.0.iter().map(|&value| u32::from(value)).sum::<u32>() > 3 * 110;
    write(picture, &text, [left, top], if light { INK } else { super::PAPER });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_tinted_and_boxes_drawn_at_any_size() {
        let mask = Rle::from_box([1.0, 2.0, 3.0, 2.0], [10, 20]).unwrap();
        let color = Rgb([200, 0, 100]);
        let object = |dashed| Drawn {
            bbox: [1.0, 2.0, 4.0, 4.0],
            mask: &mask,
            color,
            name: "a name",
            score: "",
            dashed,
        };
        for factor in [1, 2, 5] {
            let picture = RgbImage::from_pixel(20 * factor, 10 * factor, Rgb([100, 100, 100]));
            let out = with_objects(&picture, factor as f32, &[object(false)]);
            for (y, x) in [(2, 1), (4, 1), (2, 4), (4, 4)] {
                assert_eq!(*out.get_pixel(x * factor, y * factor), color, "a corner at {factor}");
            }
            assert_eq!(out.get_pixel(5 * factor + 1, 2 * factor), picture.get_pixel(0, 0));
            if factor == 5 {
                assert_eq!(*out.get_pixel(12, 13), Rgb([145, 55, 100]), "the mask");
                let dashed = with_objects(&picture, 5.0, &[object(true)]);
                assert!((5..20).any(|x| *dashed.get_pixel(x, 20) != color));
            }
        }
        // Boxes up to the border, and boxes too small for a name.
        let whole = Drawn { bbox: [0.0, 0.0, 20.0, 10.0], ..object(false) };
        with_objects(&RgbImage::new(20, 10), 1.0, &[whole]);
    }

    #[test]
    fn pictures_with_objects_are_neither_too_small_nor_too_large() {
        for (size, expected) in [([96, 96], [288, 288]), ([300, 400], [300, 400]), ([800, 1280], [400, 640])]
        {
            let out = annotated(&RgbImage::new(size[1], size[0]), &[], &[]);
            assert_eq!([out.height(), out.width()], expected);
        }
    }

    #[test]
    fn a_name_stands_within_its_box() {
        let mask = Rle::from_counts(&[100 * 100], [100, 100]).unwrap();
        let bbox = [10.0, 10.0, 60.0, 60.0];
        let color = Rgb([0, 0, 90]);
        let object = Drawn { bbox, mask: &mask, color, name: "a long name", score: "", dashed: false };
        let picture = RgbImage::from_pixel(100, 100, Rgb([255, 255, 255]));
        let out = with_objects(&picture, 1.0, &[object]);
        let changed = |x: u32, y: u32| out.get_pixel(x, y) != picture.get_pixel(x, y);
        assert!((11..27).any(|y| (11..60).any(|x| out.get_pixel(x, y).0[0] > 100)), "white letters");
        assert!(
            out.enumerate_pixels()
                .all(|(x, y, _)| { !changed(x, y) || ((10..=60).contains(&x) && (10..=60).contains(&y)) })
        );
    }

    #[test]
    fn a_narrow_box_shortens_the_name_and_keeps_the_score() {
        let lines = [20, 13, 8, 6, 5, 4, 0].map(|fits| shortened("Ankle boot", "0.87", fits));
        assert_eq!(lines, ["Ankle boot 0.87", "Ankle bo 0.87", "Ank 0.87", "A 0.87", "0.87", "0.87", "0.87"]);
        assert_eq!(shortened("Ankle boot", "0.87", 11), "Ankle 0.87", "no space at the end of the name");

        // At the right border the score moves to the left.
        let mask = Rle::from_counts(&[100 * 100], [100, 100]).unwrap();
        let (bbox, color) = ([90.0, 10.0, 100.0, 60.0], Rgb([0, 0, 90]));
        let object = Drawn { bbox, mask: &mask, color, name: "Bag", score: "0.87", dashed: false };
        let out = with_objects(&RgbImage::from_pixel(100, 100, Rgb([255; 3])), 1.0, &[object]);
        let strip = (0..100).filter(|&x| out.get_pixel(x, 11).0 == color.0).count();
        assert_eq!(strip as u32, width("0.87"));
    }
}
