//! Summed-area tables, and the rectangles of taps inside an image.

use std::ops::Range;

/// Sums over the rectangles of a grid of numbers.
pub(super) struct SummedArea {
    /// `(rows + 1) x (columns + 1)`: the sum over everything above and to the left.
    sums: Vec<f64>,
    pitch: usize,
}

impl SummedArea {
    pub fn new(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let pitch = columns + 1;
        let mut sums = vec![0.0; (rows + 1) * pitch];
        for row in 0..rows {
            let mut sum = 0.0;
            for column in 0..columns {
                sum += value(row, column);
                sums[(row + 1) * pitch + column + 1] = sums[row * pitch + column + 1] + sum;
            }
        }
        Self { sums, pitch }
    }

    /// Sums over these rows of everything to the left of each column.
    pub fn of_rows(&self, rows: &Range<usize>, sums: &mut [f64]) {
        let row = |row: usize| &self.sums[row * self.pitch..][..self.pitch];
        for (sum, (end, start)) in sums.iter_mut().zip(row(rows.end).iter().zip(row(rows.start))) {
            *sum = end - start;
        }
    }

    pub fn sum(&self, rows: &Range<usize>, columns: &Range<usize>) -> f64 {
        let at = |row: usize, column: usize| self.sums[row * self.pitch + column];
        at(rows.end, columns.end) - at(rows.start, columns.end) - at(rows.end, columns.start)
            + at(rows.start, columns.start)
    }
}

/// For each of `positions`, the range of the other quantity, of `0..extent`, for which a tap is inside the
/// image. A tap `i` is inside at `y` if `0 <= y + i - radius < size`, which treats taps and positions alike.
pub(super) fn windows(positions: usize, extent: usize, radius: usize, size: usize) -> Vec<Range<usize>> {
    (0..positions)
        .map(|position| {
            let end = (radius + size).saturating_sub(position).min(extent);
            radius.saturating_sub(position).min(end)..end
        })
        .collect()
}

/// The windows that are not empty: they follow each other.
pub(super) fn not_empty(windows: &[Range<usize>]) -> Range<usize> {
    let first = windows.iter().position(|window| !window.is_empty()).unwrap_or(0);
    let last = windows.iter().rposition(|window| !window.is_empty()).map_or(first, |last| last + 1);
    first..last
}
