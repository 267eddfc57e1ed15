//! Matrix products in parallel.
//!
//! `c = a b`, with something done to the finished rows while they are in the cache (a bias, GELU, a residual:
//! see [`Finish`]). `b` is packed into panels (`pack`), `a` is read in place if its rows are contiguous
//! (`left`), and a tile of sums stays in registers (`tile`).
//!
//! The output is cut into blocks, and where it is too small to feed the cores (weight gradients: a small
//! output, a long sum over pixels) the sum is cut too, its parts being added in order. The cuts depend on the
//! shape alone.

mod finish;
mod left;
mod matrix;
mod pack;
mod tile;

use crate::elementwise;
use crate::scratch;
use finish::FinishRows;
use pack::{Blocking, Layout, Packed, pack, pack_group};
use pelk_simd::{Level, dispatch};
use rayon::prelude::*;
use std::ops::Range;
use tile::Strip;

pub(crate) use finish::{AddBias, Finish, Plain, Start};
pub(crate) use matrix::{Matrix, Output};

/// Fewest tasks of a product that is large enough. The cut must not depend on the cores at hand, or results
/// would; 16 keep a desktop busy.
const TASKS: usize = 16;
/// Fewest multiply-adds worth a task of their own: 20 to 40 microseconds of one core.
const TASK_WORK: usize = 1 << 20;
/// Rows of a task's block, a multiple of every tile's height. With 512 summands a block is 240 KiB, and lies
/// in a level-2 cache beside the panels.
const ROWS: usize = 120;
/// Fewest summands of a part of the sum: each part costs a pass over the output.
const LEAST_DEPTH: usize = 512;
/// A sum is long, and worth cutting, when it has this many times as many summands as the output has rows or
/// columns.
const LONG_SUM: usize = 4;
/// The blocks of a product whose operands are row-major; see [`blocking`].
const ROW_MAJOR: Blocking = Blocking { rows: ROWS, depth: 256, group: 16 };
/// Heights of blocks are multiples of every tile's height.
const TILE_ROWS: usize = 24;

/// The right operand.
#[derive(Clone, Copy)]
enum Right<'a> {
    /// Packed before, for many blocks of rows.
    Packed(Packed<'a>),
    /// To be packed panel by panel: for one block of rows that is cheaper than a pass through memory.
    Loose(Layout, Matrix<'a>),
}

impl Right<'_> {
    fn layout(&self) -> Layout {
        match self {
            Right::Packed(packed) => packed.layout,
            Right::Loose(layout, _) => *layout,
        }
    }
}

/// `c = finish(start + a b)`.
#[derive(Clone, Copy)]
struct Product<'a, F> {
    level: Level,
    a: Matrix<'a>,
    b: Right<'a>,
    start: Start,
    finish: F,
    c: Output<'a>,
}

impl<F: Finish> Product<'_, F> {
    /// Computes rows `rows` and panels `panels` of the output.
    ///
    /// # Safety
    /// No other thread may use that block of `c`.
    unsafe fn block(self, rows: Range<usize>, panels: Range<usize>) {
        let Self { level, a, b, start, finish, c } = self;
        let layout = b.layout();
        let group_len = if matches!(b, Right::Loose(..)) { layout.largest_group() } else { 0 };
        scratch::with_parts(
            [group_len, left::buffer_len(&a, rows.len(), layout.depth())],
            |[packed, left_buffer]| {
                for (block, depth) in layout.blocks().enumerate() {
                    let left = left::left(level, a.block(rows.clone(), depth.clone()), left_buffer);
                    for group in layout.groups(panels.clone()) {
                        let mut packed = match b {
                            Right::Packed(packed) => packed.panels(&depth, group.clone()),
                            Right::Loose(_, b) => pack_group(level, b, layout, &depth, group.clone(), packed),
                        };
                        let finished = layout.columns(group.start).start..layout.columns(group.end - 1).end;
                        for panel in group {
                            let columns = layout.columns(panel);
                            let (panel, rest) = packed.split_at(layout.place(&depth, panel).len());
                            packed = rest;
                            let strip = Strip {
                                a: left,
                                rows: rows.len(),
                                depth: depth.len(),
                                b: panel.as_ptr(),
                                vectors: panel.len() / (depth.len() * level.lanes()),
                                c: c.block(&rows, &columns),
                                c_stride: c.columns,
                                columns: columns.len(),
                                accumulate: block > 0 || start == Start::Keep,
                            };
                            // SAFETY: `Matrix::block` and `Output::block` checked the sizes of `a` and the
                            // output, the packed slice is the panel, and the output's block is this thread's
                            // alone.
                            unsafe { strip.run(level) };
                        }
                        // By groups, not panels: what a finish reads beside the sums then comes in runs that
                        // are worth prefetching.
                        if depth.end == layout.rows() && !finish.is_nothing() {
                            let rows = rows.clone();
                            dispatch(level, FinishRows { finish, output: c, rows, columns: finished });
                        }
                    }
                }
            },
        );
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
        Self {
            level,
            layout: Layout::new(level, rows, columns, Blocking { rows: ROWS, depth: 256, group: 16 }),
        }
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
        let c = Output::new(c, layout.columns(layout.panels() - 1).end);
        // SAFETY: the output is this thread's alone.
        unsafe { Product { level, a, b, start: Start::Zero, finish: Plain, c }.block(rows, panels) };
    }
}

/// How a product is cut into tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Blocks of rows, of panels, and parts of the sum.
    rows: usize,
    panels: usize,
    parts: usize,
}

impl Cut {
    fn new(m: usize, n: usize, k: usize, panels: usize, block_rows: usize) -> Self {
        let tasks = m.saturating_mul(n).saturating_mul(k).div_ceil(TASK_WORK).min(TASKS);
        let rows = m.div_ceil(block_rows);
        // Each part costs a pass over the output, which is little where the sum is long.
        let parts = if k >= LONG_SUM * m.max(n) { tasks.min(k.div_ceil(LEAST_DEPTH)) } else { 1 };
        Self { rows, panels: tasks.div_ceil(rows * parts).min(panels), parts }
    }
}

/// The blocks that suit the operands, tuned on PeLK-T's products (AVX2, 32 KiB and 512 KiB caches). Long sums
/// are best where `a` is read along its rows and `b` packed a few columns at a time; where `b` is row-major,
/// or `a` is copied, runs along rows must be long for the memory's sake, so blocks are wider and less deep.
fn blocking(a: Matrix<'_>, b: Matrix<'_>) -> Blocking {
    match (a.column_stride, b.column_stride) {
        (1, 1) => ROW_MAJOR,
        (1, _) => Blocking { rows: ROWS, depth: 512, group: 8 },
        _ => Blocking { rows: 2 * ROWS, depth: 256, group: 16 },
    }
}

/// `c = finish(start + a b)`, where `c` is row-major `[a.rows, b.columns]`.
pub(crate) fn multiply<F: Finish>(
    level: Level,
    a: Matrix<'_>,
    b: Matrix<'_>,
    start: Start,
    finish: F,
    c: &mut [f32],
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(b.rows == k && c.len() == m * n, "the operator checks its lengths first");
    let blocking = blocking(a, b);
    let layout = Layout::new(level, k, n, blocking);
    let cut = Cut::new(m, n, k, layout.panels(), blocking.rows);
    if cut.parts > 1 {
        return long_sum(level, a, b, cut, start, finish, c);
    }
    let output = Output::new(c, n);
    let blocks = |b: Right<'_>| {
        for_each(cut.rows * cut.panels, |task| {
            let rows = part(m, cut.rows, task / cut.panels, TILE_ROWS);
            let panels = part(layout.panels(), cut.panels, task % cut.panels, 1);
            if !rows.is_empty() {
                // SAFETY: each task has a block of its own.
                unsafe { Product { level, a, b, start, finish, c: output }.block(rows, panels) };
            }
        });
    };
    if cut.rows == 1 {
        return blocks(Right::Loose(layout, b));
    }
    scratch::with(layout.len(), |memory| blocks(Right::Packed(pack(level, b, layout, memory))));
}

/// The product whose sum is cut into parts.
fn long_sum<F: Finish>(
    level: Level,
    a: Matrix<'_>,
    b: Matrix<'_>,
    cut: Cut,
    start: Start,
    finish: F,
    c: &mut [f32],
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // Part 0 of the sum goes to `c`, the others here.
    scratch::with((cut.parts - 1) * m * n, |others| {
        let parts = std::iter::once(&mut *c).chain(others.chunks_exact_mut(m * n));
        let outputs: Vec<Output<'_>> = parts.map(|part| Output::new(part, n)).collect();
        for_each(cut.parts * cut.rows * cut.panels, |task| {
            let index = task / (cut.rows * cut.panels);
            let rows = part(m, cut.rows, task / cut.panels % cut.rows, TILE_ROWS);
            let depth = part(k, cut.parts, index, 1);
            let layout = Layout::new(level, depth.len(), n, blocking(a, b));
            let panels = part(layout.panels(), cut.panels, task % cut.panels, 1);
            if rows.is_empty() {
                return;
            }
            let start = if index == 0 { start } else { Start::Zero };
            let (a, b) = (a.block(0..m, depth.clone()), b.block(depth, 0..n));
            let (b, output) = (Right::Loose(layout, b), outputs[index]);
            // SAFETY: each task has a block of its own.
            unsafe { Product { level, a, b, start, finish: Plain, c: output }.block(rows, panels) };
        });
        for part in others.chunks_exact(m * n) {
            elementwise::add_into(level, c, part);
        }
    });
    if !finish.is_nothing() {
        let output = Output::new(c, n);
        for_each(cut.rows, |task| {
            let rows = part(m, cut.rows, task, 1);
            dispatch(level, FinishRows { finish, output, rows, columns: 0..n });
        });
    }
}

/// Runs tasks `0..n`, alone where there is one.
fn for_each(n: usize, task: impl Fn(usize) + Sync + Send) {
    if n == 1 {
        return task(0);
    }
    (0..n).into_par_iter().with_max_len(1).for_each(task);
}

/// Part `index` of `0..len`, cut into `parts` of nearly equal size that are multiples of `unit`; some are
/// empty where there are fewer units than parts.
fn part(len: usize, parts: usize, index: usize, unit: usize) -> Range<usize> {
    let units = len.div_ceil(unit);
    let at = |index: usize| (units * index / parts * unit).min(len);
    at(index)..at(index + 1)
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
    fn bits_do_not_depend_on_the_thread_count() {
        let (a, b) = (values(1, 40 * 9000), values(2, 9000 * 24));
        assert_thread_count_free("gemm", || {
            let mut c = stale(40 * 24);
            multiply(
                Level::best(),
                Matrix::new(&a, 40, 9000),
                Matrix::new(&b, 9000, 24),
                Start::Zero,
                Plain,
                &mut c,
            );
            c
        });
    }
}
