//! Matrix products in parallel.
//!
//! `c = a b`, with something done to the finished rows while they are in the cache (a bias, GELU, a residual:
//! see [`Finish`]). A tile of sums stays in registers (`tile`) while it walks along rows of `a`, which are
//! read in place (`left`), and down a panel of `b`, whose rows are packed next to each other (`pack`). The
//! tiles and panels of a block take turns (`sweep`, `block`) such that what is used again stays in a near
//! cache, and what is used next is prefetched.
//!
//! The output is cut into blocks, and where it is too small to feed the cores (weight gradients: a small
//! output, a long sum over pixels) the sum is cut too, its parts being added in order (`long_sum`). All sizes
//! depend on the shape and the level alone (`plan`), so results do not depend on the cores at hand.
//!
//! At the portable level the blocks are matrixmultiply's products.

mod block;
mod finish;
mod left;
mod long_sum;
mod matrix;
mod pack;
mod plan;
mod sweep;
mod tile;

use crate::scratch;
use block::{Product, Right};
use long_sum::long_sum;
use pack::{Layout, Packed, pack};
use pelk_simd::{Level, MAX_LANES};
use plan::{Operand, Plan};
use rayon::prelude::*;
use std::ops::Range;

#[cfg(any(test, feature = "rivals"))]
pub(crate) use block::by_matrixmultiply;
pub(crate) use finish::{AddBias, Finish, Plain, Start};
pub(crate) use matrix::{Matrix, Output};

/// `c = finish(start + a b)`, where `c` is row-major `[a.rows, b.columns]`.
pub(crate) fn multiply<'a, F: Finish>(
    level: Level,
    a: Matrix<'_>,
    b: impl Into<Factor<'a>>,
    start: Start,
    finish: F,
    c: &mut [f32],
) {
    let Factor { matrix: b, packed } = b.into();
    let (m, n) = (a.rows, b.columns);
    assert!(b.rows == a.columns && c.len() == m * n, "the operator checks its lengths first");
    let plan = Plan::new(level, a, b);
    if plan.parts > 1 {
        return long_sum(level, a, b, &plan, start, finish, c);
    }
    let output = Output::new(c, n);
    let blocks = |b: Right<'_>| {
        for_each(plan.rows * plan.panels, |task| {
            let rows = part(m, plan.rows, task / plan.panels);
            let panels = part(plan.layout.panels(), plan.panels, task % plan.panels);
            if !rows.is_empty() && !panels.is_empty() {
                // SAFETY: each task has a block of its own.
                unsafe { Product { level, a, b, start, finish, c: output }.block(rows, panels) };
            }
        });
    };
    if let Some(packed) = packed.filter(|packed| packed.is_of(level, b)) {
        return blocks(Right::Packed(Packed::new(packed.layout, packed.values())));
    }
    match plan.right {
        Operand::PackedFirst => scratch::with(plan.layout.len(), |memory| {
            blocks(Right::Packed(pack(level, b, plan.layout, memory)));
        }),
        Operand::ByGroups => blocks(Right::Loose(plan.layout, b)),
        Operand::InPlace => blocks(Right::InPlace(plan.layout, b)),
    }
}

/// A right operand, and the same values packed, where somebody has them.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    pub matrix: Matrix<'a>,
    pub packed: Option<&'a PackedMatrix>,
}

impl<'a> From<Matrix<'a>> for Factor<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Self { matrix, packed: None }
    }
}

/// A right operand that was packed once for many products. They have the same bits as without.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    level: Level,
    layout: Layout,
    /// From the first value that is aligned to a cache line on.
    memory: Vec<f32>,
    skip: usize,
}

impl PackedMatrix {
    /// Packs a matrix for products with row-major left operands.
    pub fn new(level: Level, b: Matrix<'_>) -> Self {
        let layout = Layout::new(level, b.rows, b.columns, plan::ahead(b.rows));
        let mut memory = vec![0.0; layout.len() + MAX_LANES];
        let skip = memory.as_ptr().align_offset(MAX_LANES * size_of::<f32>()).min(MAX_LANES);
        pack(level, b, layout, &mut memory[skip..][..layout.len()]);
        Self { level, layout, memory, skip }
    }

    fn values(&self) -> &[f32] {
        &self.memory[self.skip..][..self.layout.len()]
    }

    /// Whether products with this matrix may use it. matrixmultiply, the portable level's product, packs for
    /// itself.
    fn is_of(&self, level: Level, b: Matrix<'_>) -> bool {
        let fits = self.layout.rows() == b.rows && self.layout.width() == b.columns;
        fits && level == self.level && level != Level::PORTABLE
    }
}

/// A right operand that its maker writes packed, to be multiplied by many left operands.
#[derive(Clone, Copy)]
pub(crate) struct Panels {
    level: Level,
    layout: Layout,
}

impl Panels {
    /// For a matrix of this many rows and columns.
    pub(crate) fn new(level: Level, rows: usize, columns: usize) -> Self {
        Self { level, layout: Layout::new(level, rows, columns, plan::ROW_MAJOR) }
    }

    /// Values of the packed matrix.
    pub(crate) fn len(&self) -> usize {
        self.layout.len()
    }

    /// Where vector `vector` of row `row` lies. The last vector of a row is a whole one too, with zeros beyond
    /// the columns.
    pub(crate) fn vector(&self, row: usize, vector: usize) -> Range<usize> {
        self.layout.vector(row, vector)
    }

    /// `c = a b` on this thread, for the matrix in `b` and a row-major c.
    pub(crate) fn multiply(&self, a: Matrix<'_>, b: &[f32], c: &mut [f32]) {
        let Self { level, layout } = *self;
        assert!(a.columns == layout.rows(), "the operator checks its lengths first");
        let (rows, panels) = (0..a.rows, 0..layout.panels());
        let b = Right::Packed(Packed::new(layout, b));
        let c = Output::new(c, layout.columns(&panels).end);
        // SAFETY: the output is this thread's alone.
        unsafe { Product { level, a, b, start: Start::Zero, finish: Plain, c }.block(rows, panels) };
    }
}

/// Runs tasks `0..n`, alone where there is one.
fn for_each(n: usize, task: impl Fn(usize) + Sync + Send) {
    if n == 1 {
        return task(0);
    }
    (0..n).into_par_iter().with_max_len(1).for_each(task);
}

/// Part `index` of `0..len`, cut into `parts` of nearly equal size.
fn part(len: usize, parts: usize, index: usize) -> Range<usize> {
    len * index / parts..len * (index + 1) / parts
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
        // One block; rows cut; columns cut; the sum cut; few rows; lines that evict each other; all edges
        // uneven.
        let cut = [(1, 1, 1), (7, 5, 3), (600, 33, 20), (49, 700, 300), (40, 24, 9000), (300, 150, 2100)];
        for (m, n, k) in
            cut.into_iter().chain([(24, 40, 9000), (150, 90, 1700), (33, 1024, 70), (9, 50, 2048)])
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
                for level in Level::available() {
                    let check = |name: &str, c: &[f32], added: &dyn Fn(usize) -> f32| {
                        let want: Vec<f64> = (0..m * n).map(|i| want[i] + f64::from(added(i))).collect();
                        let what = format!("{m} x {n} x {k}, {name}, {transposed}, {level}");
                        assert_close(what, c, &want, 1e-5);
                    };
                    let mut c = stale(m * n);
                    multiply(level, a, b, Start::Zero, Plain, &mut c);
                    check("zero", &c, &|_| 0.0);
                    let mut c = kept.clone();
                    multiply(level, a, b, Start::Keep, Plain, &mut c);
                    check("keep", &c, &|i| kept[i]);
                    let mut c = kept.clone();
                    multiply(level, a, b, Start::Keep, AddBias(Some(&row)), &mut c);
                    check("bias", &c, &|i| kept[i] + row[i % n]);
                }
            }
        }
    }

    #[test]
    fn large_products_agree_with_matrixmultiply() {
        // Rows, inputs and outputs of a PeLK-T's wider stages, which take other ways than small products.
        for (rows, inputs, outputs) in [(49, 332, 1328), (196, 249, 996), (784, 124, 496)] {
            let (x, w, gy) =
                (values(1, rows * inputs), values(2, outputs * inputs), values(3, rows * outputs));
            let (x, w, gy) = (
                Matrix::new(&x, rows, inputs),
                Matrix::new(&w, outputs, inputs),
                Matrix::new(&gy, rows, outputs),
            );
            for (a, b) in [(x, w.transposed()), (gy, w), (gy.transposed(), x)] {
                let mut want = vec![0.0; a.rows * b.columns];
                // SAFETY: `want` has these rows and columns.
                unsafe { by_matrixmultiply(a, b, false, want.as_mut_ptr(), b.columns) };
                let want: Vec<f64> = want.into_iter().map(f64::from).collect();
                for level in Level::available() {
                    let mut c = stale(a.rows * b.columns);
                    multiply(level, a, b, Start::Zero, Plain, &mut c);
                    assert_close(
                        format!("{} x {} x {}, {level}", a.rows, a.columns, b.columns),
                        &c,
                        &want,
                        1e-5,
                    );
                }
            }
        }
    }

    #[test]
    fn a_matrix_packed_before_gives_the_same_bits() {
        for (m, n, k) in [(1, 1, 1), (49, 130, 600), (150, 90, 300), (400, 70, 1100), (3, 5, 4000)] {
            let (a, b) = (values(1, m * k), values(2, k * n));
            let bt = transpose(&b, k, n);
            for b in [Matrix::new(&b, k, n), Matrix::new(&bt, n, k).transposed()] {
                for level in Level::available() {
                    let packed = PackedMatrix::new(level, b);
                    let product = |b: Factor<'_>| {
                        let mut c = stale(m * n);
                        multiply(level, Matrix::new(&a, m, k), b, Start::Zero, Plain, &mut c);
                        c
                    };
                    let with = product(Factor { matrix: b, packed: Some(&packed) });
                    assert_eq!(with, product(b.into()), "{m} x {n} x {k}, {level}");
                }
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        // The sum cut, and the rows.
        for (m, n, k) in [(40, 24, 9000), (24, 40, 9000), (700, 150, 300)] {
            let (a, b) = (values(1, m * k), values(2, k * n));
            let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
            assert_thread_count_free("gemm", || {
                let product = |a, b| {
                    let mut c = stale(m * n);
                    multiply(Level::best(), a, b, Start::Zero, Plain, &mut c);
                    c
                };
                let (a, at) = (Matrix::new(&a, m, k), Matrix::new(&at, k, m).transposed());
                let (b, bt) = (Matrix::new(&b, k, n), Matrix::new(&bt, n, k).transposed());
                [product(a, b), product(a, bt), product(at, b), product(at, bt)].concat()
            });
        }
    }
}
