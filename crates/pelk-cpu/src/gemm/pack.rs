//! The right operand of a product, cut into panels of a few vectors' width, whose rows are contiguous in
//! memory. Blocks of rows come one after the other, so that the panel in use stays in a near cache.

use super::matrix::Matrix;
use super::tile::most_vectors;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use std::ops::Range;

/// Most vectors of a group's row.
const MOST_VECTORS: usize = 128;

/// The sizes of the blocks that are kept in the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocking {
    /// Most summands of a block.
    pub depth: usize,
    /// Blocks of summands that follow each other for one group of panels.
    pub blocks: usize,
    /// Panels of the right operand that are packed together.
    pub group: usize,
}

/// How a matrix of this many rows and columns is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    rows: usize,
    columns: usize,
    lanes: usize,
    panels: usize,
    /// Rows of a block.
    depth: usize,
    /// Rows of as many blocks as follow each other for one group.
    outer_depth: usize,
    /// Panels of a group.
    group: usize,
    /// What the sizes of blocks come from.
    blocking: Blocking,
}

impl Layout {
    pub fn new(level: Level, rows: usize, columns: usize, blocking: Blocking) -> Self {
        let lanes = level.lanes();
        let panels = columns.div_ceil(lanes).div_ceil(most_vectors(lanes));
        let group = blocking.group;
        Self { rows: 0, columns, lanes, panels, depth: 0, outer_depth: 0, group, blocking }.with_rows(rows)
    }

    /// For a matrix of this many rows.
    pub fn with_rows(self, rows: usize) -> Self {
        // Blocks of nearly equal size.
        let depth = rows.div_ceil(rows.div_ceil(self.blocking.depth));
        Self { rows, depth, outer_depth: depth * self.blocking.blocks, ..self }
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
        self.rows.min(self.depth)
    }

    /// Columns of the matrix.
    pub fn width(&self) -> usize {
        self.columns
    }

    /// Panels that are packed together.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.panels
    }

    /// Number of panels before the first whose last vector is not whole.
    pub fn whole_panels(&self) -> usize {
        self.panels - usize::from(!self.columns.is_multiple_of(self.lanes))
    }

    /// Vectors of the narrower panels, and how many panels before them have one more.
    fn widths(&self) -> (usize, usize) {
        let vectors = self.columns.div_ceil(self.lanes);
        (vectors / self.panels, vectors % self.panels)
    }

    /// The vectors that panel `panel` takes, counted through the row. Widths differ by at most one vector.
    fn vectors(&self, panel: usize) -> Range<usize> {
        let (low, wider) = self.widths();
        let begin = |panel: usize| panel * low + panel.min(wider);
        begin(panel)..begin(panel + 1)
    }

    /// The widths of these panels: vectors of a row, and numbers of panels.
    pub fn widths_of(&self, panels: &Range<usize>) -> [(usize, usize); 2] {
        let (low, wider) = self.widths();
        let wide = panels.end.min(wider).saturating_sub(panels.start);
        [(low + 1, wide), (low, panels.len() - wide)]
    }

    /// The columns of the matrix in these panels, of which there is at least one.
    pub fn columns(&self, panels: &Range<usize>) -> Range<usize> {
        let (first, last) = (self.vectors(panels.start), self.vectors(panels.end - 1));
        first.start * self.lanes..self.columns.min(last.end * self.lanes)
    }

    /// Rows of the largest run of blocks that follow each other for one group.
    pub fn outer_depth(&self) -> usize {
        self.rows.min(self.outer_depth)
    }

    /// The rows of the blocks that follow each other for one group.
    pub fn outer_blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        cut(0..self.rows, self.outer_depth)
    }

    /// Blocks of rows within `rows`, which begins where a block does.
    pub fn blocks(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        cut(rows, self.depth)
    }

    /// Where panel `panel` of the block with these rows lies.
    pub fn place(&self, rows: &Range<usize>, panel: usize) -> Range<usize> {
        let vectors = self.vectors(panel);
        let width = self.columns.next_multiple_of(self.lanes);
        let begin = rows.start * width + rows.len() * vectors.start * self.lanes;
        begin..begin + rows.len() * vectors.len() * self.lanes
    }

    /// Where vector `vector` of the row `row` lies, counted through all columns.
    pub fn vector(&self, row: usize, vector: usize) -> Range<usize> {
        let block = row - row % self.depth;
        let rows = block..self.rows.min(block + self.depth);
        let (low, wider) = self.widths();
        // The first `wider` panels have `low + 1` vectors.
        let panel = match vector.checked_sub(wider * (low + 1)) {
            None => vector / (low + 1),
            Some(beyond) => wider + beyond / low,
        };
        let vectors = self.vectors(panel);
        let at = self.place(&rows, panel).start + (row - block) * vectors.len() * self.lanes;
        let at = at + (vector - vectors.start) * self.lanes;
        at..at + self.lanes
    }

    /// Cuts panels into groups.
    pub fn groups(&self, panels: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        cut(panels, self.group)
    }

    /// Values of these panels of the block with these rows.
    pub fn group_len(&self, rows: &Range<usize>, panels: &Range<usize>) -> usize {
        self.place(rows, panels.end - 1).end - self.place(rows, panels.start).start
    }

    /// Values of the largest group of one block.
    pub fn largest_group(&self) -> usize {
        self.group_len(&(0..self.depth()), &(0..self.panels.min(self.group)))
    }
}

/// Cuts a range into parts of `len`.
fn cut(range: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(len).map(move |first| first..range.end.min(first + len))
}

/// A packed matrix.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    pub layout: Layout,
    values: &'a [f32],
}

impl<'a> Packed<'a> {
    /// The matrix in `values`, which somebody wrote to the places of [`Layout::vector`].
    pub fn new(layout: Layout, values: &'a [f32]) -> Self {
        assert_eq!(values.len(), layout.len(), "the layout says how many values there are");
        Self { layout, values }
    }

    /// These panels of the block with these rows, one after the other.
    pub fn panels(&self, rows: &Range<usize>, panels: Range<usize>) -> &'a [f32] {
        let place = |panel| self.layout.place(rows, panel);
        &self.values[place(panels.start).start..place(panels.end - 1).end]
    }
}

/// Packs `b`, which has the layout's rows and columns, into `to`, which has [`Layout::len`] values.
pub(super) fn pack<'t>(level: Level, b: Matrix<'_>, layout: Layout, to: &'t mut [f32]) -> Packed<'t> {
    debug_assert_eq!(to.len(), layout.len());
    // Distributing smaller matrices costs more than packing them.
    const LEAST: usize = 1 << 15;
    let mut rest = &mut *to;
    rayon::scope(|scope| {
        for rows in layout.blocks(0..layout.rows) {
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

/// Neighboring panels of one block: rows side by side, missing columns as zeros.
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
            // Row by row, so that the whole width of a row is read while its page is in the TLB.
            let vectors = layout.vectors(panels.start).start..layout.vectors(panels.end - 1).end;
            let first = vectors.start * S::LANES;
            let end = layout.columns.min(vectors.end * S::LANES);
            let whole = (end - first) / S::LANES;
            // Where each vector of a row goes, and how far that is from the same vector of the next row.
            let mut places = [(0, 0); MOST_VECTORS];
            let each = panels.clone().flat_map(|panel| {
                let vectors = layout.vectors(panel).len();
                let begin = place(panel).start;
                (0..vectors).map(move |v| (begin + v * S::LANES, vectors * S::LANES))
            });
            each.zip(&mut places).for_each(|(place, entry)| *entry = place);
            for row in 0..rows.len() {
                let from = &b.data[(rows.start + row) * b.row_stride + first..][..end - first];
                for (v, &(begin, step)) in places[..whole].iter().enumerate() {
                    simd.store(simd.load(&from[v * S::LANES..]), &mut to[begin + row * step..]);
                }
                if whole < vectors.len() {
                    let (begin, step) = places[whole];
                    simd.store(simd.load_partial(&from[whole * S::LANES..]), &mut to[begin + row * step..]);
                }
            }
            return;
        }
        for panel in panels.clone() {
            let panel_of_b = b.block(rows.clone(), layout.columns(&(panel..panel + 1)));
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
