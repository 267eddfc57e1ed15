//! What a product is added to, and what is done to its rows while they are in the cache.

use super::matrix::Output;
use pelk_simd::{Kernel, Simd};
use std::ops::Range;

/// What the product is added to.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// Nothing: the output is overwritten.
    Zero,
    /// What the output holds.
    Keep,
}

/// What is done to the finished sums.
pub(crate) trait Finish: Copy + Sync {
    /// Whether nothing is done.
    fn is_nothing(&self) -> bool {
        false
    }

    /// Changes the sums of row `row`, columns `first` and following. Mark it `#[inline(always)]`.
    fn row<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]);
}

/// The plain product.
#[derive(Clone, Copy)]
pub(crate) struct Plain;
impl Finish for Plain {
    fn is_nothing(&self) -> bool {
        true
    }

    #[inline(always)]
    fn row<S: Simd>(&self, _: S, _: usize, _: usize, _: &mut [f32]) {}
}

/// Adds a value to each column, if there are any.
#[derive(Clone, Copy)]
pub(crate) struct AddBias<'a>(pub Option<&'a [f32]>);
impl Finish for AddBias<'_> {
    fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, _: usize, first: usize, sums: &mut [f32]) {
        let Some(bias) = self.0 else { return };
        let bias = &bias[first..first + sums.len()];
        for (sums, bias) in sums.chunks_mut(S::LANES).zip(bias.chunks(S::LANES)) {
            simd.store_partial(simd.add(simd.load_partial(sums), simd.load_partial(bias)), sums);
        }
    }
}

/// Finishes a block of rows by columns.
pub(super) struct FinishRows<'a, F> {
    pub finish: F,
    pub output: Output<'a>,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}
impl<F: Finish> Kernel for FinishRows<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows {
            // SAFETY: whoever gave the output gave these rows and columns of it to this thread alone.
            let sums = unsafe { self.output.row(row, self.columns.clone()) };
            self.finish.row(simd, row, self.columns.start, sums);
        }
    }
}
