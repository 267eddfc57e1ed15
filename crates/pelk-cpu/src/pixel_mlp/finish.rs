//! What is applied to finished rows of the MLP's products, and the factors of stochastic depth.

use crate::gemm::{Finish, Output};
use crate::rowwise::CHUNK;
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// GELU of the sums plus a bias.
#[derive(Clone, Copy)]
pub(super) struct Gelu<'a> {
    pub bias: &'a [f32],
}

impl Finish for Gelu<'_> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, _: usize, first: usize, sums: &mut [f32]) {
        let bias = &self.bias[first..first + sums.len()];
        for (sums, bias) in sums.chunks_mut(S::LANES).zip(bias.chunks(S::LANES)) {
            let v = simd.add(simd.load_partial(sums), simd.load_partial(bias));
            simd.store_partial(simd.gelu(v), sums);
        }
    }
}

/// [`Gelu`], and its derivative to another matrix of the output's shape.
#[derive(Clone, Copy)]
pub(super) struct GeluAndSlope<'a> {
    pub bias: &'a [f32],
    pub slope: Output<'a>,
}

impl Finish for GeluAndSlope<'_> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]) {
        let columns = first..first + sums.len();
        let bias = &self.bias[columns.clone()];
        // SAFETY: the slopes have the output's shape, and each value of the output is finished once.
        let slope = unsafe { self.slope.row(row, columns) };
        let bias = bias.chunks(S::LANES);
        for ((sums, slope), bias) in sums.chunks_mut(S::LANES).zip(slope.chunks_mut(S::LANES)).zip(bias) {
            let v = simd.add(simd.load_partial(sums), simd.load_partial(bias));
            let (y, dy) = simd.gelu_and_slope(v);
            simd.store_partial(y, sums);
            simd.store_partial(dy, slope);
        }
    }
}

/// The sums times a matrix of the output's shape, value by value.
#[derive(Clone, Copy)]
pub(super) struct Times<'a> {
    pub factors: &'a [f32],
    /// Columns of the output.
    pub columns: usize,
}

impl Finish for Times<'_> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]) {
        let factors = &self.factors[row * self.columns + first..][..sums.len()];
        for (sums, factors) in sums.chunks_mut(S::LANES).zip(factors.chunks(S::LANES)) {
            simd.store_partial(simd.mul(simd.load_partial(sums), simd.load_partial(factors)), sums);
        }
    }
}

/// `shortcut + factor gamma (sums + bias)`.
#[derive(Clone, Copy)]
pub(super) struct Residual<'a> {
    pub bias: &'a [f32],
    pub gamma: Option<&'a [f32]>,
    /// Of the output's shape.
    pub shortcut: &'a [f32],
    pub factors: Factors<'a>,
}

impl Finish for Residual<'_> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]) {
        let (n, width) = (sums.len(), self.bias.len());
        let bias = self.bias[first..first + n].chunks(S::LANES);
        let shortcut = self.shortcut[row * width + first..][..n].chunks(S::LANES);
        let factor = simd.splat(self.factors.of(row));
        for (i, ((sums, bias), shortcut)) in sums.chunks_mut(S::LANES).zip(bias).zip(shortcut).enumerate() {
            let scale = match self.gamma {
                Some(gamma) => {
                    simd.mul(factor, simd.load_partial(&gamma[first + i * S::LANES..][..sums.len()]))
                }
                None => factor,
            };
            let v = simd.add(simd.load_partial(sums), simd.load_partial(bias));
            simd.store_partial(simd.mul_add(v, scale, simd.load_partial(shortcut)), sums);
        }
    }
}

/// The factors of the samples that some rows belong to; 1 if there are no factors.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub factors: Option<&'a [f32]>,
    /// The first of the rows, counted through all samples.
    pub first_row: usize,
    /// Rows of a sample.
    pub rows: usize,
}

impl Factors<'_> {
    #[inline(always)]
    fn of(&self, row: usize) -> f32 {
        self.factors.map_or(1.0, |factors| factors[(self.first_row + row) / self.rows])
    }

    /// `x` times the factor of its row and, if there is one, the gamma of its column. The result is in
    /// `buffer`, or is `x` itself where nothing changes. All rows have `columns` values.
    pub fn scale<'r>(
        &self,
        level: Level,
        columns: usize,
        gamma: Option<&[f32]>,
        x: &'r [f32],
        buffer: &'r mut [f32],
    ) -> &'r [f32] {
        if self.factors.is_none() && gamma.is_none() {
            return x;
        }
        let rows = (CHUNK / columns).max(1);
        let tasks = buffer.par_chunks_mut(rows * columns).zip(x.par_chunks(rows * columns)).enumerate();
        tasks.for_each(|(task, (y, x))| {
            let factors = Factors { first_row: self.first_row + task * rows, ..*self };
            dispatch(level, ScaleRows { columns, factors, gamma, x, y });
        });
        buffer
    }
}

struct ScaleRows<'a> {
    columns: usize,
    factors: Factors<'a>,
    gamma: Option<&'a [f32]>,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for ScaleRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.x.chunks_exact(self.columns).zip(self.y.chunks_exact_mut(self.columns));
        for (row, (x, y)) in rows.enumerate() {
            let factor = simd.splat(self.factors.of(row));
            for (i, (x, y)) in x.chunks(S::LANES).zip(y.chunks_mut(S::LANES)).enumerate() {
                let mut v = simd.mul(factor, simd.load_partial(x));
                if let Some(gamma) = self.gamma {
                    v = simd.mul(v, simd.load_partial(&gamma[i * S::LANES..][..x.len()]));
                }
                simd.store_partial(v, y);
            }
        }
    }
}
