//! Captions below pictures.

use super::text::{LINE, width, write};
use super::{INK, PAPER};
use image::RgbImage;

/// The picture with these lines below it; lines wider than the picture are cut and end in two dots.
pub fn captioned(picture: &RgbImage, lines: &[String]) -> RgbImage {
    let mut out = RgbImage::from_pixel(picture.width(), picture.height() + LINE * lines.len() as u32, PAPER);
    image::imageops::replace(&mut out, picture, 0, 0);
    for (line, top) in lines.iter().zip((picture.height()..).step_by(LINE as usize)) {
        write(&mut out, &cut(line, picture.width()), [0, top], INK);
    }
    out
}

/// The text, cut if it is wider than `space`.
fn cut(text: &str, space: u32) -> String {
    if width(text) <= space {
        return text.to_owned();
    }
    let kept = (space / width("x")).saturating_sub(2) as usize;
    text.chars().take(kept).collect::<String>().trim_end().to_owned() + ".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn lines_stand_below_the_picture_and_within_its_width() {
        let picture = RgbImage::from_pixel(60, 20, Rgb([1, 2, 3]));
        let out = captioned(&picture, &["short".to_owned(), String::new()]);
        assert_eq!(out.dimensions(), (60, 20 + 2 * LINE));
        assert!((0..20).all(|y| *out.get_pixel(59, y) == Rgb([1, 2, 3])));
        assert!((20..20 + LINE).any(|y| (0..60).any(|x| *out.get_pixel(x, y) != PAPER)));
        assert_eq!(cut("seven", 5 * width("x")), "seven");
        assert_eq!(cut("a long name", 8 * width("x")), "a long..");
        assert_eq!(cut("name", 1), "..");
    }
}
