//! Masks moved as pixels are, on their runs: a mask of a large image never becomes a bitmap.

use std::ops::Range;

use pelk_coco::Rle;

use crate::picture::{upright, upright_box};
use crate::resize::View;

/// The mask as `view` shows it: each pixel is that under its center, as by [`View::nearest`].
pub(super) fn seen(mask: &Rle, view: &View) -> Rle {
    let part = view.part;
    let columns = part.columns().map(|x| (2 * x + 1) * view.from[1] / (2 * view.to[1]));
    // The first row of the part whose center lies at or below this border between two rows.
    let (from, to) = (view.from[0], view.to[0]);
    let border =
        |y: usize| ((2 * to * y + from - 1) / (2 * from)).clamp(part.top, part.rows().end) - part.top;
    moved(mask, [part.height, part.width], columns, border)
}

/// Sets the mask's pixels of a map with one value per pixel, row-major.
pub(crate) fn paint<T: Copy>(mask: &Rle, value: T, map: &mut [T]) {
    let width = mask.size()[1];
    for Piece { column, rows } in pieces(mask) {
        rows.for_each(|row| map[row * width + column] = value);
    }
}

/// The mask with left and right swapped.
pub(super) fn flipped(mask: &Rle) -> Rle {
    moved(mask, mask.size(), (0..mask.size()[1]).rev(), |y| y)
}

/// The mask in the image turned as an EXIF orientation says, see [`upright`]. Only the pixels of its box are
/// ever in memory.
pub(crate) fn turned(mask: &Rle, orientation: u8) -> Rle {
    let size = mask.size();
    let [x, y, width, height] = mask.bbox().map(|value| value as usize);
    let mut bits = vec![false; width * height];
    for Piece { column, rows } in pieces(mask) {
        rows.for_each(|row| bits[(row - y) * width + column - x] = true);
    }
    let [left, top, ..] = upright_box([x, y, x + width, y + height], size, orientation);
    let ([height, width], bits) = upright(bits, 1, [height, width], orientation);
    let [rows, columns] = if orientation > 4 { [size[1], size[0]] } else { size };
    let (mut counts, mut end, mut inside) = (Vec::new(), 0, false);
    for (column, row) in (0..width).flat_map(|column| (0..=height).map(move |row| (column, row))) {
        // Every run ends with its column; those of whole columns are merged below.
        let is_inside = row < height && bits[row * width + column];
        if is_inside != inside {
            let place = (left + column) * rows + top + row;
            counts.push((place - end) as u32);
            (end, inside) = (place, is_inside);
        }
    }
    counts.push((rows * columns - end) as u32);
    Rle::from_counts(&counts, [rows, columns]).expect("runs that add up to the size of a decoded image")
}

/// The mask of `size` pixels that consists of these `columns` of `mask`, in which a border between two rows
/// lies at `border`.
fn moved(
    mask: &Rle,
    size: [usize; 2],
    columns: impl Iterator<Item = usize>,
    border: impl Fn(usize) -> usize,
) -> Rle {
    let pieces = pieces(mask);
    let mut counts: Vec<u32> = Vec::with_capacity(mask.counts().len());
    // The end of the last run.
    let mut end = 0;
    for (x, column) in columns.enumerate() {
        let first = pieces.partition_point(|piece| piece.column < column);
        for piece in pieces[first..].iter().take_while(|piece| piece.column == column) {
            let [start, stop] = [piece.rows.start, piece.rows.end].map(|y| x * size[0] + border(y));
            if start < stop {
                counts.extend([start - end, stop - start].map(|length| length as u32));
                end = stop;
            }
        }
    }
    counts.push((size[0] * size[1] - end) as u32);
    Rle::from_counts(&counts, size).expect("runs that add up to the size of a decoded image")
}

/// A run of a mask within one column.
struct Piece {
    column: usize,
    rows: Range<usize>,
}

/// The runs of a mask, cut where columns end.
fn pieces(mask: &Rle) -> Vec<Piece> {
    let height = mask.size()[0];
    let mut pieces = Vec::with_capacity(mask.counts().len() / 2);
    let mut at = 0;
    for &[outside, inside] in mask.counts().as_chunks::<2>().0 {
        let start = at + outside as usize;
        at = start + inside as usize;
        let mut place = start;
        while place < at {
            let (column, row) = (place / height, place % height);
            let end = (row + at - place).min(height);
            pieces.push(Piece { column, rows: row..end });
            place += end - row;
        }
    }
    pieces
}
