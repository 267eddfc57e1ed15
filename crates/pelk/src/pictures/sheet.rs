//! Contact sheets of small pictures.

use super::text::{LINE, write};
use super::{INK, PAPER};
use image::RgbImage;
use image::imageops::FilterType;

/// Pixels between pictures.
const GAP: u32 = 4;

/// A sheet of equally sized tiles, optionally with column headings.
pub struct Sheet {
    picture: RgbImage,
    /// Height and width.
    tile: [u32; 2],
    /// Height of the headings.
    head: u32,
}

impl Sheet {
    /// An empty sheet; `tile` is the height and width of a tile.
    pub fn new(rows: usize, columns: usize, tile: [u32; 2], headings: &[&str]) -> Sheet {
        let [height, width] = tile;
        let head = if headings.is_empty() { 0 } else { LINE };
        let side = |count: usize, tile: u32| GAP + count as u32 * (tile + GAP);
        let picture = RgbImage::from_pixel(side(columns, width), head + side(rows, height), PAPER);
        let mut sheet = Sheet { picture, tile, head };
        for (column, heading) in headings.iter().enumerate() {
            write(&mut sheet.picture, heading, [GAP + column as u32 * (width + GAP), GAP / 2], INK);
        }
        sheet
    }

    /// Draws a picture into a tile, as large as fits; `mixes` says whether scaling may mix its colors, which
    /// it must not for a map of classes.
    pub fn draw(&mut self, row: usize, column: usize, picture: &RgbImage, mixes: bool) {
        let [height, width] = self.tile;
        let corner = |place: usize, tile: u32| GAP + place as u32 * (tile + GAP);
        let (top, left) = (self.head + corner(row, height), corner(column, width));
        // Whole factors keep pixels sharp.
        let whole = height.is_multiple_of(picture.height()) && width.is_multiple_of(picture.width());
        let filter = if mixes && !whole { FilterType::Triangle } else { FilterType::Nearest };
        let [by_height, by_width] = [(height, picture.height()), (width, picture.width())]
            .map(|(to, from)| f64::from(to) / f64::from(from));
        let side = |side: u32| ((f64::from(side) * by_height.min(by_width)).round() as u32).max(1);
        let fitted = image::imageops::resize(picture, side(picture.width()), side(picture.height()), filter);
        image::imageops::replace(&mut self.picture, &fitted, left.into(), top.into());
    }

    /// The finished sheet.
    pub fn into_picture(self) -> RgbImage {
        self.picture
    }
}

/// Rows of pictures on one sheet, each as large as fits into the size of the largest, optionally with column
/// headings.
pub fn sheet_of<'a>(
    rows: impl ExactSizeIterator<Item = &'a [RgbImage]> + Clone,
    headings: &[&str],
) -> RgbImage {
    let most = |side: fn(&RgbImage) -> u32| rows.clone().flatten().map(side).max().unwrap_or(1);
    let columns = rows.clone().map(<[_]>::len).max().unwrap_or(0);
    let mut sheet =
        Sheet::new(rows.len(), columns, [most(RgbImage::height), most(RgbImage::width)], headings);
    for (i, row) in rows.enumerate() {
        for (j, tile) in row.iter().enumerate() {
            sheet.draw(i, j, tile, false);
        }
    }
    sheet.into_picture()
}

/// The tile size for an image: its own, enlarged if small.
pub fn tile([height, width]: [usize; 2]) -> [u32; 2] {
    const SMALLEST: usize = 56;
    let factor = SMALLEST.div_ceil(height.min(width)).max(1);
    [height, width].map(|side| (side * factor) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn tiles_lie_beside_each_other_below_their_headings() {
        let mut sheet = Sheet::new(2, 2, [6, 8], &["a", "b"]);
        let red = RgbImage::from_pixel(4, 3, Rgb([200, 0, 0]));
        sheet.draw(1, 1, &red, true);
        sheet.draw(0, 0, &red, false);
        let picture = sheet.into_picture();
        assert_eq!(picture.dimensions(), (GAP + 2 * (8 + GAP), LINE + GAP + 2 * (6 + GAP)));
        let reds = picture.pixels().filter(|pixel| pixel.0 == [200, 0, 0]).count();
        assert_eq!(reds, 2 * 6 * 8);
        assert_eq!(picture.get_pixel(GAP + 8 + GAP, LINE + GAP + 6 + GAP), &Rgb([200, 0, 0]));
    }
}
