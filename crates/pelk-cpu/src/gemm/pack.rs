//! The right operand of a product, cut into panels of a few vectors' width, whose rows follow each other in
//! memory. Blocks of rows come one after the other, so that the panel in use stays in the level-1 cache.

use super::Matrix;
use super::tile::most_vectors;
use crate::simd::{Kernel, Level, Simd, dispatch};
use std::ops::Range;

/// Summands of a block. A panel is then 16 KiB with vectors of eight, 48 KiB with vectors of sixteen.
const DEPTH: usize = 256;

/// Panels that are packed together where they are packed for one block of rows: wide runs of each row of a
/// row-major matrix are read, and the group stays in the level-2 cache.
const GROUP: usize = 8;

/// How a matrix of this many rows and columns is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    rows: usize,
    columns: usize,
    lanes: usize,
    panels: usize,
}

impl Layout {
    pub fn new(level: Level, rows: usize, columns: usize) -> Self {
        let lanes = level.lanes();
        let panels = columns.div_ceil(lanes).div_ceil(most_vectors(lanes));
        Self { rows, columns, lanes, panels }
    }

    /// Values of the packed matrix.
    pub fn len(&self) -> usize {
        self.rows * self.columns.next_multiple_of(self.lanes)
    }

    /// Rows of the matrix: summands.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of the largest block.
    pub fn depth(&self) -> usize {
        self.rows.min(DEPTH)
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.panels
    }

    /// The vectors that panel `panel` takes, counted through the row. Widths differ by at most one vector.
    fn vectors(&self, panel: usize) -> Range<usize> {
        let all = self.columns.div_ceil(self.lanes);
        let (low, wider) = (all / self.panels, all % self.panels);
        let begin = |panel: usize| panel * low + panel.min(wider);
        begin(panel)..begin(panel + 1)
    }

    /// The columns of the matrix in panel `panel`.
    pub fn columns(&self, panel: usize) -> Range<usize> {
        let vectors = self.vectors(panel);
        vectors.start * self.lanes..self.columns.min(vectors.end * self.lanes)
    }

    /// Blocks of rows.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        (0..rows).step_by(DEPTH).map(move |first| first..rows.min(first + DEPTH))
    }

    /// Where panel `panel` of the block with these rows lies.
    pub fn place(&self, rows: &Range<usize>, panel: usize) -> Range<usize> {
        let vectors = self.vectors(panel);
        let width = self.columns.next_multiple_of(self.lanes);
        let begin = rows.start * width + rows.len() * vectors.start * self.lanes;
        begin..begin + rows.len() * vectors.len() * self.lanes
    }

    /// Cuts panels into groups.
    pub fn groups(&self, panels: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        panels.clone().step_by(GROUP).map(move |first| first..panels.end.min(first + GROUP))
    }

    /// Values of these panels of the block with these rows.
    pub fn group_len(&self, rows: &Range<usize>, panels: &Range<usize>) -> usize {
        self.place(rows, panels.end - 1).end - self.place(rows, panels.start).start
    }

    /// Values of the largest group of one block.
    pub fn largest_group(&self) -> usize {
        self.group_len(&(0..self.depth()), &(0..self.panels.min(GROUP)))
    }
}

/// A packed matrix.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    pub layout: Layout,
    values: &'a [f32],
}

impl<'a> Packed<'a> {
    /// These panels of the block with these rows, one after the other.
    pub fn panels(&self, rows: &Range<usize>, panels: Range<usize>) -> &'a [f32] {
        let place = |panel| self.layout.place(rows, panel);
        &self.values[place(panels.start).start..place(panels.end - 1).end]
    }
}

/// Packs `b`, which has the layout's rows and columns, into `to`, which has [`Layout::len`] values.
pub(crate) fn pack<'t>(level: Level, b: Matrix<'_>, layout: Layout, to: &'t mut [f32]) -> Packed<'t> {
    debug_assert_eq!(to.len(), layout.len());
    // Handing out smaller matrices costs more than packing them.
    const LEAST: usize = 1 << 15;
    let mut rest = &mut *to;
    rayon::scope(|scope| {
        for rows in layout.blocks() {
            for group in layout.groups(0..layout.panels()) {
                let (part, tail) = std::mem::take(&mut rest).split_at_mut(layout.group_len(&rows, &group));
                rest = tail;
                let group = Group { b, layout, rows: rows.clone(), panels: group, to: part };
                if layout.len() < LEAST {
                    dispatch(level, group);
                } else {
                    scope.spawn(move |_| dispatch(level, group));
                }
            }
        }
    });
    Packed { layout, values: &*to }
}

/// Packs these panels of the block of rows `rows` of `b` to the front of `to`.
pub(super) fn pack_group<'t>(
    level: Level,
    b: Matrix<'_>,
    layout: Layout,
    rows: &Range<usize>,
    panels: Range<usize>,
    to: &'t mut [f32],
) -> &'t [f32] {
    let to = &mut to[..layout.group_len(rows, &panels)];
    dispatch(level, Group { b, layout, rows: rows.clone(), panels, to });
    to
}

/// Neighbouring panels of one block: rows side by side, columns that are missing as zeros.
struct Group<'a, 't> {
    b: Matrix<'a>,
    layout: Layout,
    rows: Range<usize>,
    panels: Range<usize>,
    to: &'t mut [f32],
}

impl Kernel for Group<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { b, layout, rows, panels, to } = self;
        let begin = layout.place(&rows, panels.start).start;
        let place = |panel| {
            let place = layout.place(&rows, panel);
            place.start - begin..place.end - begin
        };
        if b.column_stride == 1 {
            // Row by row, so that the whole width of a row is read while its page is at hand.
            let mut places = [(0, 0, 0); GROUP];
            for (panel, entry) in panels.clone().zip(&mut places) {
                let place = place(panel);
                *entry = (layout.columns(panel).start, place.start, place.len() / rows.len());
            }
            let end = layout.columns(panels.end - 1).end;
            for row in 0..rows.len() {
                let from = &b.data[(rows.start + row) * b.row_stride..][..end];
                for &(column, begin, width) in &places[..panels.len()] {
                    let to = &mut to[begin + row * width..][..width];
                    for (to, from) in to.chunks_exact_mut(S::LANES).zip(from[column..].chunks(S::LANES)) {
                        simd.store(simd.load_partial(from), to);
                    }
                }
            }
            return;
        }
        for panel in panels.clone() {
            let panel_of_b = b.block(rows.clone(), layout.columns(panel));
            transposed_panel(simd, panel_of_b, &mut to[place(panel)]);
        }
    }
}

/// One panel of a matrix whose columns are contiguous.
#[inline(always)]
fn transposed_panel<S: Simd>(simd: S, b: Matrix<'_>, to: &mut [f32]) {
    const SIDE: usize = 8;
    let width = to.len() / b.rows;
    for first in (0..width).step_by(SIDE) {
        let columns = b.columns.saturating_sub(first).min(SIDE);
        let whole = if columns == SIDE { b.rows - b.rows % SIDE } else { 0 };
        for row in (0..whole).step_by(SIDE) {
            let from = &b.data[first * b.column_stride + row..][..(SIDE - 1) * b.column_stride + SIDE];
            let to = &mut to[row * width + first..][..(SIDE - 1) * width + SIDE];
            // SAFETY: both slices hold eight rows of eight values at their strides.
            unsafe { simd.transpose_8x8(from.as_ptr(), b.column_stride, to.as_mut_ptr(), width) };
        }
        for row in whole..b.rows {
            for column in 0..SIDE {
                let value =
                    if column < columns { b.data[(first + column) * b.column_stride + row] } else { 0.0 };
                to[row * width + first + column] = value;
            }
        }
    }
}
