//! The left operand of a block. It is read in place, whichever way it lies: packing it would cost a pass over
//! it for every product, and the lines that a tile reads are few enough for the nearest cache. Only where
//! those lines would evict each other is it copied.

use super::matrix::Matrix;
use super::tile::tile_heights;
use pelk_simd::{Kernel, Level, Simd, dispatch};

/// A block of the left operand.
#[derive(Clone, Copy)]
pub(super) enum Left {
    /// Rows of contiguous values, `stride` apart.
    Rows {
        /// The first value.
        first: *const f32,
        /// Values from one row to the next.
        stride: usize,
    },
    /// Columns of contiguous values, `stride` apart.
    Columns {
        /// The first value.
        first: *const f32,
        /// Values from one column to the next.
        stride: usize,
    },
    /// `[tile][depth][height]`, with the tiles of [`tile_heights`].
    Tiles {
        /// The first value.
        first: *const f32,
        /// Summands of the whole block.
        depth: usize,
    },
}

/// Rows or columns whose distance is a multiple of this many values (4 KiB) map to the same sets of a level-1
/// cache, where those of a tile and the panel beside them would evict each other.
const COLLIDING: usize = 1024;
/// Padding of rows that are copied away from such a distance: one cache line.
const APART: usize = 16;

/// Values of the buffer that [`left`] needs for blocks of at most this many rows and columns.
pub(super) fn buffer_len(a: &Matrix<'_>, rows: usize, depth: usize) -> usize {
    if collides(a) { rows * (depth + APART) } else { 0 }
}

fn collides(a: &Matrix<'_>) -> bool {
    match a.column_stride {
        1 => a.row_stride.is_multiple_of(COLLIDING) && a.rows > 1,
        columns => columns.is_multiple_of(COLLIDING),
    }
}

/// The block `a` for the tiles of `level`, copied to `buffer` where that is faster.
pub(super) fn left(level: Level, a: Matrix<'_>, buffer: &mut [f32]) -> Left {
    let (rows, depth) = (a.rows, a.columns);
    let first = a.values().as_ptr();
    match (a.column_stride, collides(&a)) {
        (1, false) => return Left::Rows { first, stride: a.row_stride },
        (stride, false) => return Left::Columns { first, stride },
        (1, true) => {
            let stride = depth + APART;
            for (row, to) in buffer[..rows * stride].chunks_exact_mut(stride).enumerate() {
                to[..depth].copy_from_slice(&a.data[row * a.row_stride..][..depth]);
            }
            return Left::Rows { first: buffer.as_ptr(), stride };
        }
        (_, true) => {}
    }
    let mut first_row = 0;
    for (height, tiles) in tile_heights(level.lanes(), rows) {
        let to = &mut buffer[first_row * depth..][..height * tiles * depth];
        match height {
            1 => dispatch(level, CopyTiles::<1> { a, first_row, to }),
            2 => dispatch(level, CopyTiles::<2> { a, first_row, to }),
            3 => dispatch(level, CopyTiles::<3> { a, first_row, to }),
            4 => dispatch(level, CopyTiles::<4> { a, first_row, to }),
            5 => dispatch(level, CopyTiles::<5> { a, first_row, to }),
            6 => dispatch(level, CopyTiles::<6> { a, first_row, to }),
            7 => dispatch(level, CopyTiles::<7> { a, first_row, to }),
            8 => dispatch(level, CopyTiles::<8> { a, first_row, to }),
            _ => debug_assert_eq!(tiles, 0, "no tile is higher"),
        }
        first_row += height * tiles;
    }
    Left::Tiles { first: buffer.as_ptr(), depth }
}

/// Columns copied from one tile before the next tile's turn: writes run on within a tile while the lines and
/// pages that are read stay at hand for the next one. Row by row over all tiles takes three times as long.
const AT_ONCE: usize = 32;

/// Writes tiles of `H` rows, `[tile][depth][H]`, from row `first_row` of `a` on, whose columns are
/// contiguous.
struct CopyTiles<'a, 't, const H: usize> {
    a: Matrix<'a>,
    first_row: usize,
    to: &'t mut [f32],
}

impl<const H: usize> Kernel for CopyTiles<'_, '_, H> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { a, first_row, to } = self;
        for first in (0..a.columns).step_by(AT_ONCE) {
            let end = a.columns.min(first + AT_ONCE);
            for (tile, to) in to.chunks_exact_mut(H * a.columns).enumerate() {
                let row = first_row + tile * H;
                let (mut from, mut to) = (&a.data[first * a.column_stride + row..], &mut to[first * H..]);
                for k in first..end {
                    // A whole vector where both have one: what it writes too much is overwritten next.
                    if from.len() >= S::LANES && to.len() >= S::LANES && H <= S::LANES {
                        simd.store(simd.load(from), to);
                    } else {
                        to[..H].copy_from_slice(&from[..H]);
                    }
                    if k + 1 < end {
                        (from, to) = (&from[a.column_stride..], &mut to[H..]);
                    }
                }
            }
        }
    }
}
