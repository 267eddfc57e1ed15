//! Plain Rust vectors of eight, which the compiler can vectorize for its baseline.

use crate::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn map(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    const LANES: usize = 8;
    type V = [f32; 8];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; 8]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        std::array::from_fn(|i| from[..8][i])
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32]) {
        to[..8].copy_from_slice(&v);
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::V {
        // SAFETY: the caller vouches for eight readable values; an array of f32 has the alignment of f32.
        unsafe { from.cast::<[f32; 8]>().read() }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: Self::V, to: *mut f32) {
        // SAFETY: the caller vouches for eight writable values; an array of f32 has the alignment of f32.
        unsafe { to.cast::<[f32; 8]>().write(v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: f32::mul_add is a library call without the FMA feature.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        map(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn fused_mul_sub(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // A product of two f32 is exact in f64.
        std::array::from_fn(|i| (f64::from(a[i]) * f64::from(b[i]) - f64::from(c[i])) as f32)
    }
    #[inline(always)]
    fn mantissa_to_exponent(self, v: Self::V) -> Self::V {
        v.map(|v| f32::from_bits(v.to_bits() << 23))
    }
    #[inline(always)]
    fn copy_sign(self, magnitude: Self::V, sign: Self::V) -> Self::V {
        map(magnitude, sign, f32::copysign)
    }
}
