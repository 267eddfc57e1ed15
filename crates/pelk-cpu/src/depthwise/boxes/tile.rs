//! Register tiles: how a grid of accumulators is cut to fit the registers.
//!
//! Both inner loops multiply `A` vectors by `T` others into `A x T` accumulators. Their sizes are constants
//! of the compiled code; [`with_tile`] picks it.

use std::ops::Range;

use pelk_simd::Simd;

/// An inner loop for every size of tile.
pub(super) trait Tile {
    fn run<const A: usize, const T: usize>(self);
}

/// Most accumulators in a row of the tile, by the number of rows (entry 0 is unused): with the 32 registers
/// that vectors of 16 have, and with 16. Tuned on a Zen 4 core, for kernels 13 to 101 on maps of 7 to 128:
/// narrower tiles wait for loads, wider ones spill.
const WIDEST_OF_32: [usize; 7] = [0, 14, 8, 7, 5, 4, 4];
const WIDEST_OF_16: [usize; 4] = [0, 10, 5, 3];

/// Most rows of a tile.
pub(super) const fn tallest<S: Simd>() -> usize {
    if S::LANES == 16 { WIDEST_OF_32.len() - 1 } else { WIDEST_OF_16.len() - 1 }
}

/// Most columns of a tile of `rows` rows.
#[inline(always)]
pub(super) fn widest<S: Simd>(rows: usize) -> usize {
    if S::LANES == 16 { WIDEST_OF_32[rows] } else { WIDEST_OF_16[rows] }
}

/// `range` in as few pieces of at most `most` as possible, as equal as possible, longer ones first.
#[inline(always)]
pub(super) fn split(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let pieces = range.len().div_ceil(most);
    let (length, longer) = (range.len() / pieces.max(1), range.len() % pieces.max(1));
    let mut next = range.start;
    (0..pieces).map(move |piece| {
        let begin = next;
        next += length + usize::from(piece < longer);
        begin..next
    })
}

/// Neighboring pieces of equal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    pub range: Range<usize>,
    pub length: usize,
}

/// [`split`] of `0..end`: first the longer pieces, if any, then the others.
#[inline(always)]
pub(super) fn split_evenly(end: usize, most: usize) -> [Pieces; 2] {
    let pieces = end.div_ceil(most).max(1);
    let (length, longer) = (end / pieces, end % pieces);
    let middle = longer * (length + 1);
    [Pieces { range: 0..middle, length: length + 1 }, Pieces { range: middle..end, length }]
}

macro_rules! one_of {
    ($kernel:ident, ($a:ident, $t:ident), $($rows:literal: $($columns:literal)+;)+) => {
        match ($a, $t) {
            $($(($rows, $columns) => $kernel.run::<$rows, $columns>(),)+)+
            _ => unreachable!("no tile of {} x {}: cut with tallest() and widest()", $a, $t),
        }
    };
}

/// Runs `kernel` for a tile of `a <= tallest()` by `t <= widest(a)`.
#[inline(always)]
pub(super) fn with_tile<S: Simd, K: Tile>(a: usize, t: usize, kernel: K) {
    if S::LANES == 16 {
        one_of!(kernel, (a, t),
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2: 1 2 3 4 5 6 7 8;
            3: 1 2 3 4 5 6 7;
            4: 1 2 3 4 5;
            5: 1 2 3 4;
            6: 1 2 3 4;
        );
    } else {
        one_of!(kernel, (a, t),
            1: 1 2 3 4 5 6 7 8 9 10;
            2: 1 2 3 4 5;
            3: 1 2 3;
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_simd::{Kernel, Level, dispatch};

    #[test]
    fn pieces_are_even_and_complete() {
        for (length, most) in [(1, 6), (6, 6), (7, 6), (13, 6), (56, 5), (101, 14)] {
            let pieces: Vec<_> = split(3..3 + length, most).collect();
            assert_eq!(pieces.len(), length.div_ceil(most));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (3, 3 + length));
            let lengths = pieces.iter().map(Range::len);
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }
        assert_eq!(split(5..5, 4).count(), 0);
        for (length, most) in [(1, 6), (6, 6), (7, 6), (13, 6), (56, 5), (101, 14)] {
            let pieces = split_evenly(length, most).into_iter().flat_map(|pieces| {
                pieces.range.clone().step_by(pieces.length).map(move |x| x..x + pieces.length)
            });
            assert_eq!(pieces.collect::<Vec<_>>(), split(0..length, most).collect::<Vec<_>>());
        }
    }

    /// Notes the size it was compiled for.
    struct Size<'a>(&'a mut (usize, usize));
    impl Tile for Size<'_> {
        fn run<const A: usize, const T: usize>(self) {
            *self.0 = (A, T);
        }
    }
    struct EverySize;
    impl Kernel for EverySize {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            for a in 1..=tallest::<S>() {
                for t in 1..=widest::<S>(a) {
                    let mut size = (0, 0);
                    with_tile::<S, _>(a, t, Size(&mut size));
                    assert_eq!(size, (a, t));
                }
            }
        }
    }

    #[test]
    fn every_tile_within_the_limits_exists() {
        for level in Level::available() {
            dispatch(level, EverySize);
        }
    }
}
