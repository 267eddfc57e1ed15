//! AVX-512F: vectors of sixteen.
//!
//! Every `unsafe` block here has the same reason: the intrinsics need AVX-512F, and an [`Avx512`] token
//! exists only below [`run`], whose caller has detected it.

use crate::{Kernel, Simd};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Runs a kernel compiled for AVX-512F.
///
/// # Safety
/// The processor must have AVX-512F, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

macro_rules! intrinsics {
    ($($name:ident($($arg:ident),+) = $body:expr;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: __m512),+) -> __m512 {
            // SAFETY: the token proves AVX-512F (see the module page).
            unsafe { $body }
        }
    )+};
}

/// The mask of the lowest `n` lanes.
#[inline(always)]
fn low_lanes(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as __mmask16
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    type V = __m512;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: the token proves AVX-512F (see the module page).
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        let from = &from[..16];
        // SAFETY: sixteen values were just sliced; the token proves AVX-512F.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32]) {
        let to = &mut to[..16];
        // SAFETY: sixteen values were just sliced; the token proves AVX-512F.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for sixteen readable values; the token proves AVX-512F.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: __m512, to: *mut f32) {
        // SAFETY: the caller vouches for sixteen writable values; the token proves AVX-512F.
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    fn load_partial(self, from: &[f32]) -> __m512 {
        // SAFETY: masked-off lanes are not read, so only `from` is; the token proves AVX-512F.
        unsafe { _mm512_maskz_loadu_ps(low_lanes(from.len()), from.as_ptr()) }
    }
    #[inline(always)]
    fn store_partial(self, v: __m512, to: &mut [f32]) {
        // SAFETY: masked-off lanes are not written, so only `to` is; the token proves AVX-512F.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), low_lanes(to.len()), v) }
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch reads nothing that anyone sees and faults at no address; the token proves SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose_8x8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller vouches for the values; the token proves AVX2, which [`run`] requires.
        unsafe { crate::transpose::avx2(from, from_stride, to, to_stride) }
    }
    intrinsics! {
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        div(a, b) = _mm512_div_ps(a, b);
        mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
        neg_mul_add(a, b, c) = _mm512_fnmadd_ps(a, b, c);
        min(a, b) = _mm512_min_ps(a, b);
        max(a, b) = _mm512_max_ps(a, b);
        fused_mul_sub(a, b, c) = _mm512_fmsub_ps(a, b, c);
        mantissa_to_exponent(v) = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(v)));
        copy_sign(magnitude, sign) = {
            let mask = _mm512_set1_epi32(i32::MIN);
            let magnitude = _mm512_andnot_si512(mask, _mm512_castps_si512(magnitude));
            let sign = _mm512_and_si512(mask, _mm512_castps_si512(sign));
            _mm512_castsi512_ps(_mm512_or_si512(magnitude, sign))
        };
    }
}
