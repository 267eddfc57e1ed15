//! One task's block of a product.

use super::finish::{Finish, FinishRows, Start};
use super::left;
use super::matrix::{Matrix, Output};
use super::pack::{Layout, Packed, pack_group};
use super::sweep::{Ahead, LINE, Order, Panels, Sweep};
use crate::scratch;
use pelk_simd::{Level, dispatch};
use std::ops::Range;

/// Most columns of an output whose tiles of `a` meet all panels in turn: the panels lie in a near cache.
const NARROW: usize = 128;
/// Fewest summands for which it is worth keeping a panel, rather than a tile of `a`, in the nearest cache.
const SHALLOW: usize = 64;

/// The right operand.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Packed before, for many blocks of rows.
    Packed(Packed<'a>),
    /// To be packed by groups of panels: for one block of rows that is cheaper than a pass through memory.
    Loose(Layout, Matrix<'a>),
    /// Row-major, and read where it lies. Only panels whose last vector is not whole are packed.
    InPlace(Layout, Matrix<'a>),
}

impl<'a> Right<'a> {
    fn layout(&self) -> Layout {
        match self {
            Self::Packed(packed) => packed.layout,
            Self::Loose(layout, _) | Self::InPlace(layout, _) => *layout,
        }
    }

    /// The matrix, unless it was packed.
    fn matrix(&self) -> Option<Matrix<'a>> {
        match self {
            Self::Packed(_) => None,
            Self::Loose(_, matrix) | Self::InPlace(_, matrix) => Some(*matrix),
        }
    }
}

/// `c = finish(start + a b)`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, F> {
    pub level: Level,
    pub a: Matrix<'a>,
    pub b: Right<'a>,
    pub start: Start,
    pub finish: F,
    pub c: Output<'a>,
}

impl<F: Finish> Product<'_, F> {
    /// Computes rows `rows` and panels `panels` of the output, at least one of each.
    ///
    /// # Safety
    /// No other thread may use that block of `c`.
    pub unsafe fn block(self, rows: Range<usize>, panels: Range<usize>) {
        let layout = self.b.layout();
        if self.level == Level::PORTABLE
            && let Some(b) = self.b.matrix()
        {
            let (columns, depth) = (layout.columns(&panels), 0..layout.rows());
            let (a, b) = (self.a.block(rows.clone(), depth.clone()), b.block(depth, columns.clone()));
            let (keep, c) = (self.start == Start::Keep, self.c.block(&rows, &columns));
            // SAFETY: `Output::block` checked that the block exists; it is this thread's alone, as the caller
            // vouches.
            unsafe { by_matrixmultiply(a, b, keep, c, self.c.columns) };
            return self.finish(rows, columns);
        }
        let packed_len = self.b.matrix().map_or(0, |_| layout.largest_group());
        let left_len = left::buffer_len(&self.a, rows.len(), layout.outer_depth());
        scratch::with_parts([packed_len, left_len], |[packed, left_buffer]| {
            for outer in layout.outer_blocks() {
                let left = left::left(self.level, self.a.block(rows.clone(), outer.clone()), left_buffer);
                for group in layout.groups(panels.clone()) {
                    for depth in layout.blocks(outer.clone()) {
                        let part = Part { left, rows: &rows, outer: &outer, depth };
                        // SAFETY: the caller's promise.
                        unsafe { self.group(&part, group.clone(), packed) };
                    }
                    // By groups, not panels: what a finish reads beside the sums then comes in runs that are
                    // worth prefetching.
                    if outer.end == layout.rows() {
                        self.finish(rows.clone(), layout.columns(&group));
                    }
                }
            }
        });
    }

    /// Adds some summands to a group of panels; `packed` is a buffer for them.
    ///
    /// # Safety
    /// No other thread may use that block of `c`.
    unsafe fn group(&self, part: &Part<'_>, group: Range<usize>, packed: &mut [f32]) {
        let (level, layout, depth) = (self.level, self.b.layout(), &part.depth);
        let sweep = |panels: Range<usize>, b: Panels, source: Option<Ahead>| {
            let columns = layout.columns(&panels);
            let narrow = layout.width() <= NARROW;
            let sweep = Sweep {
                a: part.left,
                rows: part.rows.len(),
                skip: depth.start - part.outer.start,
                depth: depth.len(),
                b,
                widths: layout.widths_of(&panels),
                c: self.c.block(part.rows, &columns),
                c_stride: self.c.columns,
                columns: columns.len(),
                accumulate: depth.start > 0 || self.start == Start::Keep,
                order: if narrow || self.a.columns < SHALLOW { Order::Tiles } else { Order::Panels },
                source,
            };
            // SAFETY: `Matrix::block` and `Output::block` checked the sizes of `a`, of a `b` in place and of
            // the output; packed slices hold their panels; and the output's block is this thread's alone, as
            // the caller vouches.
            unsafe { sweep.run(level) };
        };
        match self.b {
            Right::Packed(packed) => {
                let first = packed.panels(depth, group.clone()).as_ptr();
                sweep(group, Panels::Packed { first }, None);
            }
            Right::Loose(_, b) => {
                let source = part.source(layout, b, &layout.columns(&group));
                let first = pack_group(level, b, layout, depth, group.clone(), packed).as_ptr();
                sweep(group, Panels::Packed { first }, source);
            }
            Right::InPlace(_, b) => {
                let whole = layout.whole_panels().clamp(group.start, group.end);
                let (whole, rest) = (group.start..whole, whole..group.end);
                if !whole.is_empty() {
                    let first = b.block(depth.clone(), layout.columns(&whole)).values().as_ptr();
                    sweep(whole, Panels::Rows { first, stride: b.row_stride }, None);
                }
                if !rest.is_empty() {
                    let first = pack_group(level, b, layout, depth, rest.clone(), packed).as_ptr();
                    sweep(rest, Panels::Packed { first }, None);
                }
            }
        }
    }

    fn finish(&self, rows: Range<usize>, columns: Range<usize>) {
        let Self { finish, c: output, .. } = *self;
        if !finish.is_nothing() {
            dispatch(self.level, FinishRows { finish, output, rows, columns });
        }
    }
}

/// `c = a b`, or `c += a b` if `keep`, as the product of a library that has more instruction sets than we do.
///
/// # Safety
/// `c` must be writable for as many rows as `a` has, `c_stride` apart, and as many columns as `b` has; no
/// other thread may use them.
pub(crate) unsafe fn by_matrixmultiply(
    a: Matrix<'_>,
    b: Matrix<'_>,
    keep: bool,
    c: *mut f32,
    c_stride: usize,
) {
    assert!(a.columns == b.rows, "the operator checks its lengths first");
    // Slices have no more values than an isize holds.
    let strides = |matrix: Matrix<'_>| matrix.strides().map(|stride| stride as isize);
    let ([a_row, a_column], [b_row, b_column]) = (strides(a), strides(b));
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let (a, b) = (a.values().as_ptr(), b.values().as_ptr());
    let beta = if keep { 1.0 } else { 0.0 };
    // SAFETY: matrices hold all their values at their strides; the caller vouches for the output.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a,
            a_row,
            a_column,
            b,
            b_row,
            b_column,
            beta,
            c,
            c_stride as isize,
            1,
        );
    }
}

/// Some summands of a block of rows.
struct Part<'a> {
    left: left::Left,
    rows: &'a Range<usize>,
    /// The summands that `left` has.
    outer: &'a Range<usize>,
    depth: Range<usize>,
}

impl Part<'_> {
    /// What is packed after the panel with these columns, where panels are packed one by one.
    fn source(&self, layout: Layout, b: Matrix<'_>, columns: &Range<usize>) -> Option<Ahead> {
        if layout.group() > 1 || b.column_stride == 1 {
            return None;
        }
        // The panel's next summands, or the first ones of the next panel.
        let (row, column) = match self.depth.end < self.outer.end {
            true => (self.depth.end, columns.start),
            false => (self.outer.start, columns.end),
        };
        let first = b.values().as_ptr().wrapping_add(column * b.column_stride + row);
        Some(Ahead { first, apart: b.column_stride, step: LINE, runs: columns.len() })
    }
}
