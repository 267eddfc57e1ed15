//! The two computations that most memory-bound operators are made of, over matrices `[rows, columns]` with
//! optional parameters for each column: [`map`], a value for each value, and [`column_sums`].
//!
//! Narrow matrices (36 channels, 3 colors) are read as wider ones: several rows make one row of a whole
//! number of vectors, with the parameters repeated, so that no lane is idle. A task is a run of whole rows of
//! this kind.

use pelk_simd::{Kernel, Level, MAX_LANES, Simd, dispatch};
use rayon::prelude::*;

/// Values of a task: 64 KiB of each tensor, so that the two to four tensors of an operator stay in a level-2
/// cache (256 KiB and up), and some 5 microseconds, well above the cost of handing a task to a thread.
pub(crate) const CHUNK: usize = 1 << 14;
/// Matrices at least this wide are not grouped: an incomplete last vector is at most 6 % of their row.
const WIDE: usize = 256;
/// Most columns of a task of [`column_sums`]: its sums (4 KiB each) stay in the level-1 cache.
const SUM_COLUMNS: usize = 1 << 10;
/// Values of a task of [`column_sums`], so at least 32 rows: the tasks' sums are at most 3 % of the input.
const SUM_CHUNK: usize = 1 << 15;

/// The number of rows that together fill whole vectors, on every level.
fn group_of_rows(columns: usize) -> usize {
    if columns >= WIDE { 1 } else { MAX_LANES / gcd(columns, MAX_LANES) }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Ones in the lanes that a partial load of `row` fills, zeros in the others.
#[inline(always)]
pub(crate) fn mask<S: Simd>(simd: S, row: &[f32]) -> S::V {
    simd.load_partial(&[1.0; MAX_LANES][..row.len().min(S::LANES)])
}

/// A value computed from `X` values at the same place and `P` parameters of the column.
pub(crate) trait Map<const X: usize, const P: usize>: Copy + Sync {
    /// The value. Mark it `#[inline(always)]`.
    fn value<S: Simd>(self, simd: S, x: [S::V; X], p: [S::V; P]) -> S::V;
}

/// `y[i] = value(x[..][i], p[..][i % columns])`; the caller has checked the lengths.
pub(crate) fn map<M: Map<X, P>, const X: usize, const P: usize>(
    level: Level,
    columns: usize,
    x: [&[f32]; X],
    p: [&[f32]; P],
    y: &mut [f32],
    map: M,
) {
    let group = group_of_rows(columns);
    let width = group * columns;
    let p = p.map(|p| p.repeat(group));
    let chunk = width * (CHUNK / width).max(1);
    y.par_chunks_mut(chunk).enumerate().for_each(|(task, y)| {
        let at = task * chunk;
        let x = x.map(|x| &x[at..at + y.len()]);
        dispatch(level, MapKernel { width, x, p: p.each_ref().map(Vec::as_slice), y, map });
    });
}

/// [`map`] without parameters, over tensors of any shape.
pub(crate) fn map_flat<M: Map<X, 0>, const X: usize>(level: Level, x: [&[f32]; X], y: &mut [f32], m: M) {
    map(level, CHUNK, x, [], y, m);
}

/// The product of a value and its column's parameter.
#[derive(Clone, Copy)]
pub(crate) struct Multiply;
impl Map<1, 1> for Multiply {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], [p]: [S::V; 1]) -> S::V {
        simd.mul(x, p)
    }
}

struct MapKernel<'a, M, const X: usize, const P: usize> {
    width: usize,
    x: [&'a [f32]; X],
    p: [&'a [f32]; P],
    y: &'a mut [f32],
    map: M,
}

impl<M: Map<X, P>, const X: usize, const P: usize> Kernel for MapKernel<'_, M, X, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, y) in self.y.chunks_mut(self.width).enumerate() {
            let x = self.x.map(|x| &x[row * self.width..][..y.len()]);
            let p = self.p.map(|p| &p[..y.len()]);
            let whole = y.len() - y.len() % S::LANES;
            for i in (0..whole).step_by(S::LANES) {
                simd.store(self.map.value(simd, load(simd, x, i), load(simd, p, i)), &mut y[i..]);
            }
            if whole < y.len() {
                let (x, p) = (load_partial(simd, x, whole), load_partial(simd, p, whole));
                simd.store_partial(self.map.value(simd, x, p), &mut y[whole..]);
            }
        }
    }
}

/// `K` running sums over the rows of a matrix, from `X` values in the same place and `P` column parameters.
pub(crate) trait Sums<const X: usize, const P: usize, const K: usize>: Copy + Sync {
    /// `sums` with these values added. Mark it `#[inline(always)]`.
    fn add<S: Simd>(self, simd: S, x: [S::V; X], p: [S::V; P], sums: [S::V; K]) -> [S::V; K];
}

/// `sums[k][c]` over all rows of the matrices `x` (`[rows, columns]` each); the caller has checked the
/// lengths.
///
/// Tiles of rows by columns are summed in `f32`, tile sums are added in order in `f64`.
pub(crate) fn column_sums<T: Sums<X, P, K>, const X: usize, const P: usize, const K: usize>(
    level: Level,
    columns: usize,
    x: [&[f32]; X],
    p: [&[f32]; P],
    sums: [&mut [f32]; K],
    terms: T,
) {
    let group = group_of_rows(columns);
    let width = group * columns;
    let p = p.map(|p| p.repeat(group));
    let tile_columns = width.min(SUM_COLUMNS);
    let across = width.div_ceil(tile_columns);
    let tile_rows = SUM_CHUNK / tile_columns;
    let down = x[0].len().div_ceil(width * tile_rows);
    let mut tiles = vec![0.0f32; down * across * K * tile_columns];
    tiles.par_chunks_mut(K * tile_columns).enumerate().for_each(|(task, tile)| {
        let (row, column) = (task / across * tile_rows, task % across * tile_columns);
        let x = x.map(|x| &x[row * width..x.len().min((row + tile_rows) * width)]);
        let p = p.each_ref().map(|p| &p[column..width.min(column + tile_columns)]);
        let mut sums = tile.chunks_exact_mut(tile_columns);
        let sums = std::array::from_fn(|_| sums.next().unwrap_or_default());
        dispatch(level, SumsKernel { width, column, x, p, sums, terms });
    });
    let total = |k: usize, c: usize| -> f64 {
        let mut total = 0.0;
        for row in 0..down {
            for place in (c..width).step_by(columns) {
                let (tile, column) = (row * across + place / tile_columns, place % tile_columns);
                total += f64::from(tiles[(tile * K + k) * tile_columns + column]);
            }
        }
        total
    };
    for (k, sums) in sums.into_iter().enumerate() {
        sums.par_iter_mut().with_min_len(1024).enumerate().for_each(|(c, sum)| *sum = total(k, c) as f32);
    }
}

/// The plain sum.
#[derive(Clone, Copy)]
pub(crate) struct Values;
impl Sums<1, 0, 1> for Values {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [x]: [S::V; 1], []: [S::V; 0], [sum]: [S::V; 1]) -> [S::V; 1] {
        [simd.add(sum, x)]
    }
}

struct SumsKernel<'a, T, const X: usize, const P: usize, const K: usize> {
    /// Columns of the whole matrix.
    width: usize,
    /// First column of the tile.
    column: usize,
    /// All columns of the tile's rows.
    x: [&'a [f32]; X],
    /// Parameters of the tile's columns.
    p: [&'a [f32]; P],
    /// Sums of the tile's columns.
    sums: [&'a mut [f32]; K],
    terms: T,
}

impl<T: Sums<X, P, K>, const X: usize, const P: usize, const K: usize> Kernel for SumsKernel<'_, T, X, P, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for from in (self.column..self.x[0].len()).step_by(self.width) {
            // The last group of rows may be incomplete.
            let n = self.sums[0].len().min(self.width - self.column).min(self.x[0].len() - from);
            let x = self.x.map(|x| &x[from..from + n]);
            let p = self.p.map(|p| &p[..n]);
            let whole = n - n % S::LANES;
            for i in (0..whole).step_by(S::LANES) {
                let sums = load(simd, self.sums.each_ref().map(|sum| &**sum), i);
                let sums = self.terms.add(simd, load(simd, x, i), load(simd, p, i), sums);
                for k in 0..K {
                    simd.store(sums[k], &mut self.sums[k][i..]);
                }
            }
            if whole < n {
                let sums = load_partial(simd, self.sums.each_ref().map(|sum| &sum[..n]), whole);
                let (x, p) = (load_partial(simd, x, whole), load_partial(simd, p, whole));
                let sums = self.terms.add(simd, x, p, sums);
                for k in 0..K {
                    simd.store_partial(sums[k], &mut self.sums[k][whole..n]);
                }
            }
        }
    }
}

/// The vectors at `at` of each slice.
// A loop, not `array::map`, whose closures may not be inlined (see `pelk_simd`): BatchNorm's backward pass
// takes a third of the time.
#[inline(always)]
fn load<S: Simd, const N: usize>(simd: S, from: [&[f32]; N], at: usize) -> [S::V; N] {
    let mut v = [simd.zero(); N];
    for k in 0..N {
        v[k] = simd.load(&from[k][at..]);
    }
    v
}

/// The incomplete vectors that begin at `at` of each slice.
#[inline(always)]
fn load_partial<S: Simd, const N: usize>(simd: S, from: [&[f32]; N], at: usize) -> [S::V; N] {
    let mut v = [simd.zero(); N];
    for k in 0..N {
        v[k] = simd.load_partial(&from[k][at..]);
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values};

    #[derive(Clone, Copy)]
    struct Affine;
    impl Map<1, 2> for Affine {
        #[inline(always)]
        fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], [a, b]: [S::V; 2]) -> S::V {
            simd.mul_add(x, a, b)
        }
    }

    #[derive(Clone, Copy)]
    struct Moments;
    impl Sums<1, 1, 2> for Moments {
        #[inline(always)]
        fn add<S: Simd>(self, simd: S, [x]: [S::V; 1], [p]: [S::V; 1], [s, t]: [S::V; 2]) -> [S::V; 2] {
            let d = simd.sub(x, p);
            [simd.add(s, d), simd.mul_add(d, d, t)]
        }
    }

    /// One value; narrow; a whole vector; an incomplete last group; many chunks; wide; wider than a tile;
    /// more columns than a chunk.
    const SHAPES: [(usize, usize); 9] =
        [(1, 1), (5, 3), (4, 16), (7, 36), (5001, 12), (70, 255), (100, 257), (41, 1500), (2, 40_000)];

    #[test]
    fn maps_meet_their_column_parameters() {
        for level in Level::available() {
            for (rows, columns) in SHAPES {
                let (x, a, b) = (values(1, rows * columns), values(2, columns), values(3, columns));
                let mut y = stale(x.len());
                map(level, columns, [&x], [&a, &b], &mut y, Affine);
                let want: Vec<f64> = (0..x.len())
                    .map(|i| f64::from(x[i]) * f64::from(a[i % columns]) + f64::from(b[i % columns]))
                    .collect();
                assert_close(format!("{level}: {rows} x {columns}"), &y, &want, 1e-6);
            }
        }
    }

    #[test]
    fn column_sums_meet_a_plain_loop() {
        for level in Level::available() {
            for (rows, columns) in SHAPES {
                let (x, p) = (values(1, rows * columns), values(2, columns));
                let (mut s, mut t) = (stale(columns), stale(columns));
                column_sums(level, columns, [&x], [&p], [&mut s, &mut t], Moments);
                let (mut want_s, mut want_t) = (vec![0.0; columns], vec![0.0; columns]);
                for i in 0..x.len() {
                    let d = f64::from(x[i]) - f64::from(p[i % columns]);
                    want_s[i % columns] += d;
                    want_t[i % columns] += d * d;
                }
                assert_close(format!("{level}: sum, {rows} x {columns}"), &s, &want_s, 1e-6);
                assert_close(format!("{level}: squares, {rows} x {columns}"), &t, &want_t, 1e-6);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (x, p) = (values(1, 5001 * 36), values(2, 36));
        assert_thread_count_free("column_sums", || {
            let (mut s, mut t) = (stale(36), stale(36));
            column_sums(Level::best(), 36, [&x], [&p], [&mut s, &mut t], Moments);
            s.extend(t);
            s
        });
    }
}
