//! The operations on vectors of every instruction set.

use crate::{math, transpose};

/// Operations on one instruction set's vectors. The token is proof that the instructions exist.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Number of `f32` in a vector.
    const LANES: usize;
    /// A vector of `LANES` values.
    type V: Copy + Send + Sync;

    /// `value` in every lane.
    fn splat(self, value: f32) -> Self::V;
    /// The first `LANES` values of `from`; panics if there are fewer.
    fn load(self, from: &[f32]) -> Self::V;
    /// Writes the first `LANES` values of `to`; panics if there are fewer.
    fn store(self, v: Self::V, to: &mut [f32]);
    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `from` must be valid for reading `LANES` values; no alignment beyond that of `f32` is needed.
    unsafe fn load_ptr(self, from: *const f32) -> Self::V;
    /// Writes `LANES` values.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES` values; no alignment beyond that of `f32` is needed.
    unsafe fn store_ptr(self, v: Self::V, to: *mut f32);
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can (everywhere but on `portable`).
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded like [`mul_add`](Simd::mul_add).
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller of each lane; `b` where one of them is NaN or both are zero.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each lane; `b` where one of them is NaN or both are zero.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b - c`, rounded once on every level, even where that is slow.
    fn fused_mul_sub(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The bits of each lane moved up by 23 places, so that the low bits of the mantissa become the exponent.
    fn mantissa_to_exponent(self, v: Self::V) -> Self::V;
    /// The magnitude of `magnitude` with the sign of `sign`.
    fn copy_sign(self, magnitude: Self::V, sign: Self::V) -> Self::V;
    /// Writes the transpose of the eight rows of eight values at `from` to `to`; strides count values from
    /// one row to the next.
    ///
    /// # Safety
    /// `from` must be valid for reading, `to` for writing eight rows of eight values at their strides, and
    /// the two must not overlap.
    #[inline(always)]
    unsafe fn transpose_8x8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: what the caller promised.
        unsafe { transpose::scalar(from, from_stride, to, to_stride) }
    }

    /// Asks for the cache line at `at`, which may be any address: values that are needed soon then come from a
    /// near cache. Does nothing where there is no such instruction.
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        let _ = at;
    }

    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
    /// `|v|`
    #[inline(always)]
    fn abs(self, v: Self::V) -> Self::V {
        self.copy_sign(v, self.zero())
    }
    /// Loads `from` (at most `LANES` values) and fills the upper lanes with zero.
    #[inline(always)]
    fn load_partial(self, from: &[f32]) -> Self::V {
        if from.len() >= Self::LANES {
            return self.load(from);
        }
        let mut lanes = [0.0; MAX_LANES];
        lanes[..from.len()].copy_from_slice(from);
        self.load(&lanes)
    }
    /// Stores the lowest `to.len()` lanes (at most `LANES`).
    #[inline(always)]
    fn store_partial(self, v: Self::V, to: &mut [f32]) {
        if to.len() >= Self::LANES {
            return self.store(v, to);
        }
        let mut lanes = [0.0; MAX_LANES];
        self.store(v, &mut lanes);
        let n = to.len();
        to.copy_from_slice(&lanes[..n]);
    }
    /// The sum of the lanes, as a balanced tree, so that every level adds in a defined order.
    #[inline(always)]
    fn reduce_sum(self, v: Self::V) -> f32 {
        let mut lanes = [0.0; MAX_LANES];
        self.store(v, &mut lanes);
        let mut n = Self::LANES;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                lanes[i] += lanes[i + n];
            }
        }
        lanes[0]
    }
    /// The largest lane.
    #[inline(always)]
    fn reduce_max(self, v: Self::V) -> f32 {
        let mut lanes = [0.0; MAX_LANES];
        self.store(v, &mut lanes);
        lanes[..Self::LANES].iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
    /// `e^v` within 1.5 ulp. Inputs are clamped to -87.3..=88.3, where results are normal; NaN stays
    /// NaN.
    #[inline(always)]
    fn exp(self, v: Self::V) -> Self::V {
        math::exp(self, v)
    }
    /// The Gaussian error linear unit `v Phi(v)`, with the normal distribution function `Phi`, within 7 ulp
    /// (9 on `portable`) wherever that is a normal number, so also in the negative tail. Results below
    /// 3.3e-39 may be zero; NaN stays NaN.
    #[inline(always)]
    fn gelu(self, v: Self::V) -> Self::V {
        math::gelu(self, v)
    }
    /// [`gelu`](Simd::gelu), to the same bits, and its slope `Phi(v) + v phi(v)` within 2e-7, with the normal
    /// density `phi`.
    #[inline(always)]
    fn gelu_and_slope(self, v: Self::V) -> (Self::V, Self::V) {
        math::gelu_and_slope(self, v)
    }
}

/// The widest vector of any level.
pub const MAX_LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kernel, Level, dispatch};

    /// Copies `from[1..=n]` to `to[1..=n]` by partial vectors, returns the sum of the lanes loaded.
    struct Copy<'a>(usize, &'a [f32], &'a mut [f32]);
    impl Kernel for Copy<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f32 {
            let v = simd.load_partial(&self.1[1..=self.0]);
            simd.store_partial(v, &mut self.2[1..=self.0]);
            simd.reduce_sum(v)
        }
    }

    #[test]
    fn partial_vectors_end_where_their_slice_does() {
        let from: Vec<f32> = (0..2 + MAX_LANES).map(|i| i as f32).collect();
        for level in Level::available() {
            for n in 0..=level.lanes() {
                let mut to = vec![-1.0; from.len()];
                let sum = dispatch(level, Copy(n, &from, &mut to));
                assert_eq!(sum, from[1..=n].iter().sum(), "{level}: {n} lanes, the others are zero");
                assert_eq!(to[1..=n], from[1..=n], "{level}: {n} values");
                assert!(to[0] == -1.0 && to[n + 1..].iter().all(|v| *v == -1.0), "{level}: {n} values only");
            }
        }
    }
    /// Writes each operation of `a`, `b` and `c`, one after the other.
    struct Operations<'a>([&'a [f32]; 3], &'a mut [f32]);
    impl Kernel for Operations<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let [a, b, c] = self.0.map(|values| simd.load(values));
            let results = [
                simd.add(a, b),
                simd.sub(a, b),
                simd.mul(a, b),
                simd.div(a, b),
                simd.min(a, b),
                simd.max(a, b),
                simd.copy_sign(a, b),
                simd.mantissa_to_exponent(a),
                simd.fused_mul_sub(a, b, c),
                simd.mul_add(a, b, c),
                simd.neg_mul_add(a, b, c),
            ];
            for (v, to) in results.into_iter().zip(self.1.chunks_exact_mut(S::LANES)) {
                simd.store(v, to);
            }
        }
    }

    /// What [`Operations`] computes in one lane.
    fn operations(level: Level, a: f32, b: f32, c: f32) -> [f32; 11] {
        let (min, max) = (if a < b { a } else { b }, if a > b { a } else { b });
        let exponent = f32::from_bits(a.to_bits() << 23);
        let sums = match level == Level::PORTABLE {
            true => [a * b + c, c - a * b],
            false => [a.mul_add(b, c), (-a).mul_add(b, c)],
        };
        let [plus, minus] = sums;
        let fused = a.mul_add(b, -c);
        [a + b, a - b, a * b, a / b, min, max, a.copysign(b), exponent, fused, plus, minus]
    }

    #[test]
    fn each_lane_has_the_bits_of_the_scalar_operation() {
        let values = [0.0, -0.0, 1.0, -1.5, 0.1, -3.7e-5, 8.3e6, 1.0e-40, f32::INFINITY, f32::NAN];
        for level in Level::available() {
            let lanes = level.lanes();
            for first in 0..values.len() * values.len() {
                // Every pair of the values, with a third one that differs from lane to lane.
                let at = |i: usize| values[i % values.len()];
                let lane = |i: usize| [at(first + i), at((first + i) / values.len()), at(first + 3 * i)];
                let operand = |k: usize| (0..lanes).map(|i| lane(i)[k]).collect::<Vec<_>>();
                let (a, b, c) = (operand(0), operand(1), operand(2));
                let mut results = vec![0.0; 11 * lanes];
                dispatch(level, Operations([&a, &b, &c], &mut results));
                for i in 0..lanes {
                    let want = operations(level, a[i], b[i], c[i]);
                    for (k, want) in want.into_iter().enumerate() {
                        let result = results[k * lanes + i];
                        // The payload of a NaN is the processor's choice.
                        let same = result.to_bits() == want.to_bits() || result.is_nan() && want.is_nan();
                        let operands = (a[i], b[i], c[i]);
                        assert!(same, "{level}: operation {k} of {operands:?} is {result}, want {want}");
                    }
                }
            }
        }
    }
}
