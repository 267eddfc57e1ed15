//! Legends for the colors of a picture.

use super::text::{LINE, width, write};
use super::{INK, PAPER};
use image::{Rgb, RgbImage};

/// A color and its meaning.
pub struct Entry {
    /// The color.
    pub color: Rgb<u8>,
    /// Its meaning.
    pub text: String,
}

/// Pixels around entries, and between a color and its text.
const GAP: u32 = 8;
const SWATCH: u32 = 14;

/// The entries in as many columns as fit into the width `total`.
pub fn legend(entries: &[Entry], total: u32) -> RgbImage {
    let widest = entries.iter().map(|entry| width(&entry.text)).max().unwrap_or(0);
    let column = SWATCH + 3 * GAP + widest;
    let columns = (total.saturating_sub(GAP) / column).max(1);
    let rows = (entries.len() as u32).div_ceil(columns);
    let row = LINE + GAP / 2;
    let mut picture = RgbImage::from_pixel(total.max(column + GAP), 2 * GAP + rows * row, PAPER);
    for (i, entry) in (0..).zip(entries) {
        // Column by column, as one reads a list.
        let (x, y) = (GAP + i / rows * column, GAP + i % rows * row);
        let top = y + (LINE - SWATCH) / 2;
        for (dx, dy) in (0..SWATCH).flat_map(|dx| (0..SWATCH).map(move |dy| (dx, dy))) {
            let edge = [dx, dy].iter().any(|&d| d == 0 || d == SWATCH - 1);
            picture.put_pixel(x + dx, top + dy, if edge { INK } else { entry.color });
        }
        write(&mut picture, &entry.text, [x + SWATCH + GAP, y], INK);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_drawn_at_any_width() {
        let colors: Vec<Rgb<u8>> = (0..7).map(|i| Rgb([10 * i, 200, 30])).collect();
        let entries: Vec<Entry> =
            colors.iter().map(|&color| Entry { color, text: format!("class {}", color.0[0]) }).collect();
        for total in [1, 100, 300, 2000] {
            let picture = legend(&entries, total);
            for color in &colors {
                assert!(picture.pixels().any(|pixel| pixel == color), "{color:?} at width {total}");
            }
        }
    }
}
