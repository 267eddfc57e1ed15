//! What elementwise operators do to a run of values.

use crate::rowwise::{Map, Sums};
use pelk_simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(super) struct Add;
impl Map<2, 0> for Add {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [a, b]: [S::V; 2], []: [S::V; 0]) -> S::V {
        simd.add(a, b)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Scale(pub f32);
impl Map<1, 0> for Scale {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], []: [S::V; 0]) -> S::V {
        simd.mul(x, simd.splat(self.0))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Products;
impl Sums<2, 0, 1> for Products {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [a, b]: [S::V; 2], []: [S::V; 0], [sum]: [S::V; 1]) -> [S::V; 1] {
        [simd.mul_add(a, b, sum)]
    }
}

// Plain loops below: inside a kernel the compiler vectorizes them with the level's instructions.

pub(super) struct AddInto<'a> {
    pub y: &'a mut [f32],
    pub x: &'a [f32],
}
impl Kernel for AddInto<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y += x;
        }
    }
}

pub(super) struct LerpInto<'a> {
    pub average: &'a mut [f32],
    pub x: &'a [f32],
    pub weight: f32,
}
impl Kernel for LerpInto<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (average, x) in self.average.iter_mut().zip(self.x) {
            *average += self.weight * (x - *average);
        }
    }
}

pub(super) struct SparseLerpInto<'a> {
    pub average: &'a mut [f32],
    pub x: &'a [f32],
    pub weight: f32,
}
impl Kernel for SparseLerpInto<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (average, &x) in self.average.iter_mut().zip(self.x) {
            let mixed = *average + self.weight * (x - *average);
            *average = if *average == 0.0 || x == 0.0 { x } else { mixed };
        }
    }
}

pub(super) struct MulInto<'a> {
    pub y: &'a mut [f32],
    pub x: &'a [f32],
}
impl Kernel for MulInto<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y *= x;
        }
    }
}

pub(super) struct SumOfSquares<'a>(pub &'a [f32]);
impl Kernel for SumOfSquares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0f64; 32];
        let (groups, rest) = self.0.as_chunks::<32>();
        for x in groups {
            for i in 0..32 {
                sums[i] += f64::from(x[i]) * f64::from(x[i]);
            }
        }
        for (sum, x) in sums.iter_mut().zip(rest) {
            *sum += f64::from(*x) * f64::from(*x);
        }
        sums.iter().sum()
    }
}

pub(super) struct AllFinite<'a>(pub &'a [f32]);
impl Kernel for AllFinite<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        // No early exit, which would keep the loop from being vectorized.
        self.0.iter().fold(true, |finite, x| finite & x.is_finite())
    }
}
