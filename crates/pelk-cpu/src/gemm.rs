//! Matrix products in parallel, on the kernels of the `matrixmultiply` crate.
//!
//! The output is cut into blocks, and where it is too small to feed the cores (weight gradients: a small
//! output, a long sum over pixels) the sum is cut too, its parts being added in order. The cuts depend on the
//! shape alone.

use crate::elementwise;
use crate::simd::Level;
use rayon::prelude::*;

/// Tasks that a product is cut into in any case, and those it is cut into where cutting is cheap. The cut must not
/// depend on the cores at hand, or results would; 8 keep a laptop busy, 32 balance better.
const FEW_TASKS: usize = 8;
const MANY_TASKS: usize = 32;
/// Fewest multiply-adds worth a task of their own: 20 to 40 microseconds of one AVX-512 core.
const TASK_WORK: usize = 1 << 21;
/// Multiply-adds that cost as much as packing one value for the kernel (measured on PeLK-T's products on one
/// AVX-512 core: 3136 x 384 x 96 runs at 96 GFLOP/s in blocks of 392 rows, at 88 in blocks of 196).
const PACKING: usize = 32;
/// Cutting is cheap when it adds at most this part of the work.
const CHEAP: usize = 16;
/// Smallest edges of a task in rows, columns and summands: those below leave the kernel's loops short.
const LEAST: [usize; 3] = [32, 64, 256];
/// Block edges are multiples of the widest register tile of `matrixmultiply`.
const TILE: usize = 16;

/// A matrix in a slice, row-major or transposed.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix in `data`, whose length the caller has checked.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "the operator checks its lengths first");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same values with rows and columns swapped.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Address of the value at `row`, `column`, both inside the matrix.
    fn at(&self, row: usize, column: usize) -> *const f32 {
        self.data[row * self.row_stride + column * self.column_stride..].as_ptr()
    }
}

/// What the product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing: the output is overwritten.
    Zero,
    /// What the output holds.
    Keep,
    /// This row, in every row of the output (a bias), which is overwritten.
    Row(&'a [f32]),
}

/// The edges of a task's block: rows, columns, summands.
#[derive(Debug, PartialEq, Eq)]
struct Blocks {
    rows: usize,
    columns: usize,
    depth: usize,
}

impl Blocks {
    /// Halves edges until there are tasks enough, always the edge that costs least to halve. Twice as many row
    /// blocks pack `b` twice as often, column blocks pack `a`, and parts of the sum write the output.
    fn new(m: usize, n: usize, k: usize) -> Self {
        let size = [m, n, k];
        let work = m.saturating_mul(n).saturating_mul(k);
        let mut parts = [1; 3];
        loop {
            let cost = |axis: usize| (work / size[axis]).saturating_mul(parts[axis]);
            let can_be_halved = |axis: &usize| size[*axis] / (2 * parts[*axis]) >= LEAST[*axis];
            let Some(axis) = (0..3).filter(can_be_halved).min_by_key(|axis| cost(*axis)) else { break };
            let is_cheap = cost(axis).saturating_mul(PACKING * CHEAP) <= work;
            let enough = if is_cheap { MANY_TASKS } else { FEW_TASKS }.min(work / TASK_WORK);
            if parts.iter().product::<usize>() >= enough {
                break;
            }
            parts[axis] *= 2;
        }
        let edge = |axis: usize| size[axis].div_ceil(parts[axis]).next_multiple_of(TILE).min(size[axis]);
        Self { rows: edge(0), columns: edge(1), depth: edge(2) }
    }
}

/// An output that tasks write disjoint blocks of.
#[derive(Clone, Copy)]
struct Output(*mut f32);
// SAFETY: `multiply` gives each task a block of its own.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// Address of the value `offset` into the output.
    ///
    /// # Safety
    /// `offset` must lie within the output.
    unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller vouches for the offset.
        unsafe { self.0.add(offset) }
    }
}

/// `c = start + a b`, where `c` is row-major `[a.rows, b.columns]`.
///
/// `matrixmultiply` finds the instructions by itself; `level` is for the sums around it.
pub(crate) fn multiply(level: Level, a: Matrix<'_>, b: Matrix<'_>, start: Start<'_>, c: &mut [f32]) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && c.len() == m * n, "the operator checks its lengths first");
    if let Start::Row(row) = start {
        assert_eq!(row.len(), n, "the operator checks its lengths first");
    }
    let blocks = Blocks::new(m, n, k);
    let grid = [k.div_ceil(blocks.depth), m.div_ceil(blocks.rows), n.div_ceil(blocks.columns)];
    // Part 0 of the sum goes to `c`, the others here.
    let mut parts = vec![0.0f32; (grid[0] - 1) * m * n];
    let (first, others) = (Output(c.as_mut_ptr()), Output(parts.as_mut_ptr()));
    (0..grid.iter().product()).into_par_iter().for_each(|task| {
        let row = task / grid[2] % grid[1] * blocks.rows;
        let column = task % grid[2] * blocks.columns;
        let part = task / (grid[1] * grid[2]);
        let sum = part * blocks.depth;
        let (rows, columns) = (blocks.rows.min(m - row), blocks.columns.min(n - column));
        let depth = blocks.depth.min(k - sum);
        // SAFETY: block (part, row, column) is inside: `others` holds grid[0] - 1 outputs, `first` one, each
        // m * n values, row < m and column < n.
        let to = unsafe {
            match part {
                0 => first.at(row * n + column),
                _ => others.at(((part - 1) * m + row) * n + column),
            }
        };
        let beta = match (part, start) {
            (0, Start::Keep) => 1.0,
            (0, Start::Row(values)) => {
                for r in 0..rows {
                    // SAFETY: row `row + r` < m of this task's block, `columns` values from `column` on; no
                    // other task has this block, and `values` is another slice.
                    let to = unsafe { std::slice::from_raw_parts_mut(to.add(r * n), columns) };
                    to.copy_from_slice(&values[column..column + columns]);
                }
                1.0
            }
            _ => 0.0,
        };
        // SAFETY: the views of `a` (rows x depth from row, sum), `b` (depth x columns from sum, column) and
        // the output lie inside their slices by the `min`s above and the asserted lengths; the output block
        // is this task's own and aliases neither input, being borrowed mutably or allocated here.
        unsafe {
            matrixmultiply::sgemm(
                rows,
                depth,
                columns,
                1.0,
                a.at(row, sum),
                a.row_stride as isize,
                a.column_stride as isize,
                b.at(sum, column),
                b.row_stride as isize,
                b.column_stride as isize,
                beta,
                to,
                n as isize,
                1,
            );
        }
    });
    for part in parts.chunks_exact(m * n) {
        elementwise::add_into(level, c, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values};

    fn product(a: &[f32], b: &[f32], m: usize, n: usize, k: usize) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for p in 0..k {
                for j in 0..n {
                    c[i * n + j] += f64::from(a[i * k + p]) * f64::from(b[p * n + j]);
                }
            }
        }
        c
    }

    fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
    }

    #[test]
    fn every_cut_and_every_start_gives_the_product() {
        // One block; rows cut; columns cut; the sum cut; all three edges uneven.
        for (m, n, k) in
            [(1, 1, 1), (7, 5, 3), (600, 33, 20), (49, 700, 300), (40, 24, 9000), (300, 150, 2100)]
        {
            let (a, b) = (values(1, m * k), values(2, k * n));
            let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
            let (row, kept) = (values(3, n), values(4, m * n));
            let want = product(&a, &b, m, n, k);
            for transposed in [false, true] {
                let (a, b) = match transposed {
                    false => (Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
                    true => (Matrix::new(&at, k, m).transposed(), Matrix::new(&bt, n, k).transposed()),
                };
                for (start, name) in [(Start::Zero, "zero"), (Start::Keep, "keep"), (Start::Row(&row), "row")]
                {
                    let mut c = if matches!(start, Start::Keep) { kept.clone() } else { stale(m * n) };
                    multiply(Level::best(), a, b, start, &mut c);
                    let want: Vec<f64> = (0..m * n)
                        .map(|i| {
                            want[i]
                                + match start {
                                    Start::Zero => 0.0,
                                    Start::Keep => f64::from(kept[i]),
                                    Start::Row(row) => f64::from(row[i % n]),
                                }
                        })
                        .collect();
                    assert_close(format!("{m} x {n} x {k}, {name}, {transposed}"), &c, &want, 1e-5);
                }
            }
        }
    }

    #[test]
    fn products_of_the_network_give_enough_tasks() {
        let tasks = |m: usize, n: usize, k: usize| {
            let blocks = Blocks::new(m, n, k);
            m.div_ceil(blocks.rows) * n.div_ceil(blocks.columns) * k.div_ceil(blocks.depth)
        };
        // PeLK-T, one image: pointwise layers of each stage, and a weight gradient.
        let products = [
            (3136, 384, 96),
            (784, 768, 192),
            (196, 1536, 384),
            (196, 384, 1536),
            (49, 3072, 768),
            (384, 96, 3136),
        ];
        for (m, n, k) in products {
            assert!((6..=32).contains(&tasks(m, n, k)), "{m} x {n} x {k}: {} tasks", tasks(m, n, k));
        }
        assert_eq!(tasks(50_176, 384, 96), 32, "a tall product is cheap to cut");
        assert_eq!(tasks(4, 4, 4), 1, "a small product is not cut");
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (a, b) = (values(1, 40 * 9000), values(2, 9000 * 24));
        assert_thread_count_free("gemm", || {
            let mut c = stale(40 * 24);
            multiply(
                Level::best(),
                Matrix::new(&a, 40, 9000),
                Matrix::new(&b, 9000, 24),
                Start::Zero,
                &mut c,
            );
            c
        });
    }
}
