//! The left operand of a block: read in place if its rows are contiguous, else copied so that the values of
//! each tile are contiguous.

use super::matrix::Matrix;
use super::tile::{Left, tile_heights};
use pelk_simd::Level;

/// Rows whose distance is a multiple of this many values (4 KiB) map to the same sets of a level-1 cache,
/// where the rows of a tile and the panel beside them would evict each other.
const COLLIDING: usize = 1024;
/// Padding of rows that are copied away from such a distance: one cache line.
const APART: usize = 16;

/// Values of the buffer that [`left`] needs for blocks of at most this many rows and columns.
pub(super) fn buffer_len(a: &Matrix<'_>, rows: usize, depth: usize) -> usize {
    if a.column_stride == 1 && !collides(a) { 0 } else { rows * (depth + APART) }
}

fn collides(a: &Matrix<'_>) -> bool {
    a.row_stride.is_multiple_of(COLLIDING) && a.rows > 1
}

/// The block `a` for the tiles of `level`, copied to `buffer` where that is faster.
pub(super) fn left(level: Level, a: Matrix<'_>, buffer: &mut [f32]) -> Left {
    let (rows, depth) = (a.rows, a.columns);
    if a.column_stride == 1 {
        if !collides(&a) {
            return Left::Rows { first: a.data.as_ptr(), stride: a.row_stride };
        }
        let stride = depth + APART;
        for (row, to) in buffer[..rows * stride].chunks_exact_mut(stride).enumerate() {
            to[..depth].copy_from_slice(&a.data[row * a.row_stride..][..depth]);
        }
        return Left::Rows { first: buffer.as_ptr(), stride };
    }
    let mut first_row = 0;
    for (height, tiles) in tile_heights(level.lanes(), rows) {
        let to = &mut buffer[first_row * depth..][..height * tiles * depth];
        match height {
            1 => copy_tiles::<1>(a, first_row, to),
            2 => copy_tiles::<2>(a, first_row, to),
            3 => copy_tiles::<3>(a, first_row, to),
            4 => copy_tiles::<4>(a, first_row, to),
            5 => copy_tiles::<5>(a, first_row, to),
            6 => copy_tiles::<6>(a, first_row, to),
            7 => copy_tiles::<7>(a, first_row, to),
            8 => copy_tiles::<8>(a, first_row, to),
            _ => debug_assert_eq!(tiles, 0, "no tile is higher"),
        }
        first_row += height * tiles;
    }
    Left::Tiles { first: buffer.as_ptr() }
}

/// Writes tiles of `H` rows, `[tile][depth][H]`, from row `first_row` of `a` on, whose columns are
/// contiguous.
fn copy_tiles<const H: usize>(a: Matrix<'_>, first_row: usize, to: &mut [f32]) {
    let tiles = to.len() / (H * a.columns);
    for k in 0..a.columns {
        let column = &a.data[k * a.column_stride + first_row..][..tiles * H];
        for (tile, from) in column.as_chunks::<H>().0.iter().enumerate() {
            to[(tile * a.columns + k) * H..][..H].copy_from_slice(from);
        }
    }
}
