//! Products whose sums are cut into parts.

use super::block::{Product, Right};
use super::finish::{Finish, FinishRows, Plain, Start};
use super::matrix::{Matrix, Output};
use super::pack::Layout;
use super::plan::{Operand, Plan};
use super::{for_each, part};
use crate::elementwise;
use crate::scratch;
use pelk_simd::{Level, dispatch};
use rayon::prelude::*;

/// Rows that are finished, or transposed, by one task.
const ROWS: usize = 64;

/// `c = finish(start + a b)` with `plan.parts` parts of the sum, which are added in order.
pub(super) fn long_sum<F: Finish>(
    level: Level,
    a: Matrix<'_>,
    b: Matrix<'_>,
    plan: &Plan,
    start: Start,
    finish: F,
    c: &mut [f32],
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // Two matrices that are read along their columns: it is the narrower one that is cheap to pack, because
    // each of its values is used most often.
    if a.column_stride > 1 && b.column_stride == 1 && m < n {
        return scratch::with(m * n, |turned| {
            let (a, b) = (b.transposed(), a.transposed());
            let plan = Plan::new(level, a, b);
            long_sum(level, a, b, &plan, Start::Zero, Plain, turned);
            transpose_into(turned, m, start, c);
            finish_rows(level, finish, c, n);
        });
    }
    // Part 0 of the sum goes to `c`, the others here.
    scratch::with((plan.parts - 1) * m * n, |others| {
        let parts = std::iter::once(&mut *c).chain(others.chunks_exact_mut(m * n));
        let outputs: Vec<Output<'_>> = parts.map(|part| Output::new(part, n)).collect();
        for_each(plan.parts * plan.panels, |task| {
            let index = task / plan.panels;
            let depth = part(k, plan.parts, index);
            let layout = plan.layout.with_rows(depth.len());
            let panels = part(layout.panels(), plan.panels, task % plan.panels);
            let start = if index == 0 { start } else { Start::Zero };
            let (a, b) = (a.block(0..m, depth.clone()), b.block(depth, 0..n));
            let b = right(plan, layout, b);
            // SAFETY: each task has a block of its own.
            unsafe { Product { level, a, b, start, finish: Plain, c: outputs[index] }.block(0..m, panels) };
        });
        for part in others.chunks_exact(m * n) {
            elementwise::add_into(level, c, part);
        }
    });
    finish_rows(level, finish, c, n);
}

fn right<'a>(plan: &Plan, layout: Layout, b: Matrix<'a>) -> Right<'a> {
    match plan.right {
        Operand::InPlace => Right::InPlace(layout, b),
        Operand::ByGroups | Operand::PackedFirst => Right::Loose(layout, b),
    }
}

fn finish_rows<F: Finish>(level: Level, finish: F, c: &mut [f32], columns: usize) {
    if finish.is_nothing() {
        return;
    }
    let (rows, output) = (c.len() / columns, Output::new(c, columns));
    let tasks = rows.div_ceil(ROWS);
    for_each(tasks, |task| {
        let rows = part(rows, tasks, task);
        dispatch(level, FinishRows { finish, output, rows, columns: 0..columns });
    });
}

/// Writes to `c`, or adds to it, the transpose of `from`, whose rows have `columns` values.
fn transpose_into(from: &[f32], columns: usize, start: Start, c: &mut [f32]) {
    /// Columns of `c` at a time, so that the lines of `from` that they touch stay in the nearest cache.
    const SIDE: usize = 16;
    let width = from.len() / columns;
    c.par_chunks_mut(ROWS * width).enumerate().for_each(|(block, c)| {
        for first in (0..width).step_by(SIDE) {
            for (row, c) in c.chunks_exact_mut(width).enumerate() {
                let column = block * ROWS + row;
                for (i, c) in c[first..width.min(first + SIDE)].iter_mut().enumerate() {
                    let value = from[(first + i) * columns + column];
                    *c = if start == Start::Keep { *c + value } else { value };
                }
            }
        }
    });
}
