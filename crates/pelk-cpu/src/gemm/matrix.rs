//! The operands of a product and its output.

use crate::rows::Rows;
use crate::shared::Shared;
use std::ops::Range;

/// A matrix in a slice; its rows or its columns are contiguous.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> From<Rows<'a>> for Matrix<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self::new(rows.values(), rows.rows(), rows.columns())
    }
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

    /// Values from one row to the next, and from one column to the next.
    pub(crate) fn strides(&self) -> [usize; 2] {
        [self.row_stride, self.column_stride]
    }

    /// Number of rows.
    #[cfg(feature = "rivals")]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[cfg(feature = "rivals")]
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The values in memory.
    pub(crate) fn values(&self) -> &'a [f32] {
        self.data
    }

    /// Some rows and columns, at least one of each.
    pub(super) fn block(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        let first = rows.start * self.row_stride + columns.start * self.column_stride;
        let last = (rows.end - 1) * self.row_stride + (columns.end - 1) * self.column_stride;
        let data = &self.data[first..=last];
        Self { data, rows: rows.len(), columns: columns.len(), ..*self }
    }
}

/// A row-major matrix that tasks write disjoint blocks of.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a> {
    values: Shared<'a>,
    pub(super) columns: usize,
}

impl<'a> Output<'a> {
    /// The matrix in `values`, with rows of `columns`.
    pub(crate) fn new(values: &'a mut [f32], columns: usize) -> Self {
        Self { values: Shared::new(values), columns }
    }

    /// Where a block begins; panics if it does not lie within the matrix. Its rows are `columns` apart.
    pub(super) fn block(self, rows: &Range<usize>, columns: &Range<usize>) -> *mut f32 {
        self.values.at(rows.start * self.columns + columns.start..(rows.end - 1) * self.columns + columns.end)
    }

    /// Some values of a row.
    ///
    /// # Safety
    /// No other reference to them may exist.
    #[inline(always)]
    pub(crate) unsafe fn row(self, row: usize, columns: Range<usize>) -> &'a mut [f32] {
        let begin = row * self.columns;
        // SAFETY: the caller vouches for being alone.
        unsafe { self.values.range_mut(begin + columns.start..begin + columns.end) }
    }
}
