//! One stage of a transform: small transforms of values that lie a span apart, and their twiddle factors.

use super::dft::{Complex, Dft, Radix, swapped};
use pelk_simd::Simd;

/// Combines `radix` values that lie `span` apart, in each of the `pieces` of `radix * span` values that
/// follow each other.
#[derive(Debug)]
pub(super) struct Stage {
    pub radix: usize,
    pub span: usize,
    pub pieces: usize,
    /// Real and imaginary part of `exp(-2 pi i j k / (radix * span))` for every `j` below the span, for `k`
    /// from 1 to `radix - 1`.
    pub twiddles: Vec<f32>,
}

/// All of these need M values behind their pointers, as many as the pieces have together, and twice as many
/// behind pointers to real values. So every `j + k * span` of a piece is in bounds, and so are the twiddles
/// of every `j`.
impl Stage {
    /// The first stage, with a single piece. The first `high` values of the upper half are not zero.
    #[inline(always)]
    pub unsafe fn forward_from<S: Simd, const R: usize>(
        &self,
        simd: S,
        twist: &[f32],
        real: *const S::V,
        high: usize,
        values: *mut Complex<S>,
    ) where
        Dft: Radix<R>,
    {
        let high = high.min(self.span);
        // SAFETY: see above.
        unsafe {
            for j in 0..high {
                self.forward_twisted::<S, R, true>(simd, twist, real, j, values);
            }
            for j in high..self.span {
                self.forward_twisted::<S, R, false>(simd, twist, real, j, values);
            }
        }
    }

    #[inline(always)]
    unsafe fn forward_twisted<S: Simd, const R: usize, const HIGH: bool>(
        &self,
        simd: S,
        twist: &[f32],
        real: *const S::V,
        j: usize,
        values: *mut Complex<S>,
    ) where
        Dft: Radix<R>,
    {
        let half = R * self.span;
        let mut inputs = [[simd.zero(); 2]; R];
        for (k, input) in inputs.iter_mut().enumerate() {
            let at = j + k * self.span;
            // SAFETY: see above.
            unsafe {
                let (cos, sin) = splat_pair(simd, twist.as_ptr().add(2 * at));
                let low = *real.add(at);
                *input = [simd.mul(low, cos), simd.mul(low, sin)];
                if HIGH {
                    let high = *real.add(at + half);
                    *input = [simd.mul_add(high, sin, input[0]), simd.neg_mul_add(high, cos, input[1])];
                }
            }
        }
        // SAFETY: see above.
        unsafe { self.forward_at(simd, inputs, values, j) };
    }

    #[inline(always)]
    pub unsafe fn forward<S: Simd, const R: usize>(&self, simd: S, values: *mut Complex<S>)
    where
        Dft: Radix<R>,
    {
        for piece in 0..self.pieces {
            // SAFETY: see above.
            let values = unsafe { values.add(piece * R * self.span) };
            if self.span == 1 {
                // The last stage; all its twiddles are 1.
                let whole = values.cast::<[Complex<S>; R]>();
                // SAFETY: R values follow each other.
                unsafe { *whole = Dft::dft(simd, *whole) };
                continue;
            }
            for j in 0..self.span {
                let mut inputs = [[simd.zero(); 2]; R];
                for (k, input) in inputs.iter_mut().enumerate() {
                    // SAFETY: see above.
                    *input = unsafe { *values.add(j + k * self.span) };
                }
                // SAFETY: see above.
                unsafe { self.forward_at(simd, inputs, values, j) };
            }
        }
    }

    #[inline(always)]
    unsafe fn forward_at<S: Simd, const R: usize>(
        &self,
        simd: S,
        inputs: [Complex<S>; R],
        values: *mut Complex<S>,
        j: usize,
    ) where
        Dft: Radix<R>,
    {
        let outputs = Dft::dft(simd, inputs);
        // SAFETY: see above.
        unsafe {
            *values.add(j) = outputs[0];
            let twiddles = self.twiddles.as_ptr().add(2 * (R - 1) * j);
            for k in 1..R {
                let (cos, sin) = splat_pair(simd, twiddles.add(2 * (k - 1)));
                let [re, im] = outputs[k];
                *values.add(j + k * self.span) =
                    [simd.neg_mul_add(im, sin, simd.mul(re, cos)), simd.mul_add(im, cos, simd.mul(re, sin))];
            }
        }
    }

    #[inline(always)]
    pub unsafe fn inverse<S: Simd, const R: usize>(&self, simd: S, values: *mut Complex<S>)
    where
        Dft: Radix<R>,
    {
        for piece in 0..self.pieces {
            // SAFETY: see above.
            unsafe {
                let values = values.add(piece * R * self.span);
                if self.span == 1 {
                    let whole = values.cast::<[Complex<S>; R]>();
                    *whole = swapped::<S, R>(Dft::dft(simd, swapped::<S, R>(*whole)));
                    continue;
                }
                for j in 0..self.span {
                    let outputs = self.inverse_at::<S, R>(simd, values, j);
                    for (k, output) in outputs.into_iter().enumerate() {
                        *values.add(j + k * self.span) = output;
                    }
                }
            }
        }
    }

    /// A transform of numbers with swapped parts is the inverse transform with swapped parts.
    #[inline(always)]
    unsafe fn inverse_at<S: Simd, const R: usize>(
        &self,
        simd: S,
        values: *const Complex<S>,
        j: usize,
    ) -> [Complex<S>; R]
    where
        Dft: Radix<R>,
    {
        // SAFETY: see above.
        unsafe {
            let [re, im] = *values.add(j);
            let mut inputs = [[im, re]; R];
            let twiddles = self.twiddles.as_ptr().add(2 * (R - 1) * j);
            for k in 1..R {
                let (cos, sin) = splat_pair(simd, twiddles.add(2 * (k - 1)));
                let [re, im] = *values.add(j + k * self.span);
                inputs[k] =
                    [simd.neg_mul_add(re, sin, simd.mul(im, cos)), simd.mul_add(im, sin, simd.mul(re, cos))];
            }
            swapped::<S, R>(Dft::dft(simd, inputs))
        }
    }

    /// The last stage, with a single piece. The first `high` values of the upper half are wanted.
    #[inline(always)]
    pub unsafe fn inverse_into<S: Simd, const R: usize>(
        &self,
        simd: S,
        twist: &[f32],
        values: *const Complex<S>,
        real: *mut S::V,
        high: usize,
    ) where
        Dft: Radix<R>,
    {
        let high = high.min(self.span);
        // SAFETY: see above.
        unsafe {
            for j in 0..high {
                self.inverse_twisted::<S, R, true>(simd, twist, values, real, j);
            }
            for j in high..self.span {
                self.inverse_twisted::<S, R, false>(simd, twist, values, real, j);
            }
        }
    }

    #[inline(always)]
    unsafe fn inverse_twisted<S: Simd, const R: usize, const HIGH: bool>(
        &self,
        simd: S,
        twist: &[f32],
        values: *const Complex<S>,
        real: *mut S::V,
        j: usize,
    ) where
        Dft: Radix<R>,
    {
        let half = R * self.span;
        // SAFETY: see above.
        unsafe {
            let outputs = self.inverse_at::<S, R>(simd, values, j);
            for (k, [re, im]) in outputs.into_iter().enumerate() {
                let at = j + k * self.span;
                let (cos, sin) = splat_pair(simd, twist.as_ptr().add(2 * at));
                *real.add(at) = simd.mul_add(re, cos, simd.mul(im, sin));
                if HIGH {
                    *real.add(at + half) = simd.neg_mul_add(im, cos, simd.mul(re, sin));
                }
            }
        }
    }
}

/// Two neighboring values, each in every lane.
#[inline(always)]
unsafe fn splat_pair<S: Simd>(simd: S, pair: *const f32) -> (S::V, S::V) {
    // SAFETY: the caller vouches for two values.
    unsafe { (simd.splat(*pair), simd.splat(*pair.add(1))) }
}
