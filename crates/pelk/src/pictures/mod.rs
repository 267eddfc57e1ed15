//! PNG pictures of images and of their labels.

mod caption;
mod colors;
mod legend;
mod objects;
mod overlay;
mod sheet;
mod text;

pub use caption::captioned;
pub use colors::{class_color, class_color_name};
pub use legend::{Entry, legend};
pub use objects::{LEAST_SCORE, annotated, with_found};
pub use overlay::{class_map, outlined, shares};
pub use sheet::{Sheet, sheet_of, tile};

use anyhow::{Context, Result};
use image::codecs::png::PngEncoder;
use image::{Rgb, RgbImage};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Background and text color of all pictures.
pub const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const INK: Rgb<u8> = Rgb([40, 40, 40]);

/// A picture of a dataset's image, which has one or three channels.
pub fn picture([height, width]: [usize; 2], channels: usize, pixels: &[u8]) -> RgbImage {
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        match pixels[(y as usize * width + x as usize) * channels..][..channels] {
            [red, green, blue] => Rgb([red, green, blue]),
            ref pixel => Rgb([pixel[0]; 3]),
        }
    })
}

/// The picture enlarged by repeating pixels, so that its shorter side has at least `least` pixels.
pub fn enlarged(picture: &RgbImage, least: u32) -> RgbImage {
    let factor = least.div_ceil(picture.width().min(picture.height()).max(1)).max(1);
    RgbImage::from_fn(factor * picture.width(), factor * picture.height(), |x, y| {
        *picture.get_pixel(x / factor, y / factor)
    })
}

/// Two pictures, one below the other, aligned left.
pub fn stacked(above: &RgbImage, below: &RgbImage) -> RgbImage {
    let width = above.width().max(below.width());
    let mut both = RgbImage::from_pixel(width, above.height() + below.height(), PAPER);
    image::imageops::replace(&mut both, above, 0, 0);
    image::imageops::replace(&mut both, below, 0, i64::from(above.height()));
    both
}

/// Writes a picture as PNG; creates its folder if needed.
///
/// # Errors
/// When it cannot be written.
pub fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // Not `picture.save`, which goes by the name's ending and so links the encoders of all formats.
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::new(file);
    let written = picture.write_with_encoder(PngEncoder::new(&mut file));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    file.flush().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gray_and_color_images_become_pictures_of_whole_pixels() {
        assert_eq!(picture([1, 2], 1, &[7, 9]).into_raw(), [7, 7, 7, 9, 9, 9]);
        let color = picture([2, 1], 3, &[1, 2, 3, 4, 5, 6]);
        assert_eq!((color.dimensions(), color.get_pixel(0, 1)), ((1, 2), &Rgb([4, 5, 6])));
        let large = enlarged(&color, 3);
        assert_eq!((large.dimensions(), large.get_pixel(2, 3)), ((3, 6), &Rgb([4, 5, 6])));
    }

    #[test]
    fn stacked_pictures_keep_their_pixels() {
        let [a, b] = [1, 2].map(|side| RgbImage::from_pixel(side, side, Rgb([side as u8; 3])));
        let both = stacked(&a, &b);
        assert_eq!(both.dimensions(), (2, 3));
        assert_eq!((both.get_pixel(1, 0), both.get_pixel(1, 2)), (&PAPER, &Rgb([2; 3])));
    }
}
