//! The drawing for a terminal: regions as a checkerboard of half-block characters.

use std::fmt;

use super::caption::{headline, subtitle};
use crate::SharingGrid;

/// Widest line, in characters.
const COLUMNS: usize = 100;

pub(super) struct Picture<'a>(pub &'a SharingGrid);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = self.0;
        let drawn = middle(grid.intervals());
        let divisor = (1..).find(|&by| width(drawn, by) <= COLUMNS).unwrap_or(1);
        let parity = pixels(drawn, divisor);

        writeln!(f, "{}\n{}", headline(grid), subtitle(grid))?;
        if drawn.len() < grid.cells() {
            writeln!(f, "drawn: the middle {} of {} intervals", drawn.len(), grid.cells())?;
        }
        if divisor > 1 {
            writeln!(f, "drawn: {divisor} taps as one, and no interval shorter than one")?;
        }
        writeln!(f, "\n{}", ruler(drawn, divisor))?;
        for rows in parity.chunks(2) {
            let line: String = parity.iter().map(|&column| half_block(rows, column)).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The intervals in the middle that fit; the same number is left out at both ends.
fn middle(intervals: &[usize]) -> &[usize] {
    let skip = intervals.len().saturating_sub(COLUMNS).div_ceil(2);
    &intervals[skip..intervals.len() - skip]
}

/// Width of the drawing if `divisor` taps are drawn as one.
fn width(intervals: &[usize], divisor: usize) -> usize {
    intervals.iter().map(|taps| taps.div_ceil(divisor)).sum()
}

/// For each drawn tap of an axis, whether the index of its interval is odd.
fn pixels(intervals: &[usize], divisor: usize) -> Vec<bool> {
    let runs = intervals.iter().enumerate();
    runs.flat_map(|(index, taps)| std::iter::repeat_n(index % 2 == 1, taps.div_ceil(divisor))).collect()
}

/// The lengths of the intervals above their columns, if they fit.
fn ruler(intervals: &[usize], divisor: usize) -> String {
    let labels = intervals.iter().map(|taps| {
        let (label, room) = (taps.to_string(), taps.div_ceil(divisor));
        if label.len() <= room { format!("{label:^room$}") } else { " ".repeat(room) }
    });
    labels.collect::<String>().trim_end().to_owned()
}

/// The character for one or two rows, one above the other, of one column: fields of equal parity are filled.
fn half_block(rows: &[bool], column: bool) -> char {
    match rows {
        [upper, lower] => match (*upper == column, *lower == column) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        },
        _ if rows.contains(&column) => '▀',
        _ => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;
    use crate::MAX_KERNEL;

    #[test]
    fn small_grid_by_hand() {
        let grid = SharingGrid::from_half(&[2, 1]).unwrap();
        let picture = text(&grid);
        let lines: Vec<&str> = picture.lines().skip(3).collect();
        assert_eq!(lines, ["2 12", "██ ██", "▄▄▀▄▄", "▀▀ ▀▀"]);
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let wide = [
            SharingGrid::exponential(51, 5, 2),
            SharingGrid::exponential(101, 7, 2),
            SharingGrid::exponential(MAX_KERNEL, 7, 2),
            SharingGrid::uniform(MAX_KERNEL, 40, 1),
            SharingGrid::dense(99),
            SharingGrid::dense(MAX_KERNEL),
            SharingGrid::from_half(&[MAX_KERNEL]),
            SharingGrid::from_half(&[100; 20].map(|taps| taps + 1)),
        ];
        for grid in wide {
            let grid = grid.unwrap();
            for line in text(&grid).lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
        }
    }

    #[test]
    fn what_is_not_to_scale_is_said() {
        let picture = text(&SharingGrid::exponential(101, 7, 2).unwrap());
        assert!(picture.contains("2 taps as one"), "{picture}");
        let picture = text(&SharingGrid::dense(301).unwrap());
        assert!(picture.contains("the middle 99 of 301 intervals"), "{picture}");
    }
}
