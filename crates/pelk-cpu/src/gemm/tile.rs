//! Register tiles: a few rows of `a` times one panel of `b`.
//!
//! A tile holds its sums in registers while it walks down the panel. Each step loads one packed row of `b`
//! and broadcasts one value of each row of `a`, which is read in place if its rows are contiguous: packing it
//! would cost a pass over it for every product, and the rows of a tile are few enough for the hardware
//! prefetcher.

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
    /// `[tile][depth][height]`, with the tiles of [`tile_heights`].
    Tiles {
        /// The first value.
        first: *const f32,
    },
}

/// `c (+)= a b` for some rows of `a` and one panel.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// The rows of `a`.
    pub a: Left,
    /// Rows to compute.
    pub rows: usize,
    /// Summands: columns of `a`, rows of the panel.
    pub depth: usize,
    /// The panel, `[depth][vectors * lanes]`, aligned to vectors.
    pub b: *const f32,
    /// Vectors of a panel's row.
    pub vectors: usize,
    /// First value of the output.
    pub c: *mut f32,
    /// From one row of the output to the next.
    pub c_stride: usize,
    /// Values of an output row: at most `vectors * lanes`.
    pub columns: usize,
    /// Add to the output rather than overwrite it.
    pub accumulate: bool,
}

impl Strip {
    /// Computes the strip.
    ///
    /// # Safety
    /// `a` and `b` must be readable and `c` writable over the stated sizes, and no other thread may use that
    /// part of `c`.
    pub unsafe fn run(self, level: Level) {
        let mut done = 0;
        for (height, tiles) in tile_heights(level.lanes(), self.rows) {
            if tiles == 0 {
                continue;
            }
            // SAFETY: rows `done` and following are within the strip; so are these tiles, as the caller
            // vouches.
            unsafe {
                let (a, a_strides) = match self.a {
                    Left::Rows { first, stride } => (first.add(done * stride), [height * stride, stride, 1]),
                    Left::Tiles { first } => (first.add(done * self.depth), [height * self.depth, 1, height]),
                };
                let c = self.c.add(done * self.c_stride);
                Run { a, a_strides, tiles, strip: Strip { c, ..self } }.run(level, height);
            }
            done += height * tiles;
        }
    }
}

/// Tiles of one height.
#[derive(Clone, Copy)]
struct Run {
    /// The first value of the first tile.
    a: *const f32,
    /// From one tile to the next, from one row to the next, from one summand to the next.
    a_strides: [usize; 3],
    tiles: usize,
    /// The strip, its output beginning with the first tile.
    strip: Strip,
}

impl Run {
    /// # Safety
    /// Same as [`Strip::run`].
    unsafe fn run(self, level: Level, height: usize) {
        match height {
            1 => self.tiles::<1>(level),
            2 => self.tiles::<2>(level),
            3 => self.tiles::<3>(level),
            4 => self.tiles::<4>(level),
            5 => self.tiles::<5>(level),
            6 => self.tiles::<6>(level),
            7 => self.tiles::<7>(level),
            8 => self.tiles::<8>(level),
            _ => unreachable!("no register tile has {height} rows"),
        }
    }

    fn tiles<const M: usize>(self, level: Level) {
        match self.strip.vectors {
            1 => dispatch(level, Tiles::<M, 1>(self)),
            2 => dispatch(level, Tiles::<M, 2>(self)),
            3 => dispatch(level, Tiles::<M, 3>(self)),
            vectors => unreachable!("no register tile has {vectors} vectors"),
        }
    }
}

/// The run with tiles of `M` rows and `V` vectors.
struct Tiles<const M: usize, const V: usize>(Run);

impl<const M: usize, const V: usize> Kernel for Tiles<M, V> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Known to the compiler, which then leaves out the tiles that this level never uses.
        if M > most_rows(S::LANES) || V > most_vectors(S::LANES) {
            unreachable!("tiles are chosen by these limits");
        }
        let Run { a, a_strides: [a_tile, a_row, a_step], tiles, strip } = self.0;
        for tile in 0..tiles {
            let mut sums = [[simd.zero(); V]; M];
            // SAFETY: `a` has `rows` rows of `depth` values, the panel `depth` rows of V vectors, the output
            // `rows` rows of `columns` values: what `Strip::run` was promised. The pointers end at most one
            // step past their last use.
            unsafe {
                let mut a = a.add(tile * a_tile);
                let mut b = strip.b;
                for _ in 0..strip.depth {
                    let mut row = [simd.zero(); V];
                    for v in 0..V {
                        row[v] = simd.load_ptr(b.add(v * S::LANES));
                    }
                    for m in 0..M {
                        let x = simd.splat(*a.add(m * a_row));
                        for v in 0..V {
                            sums[m][v] = simd.mul_add(x, row[v], sums[m][v]);
                        }
                    }
                    a = a.wrapping_add(a_step);
                    b = b.add(V * S::LANES);
                }
                for m in 0..M {
                    let c = strip.c.add((tile * M + m) * strip.c_stride);
                    for v in 0..V {
                        let lanes = strip.columns.saturating_sub(v * S::LANES).min(S::LANES);
                        let to = std::slice::from_raw_parts_mut(c.add(v * S::LANES), lanes);
                        let mut sum = sums[m][v];
                        if strip.accumulate {
                            sum = simd.add(sum, simd.load_partial(to));
                        }
                        simd.store_partial(sum, to);
                    }
                }
            }
        }
    }
}
