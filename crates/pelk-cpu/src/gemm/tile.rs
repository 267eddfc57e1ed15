//! Register tiles: a few rows of `a` times one panel of `b`.
//!
//! A tile holds its sums in registers while it walks down the panel. Each step loads one packed row of `b`
//! and broadcasts one value of each row of `a`, which is read in place if its rows are contiguous: packing it
//! would cost a pass over it for every product, and the rows of a tile are few enough for the hardware
//! prefetcher.

use super::sweep::{Ahead, Sweep};
use pelk_simd::{Kernel, Level, Simd, dispatch};

/// Most vectors in a row of a panel, and most rows of a tile: 24 sums of 32 registers or 12 of 16 leave space
/// for a row of `b` and a broadcast value. (4 x 3 would fill the 16 registers; compilers then spill a sum,
/// which halves the speed.)
pub(super) const fn most_vectors(lanes: usize) -> usize {
    if lanes == 16 { 3 } else { 2 }
}

/// Most rows of a tile. Each row is a stream whose offset takes an integer register: eight is the limit
/// there.
const fn most_rows(lanes: usize) -> usize {
    if lanes == 16 { 8 } else { 6 }
}

/// Cuts rows into tiles of two heights, given as heights and numbers of tiles. They are as equal as possible:
/// one leftover row would cost as much as a full tile.
pub(super) fn tile_heights(lanes: usize, rows: usize) -> [(usize, usize); 2] {
    let tiles = rows.div_ceil(most_rows(lanes));
    let (low, taller) = (rows / tiles, rows % tiles);
    [(low + 1, taller), (low, tiles - taller)]
}

/// Products of one height and one width, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The first value of the first tile.
    pub a: *const f32,
    /// From one tile to the next, from one row to the next, from one summand to the next.
    pub a_strides: [usize; 3],
    /// Whether the values for one summand are neighbors, so that the second stride is 1; else the third is.
    pub neighbors: bool,
    /// The first panel, and from one row of it to the next.
    pub b: *const f32,
    pub b_row: usize,
    /// The first value of the output.
    pub c: *mut f32,
    /// Columns of the output, which a step may have fewer of.
    pub columns: usize,
    /// Number of products.
    pub steps: usize,
    /// From one product to the next: in `a`, in `b`, and in the output.
    pub strides: [usize; 3],
    pub ahead: Ahead,
    pub sweep: &'a Sweep,
}

impl Run<'_> {
    /// # Safety
    /// Same as [`Sweep::run`].
    pub unsafe fn run(self, level: Level, height: usize, vectors: usize) {
        if self.steps == 0 {
            return;
        }
        match height {
            1 => self.tiles::<1>(level, vectors),
            2 => self.tiles::<2>(level, vectors),
            3 => self.tiles::<3>(level, vectors),
            4 => self.tiles::<4>(level, vectors),
            5 => self.tiles::<5>(level, vectors),
            6 => self.tiles::<6>(level, vectors),
            7 => self.tiles::<7>(level, vectors),
            8 => self.tiles::<8>(level, vectors),
            _ => unreachable!("no register tile has {height} rows"),
        }
    }

    fn tiles<const M: usize>(self, level: Level, vectors: usize) {
        match vectors {
            1 => self.panels::<M, 1>(level),
            2 => self.panels::<M, 2>(level),
            3 => self.panels::<M, 3>(level),
            _ => unreachable!("no register tile has {vectors} vectors"),
        }
    }

    fn panels<const M: usize, const V: usize>(self, level: Level) {
        match (self.neighbors, self.b_row == V * level.lanes()) {
            (false, true) => dispatch(level, Tiles::<M, V, false, true>(self)),
            (true, true) => dispatch(level, Tiles::<M, V, true, true>(self)),
            (false, false) => dispatch(level, Tiles::<M, V, false, false>(self)),
            (true, false) => dispatch(level, Tiles::<M, V, true, false>(self)),
        }
    }
}

/// Summands of one round of the loop: enough that its counting costs nothing beside the multiply-adds.
const UNROLL: usize = 8;

/// The run with tiles of `M` rows and `V` vectors. Where `NEIGHBORS`, the values of a tile for one
/// summand are next to each other; else the values of one row are.
struct Tiles<'a, const M: usize, const V: usize, const NEIGHBORS: bool, const PACKED: bool>(Run<'a>);

impl<const M: usize, const V: usize, const NEIGHBORS: bool, const PACKED: bool> Kernel
    for Tiles<'_, M, V, NEIGHBORS, PACKED>
{
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Known to the compiler, which then leaves out the tiles that this level never uses.
        if M > most_rows(S::LANES) || V > most_vectors(S::LANES) {
            unreachable!("tiles are chosen by these limits");
        }
        let Run { a, a_strides: [_, a_row, a_step], b, b_row, c, columns, strides, mut ahead, .. } = self.0;
        let Sweep { depth, c_stride, accumulate, .. } = *self.0.sweep;
        // A constant where it can be: it is then part of the instructions' addresses.
        let (a_row, a_step) = if NEIGHBORS { (1, a_step) } else { (a_row, 1) };
        let b_row = if PACKED { V * S::LANES } else { b_row };
        for i in 0..self.0.steps {
            // All of a panel's columns, in the last panel those that there are.
            let columns = if strides[1] == 0 { columns } else { columns.saturating_sub(i * strides[2]) };
            let mut sums = [[simd.zero(); V]; M];
            // SAFETY: `a` has `rows` rows of `depth` values, the panel `depth` rows of V vectors, the output
            // `rows` rows of `columns` values: what `Sweep::run` was promised. The pointers end at most one
            // step past their last use, and those that are only prefetched may be anything.
            unsafe {
                let c = c.add(i * strides[2]);
                for m in 0..M {
                    let row = c.wrapping_add(m * c_stride);
                    simd.prefetch(row);
                    simd.prefetch(row.wrapping_add(V * S::LANES - 1));
                }
                let mut a = a.add(i * strides[0]);
                let mut b = b.add(i * strides[1]);
                let rounds = depth / UNROLL;
                // Half of the runs during each half of the rounds.
                for rounds in [rounds / 2, rounds - rounds / 2] {
                    let mut next = ahead.first;
                    for _ in 0..rounds {
                        for v in 0..V {
                            simd.prefetch(next.wrapping_add(v * ahead.apart));
                        }
                        next = next.wrapping_add(ahead.step);
                        for u in 0..UNROLL {
                            let a = a.wrapping_add(u * a_step);
                            step::<S, M, V>(simd, a, a_row, b.wrapping_add(u * b_row), &mut sums);
                        }
                        a = a.wrapping_add(UNROLL * a_step);
                        b = b.wrapping_add(UNROLL * b_row);
                    }
                    ahead = ahead.after(V);
                }
                for _ in 0..depth % UNROLL {
                    step::<S, M, V>(simd, a, a_row, b, &mut sums);
                    a = a.wrapping_add(a_step);
                    b = b.wrapping_add(b_row);
                }
                if columns >= V * S::LANES {
                    for m in 0..M {
                        for v in 0..V {
                            let to = c.add(m * c_stride + v * S::LANES);
                            let mut sum = sums[m][v];
                            if accumulate {
                                sum = simd.add(sum, simd.load_ptr(to));
                            }
                            simd.store_ptr(sum, to);
                        }
                    }
                    continue;
                }
                for m in 0..M {
                    for v in 0..V {
                        let lanes = columns.saturating_sub(v * S::LANES).min(S::LANES);
                        let to = c.add(m * c_stride).wrapping_add(v * S::LANES);
                        let to = std::slice::from_raw_parts_mut(to, lanes);
                        let mut sum = sums[m][v];
                        if accumulate {
                            sum = simd.add(sum, simd.load_partial(to));
                        }
                        simd.store_partial(sum, to);
                    }
                }
            }
        }
    }
}

/// One summand of each sum: a row of the panel times a value of each row of `a`.
///
/// # Safety
/// `b` must be readable for V vectors, `a` for M values, `a_row` apart.
#[inline(always)]
unsafe fn step<S: Simd, const M: usize, const V: usize>(
    simd: S,
    a: *const f32,
    a_row: usize,
    b: *const f32,
    sums: &mut [[S::V; V]; M],
) {
    let mut row = [simd.zero(); V];
    for v in 0..V {
        // SAFETY: the caller's promise.
        row[v] = unsafe { simd.load_ptr(b.add(v * S::LANES)) };
    }
    for m in 0..M {
        // SAFETY: the caller's promise.
        let x = simd.splat(unsafe { *a.add(m * a_row) });
        for v in 0..V {
            sums[m][v] = simd.mul_add(x, row[v], sums[m][v]);
        }
    }
}
