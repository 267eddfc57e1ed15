//! AVX2 with FMA: vectors of eight.
//!
//! Every `unsafe` block here has the same reason: the intrinsics need AVX2 or FMA, and an [`Avx2`] token
//! exists only below [`run`], whose caller has detected both.

use crate::{Kernel, Simd};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// Runs a kernel compiled for AVX2 and FMA.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

macro_rules! intrinsics {
    ($($name:ident($($arg:ident),+) = $body:expr;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: __m256),+) -> __m256 {
            // SAFETY: the token proves AVX2 and FMA (see the module page).
            unsafe { $body }
        }
    )+};
}

/// All bits set in the first eight lanes, none in the next eight: the mask of the lowest `n` lanes begins at
/// `8 - n`.
static LOW_LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: the token proves AVX2 and FMA (see the module page).
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        let from = &from[..8];
        // SAFETY: eight values were just sliced; the token proves AVX2.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m256, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: eight values were just sliced; the token proves AVX2.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for eight readable values; the token proves AVX2.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: __m256, to: *mut f32) {
        // SAFETY: the caller vouches for eight writable values; the token proves AVX2.
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch reads nothing that anyone sees and faults at no address; the token proves SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose_8x8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller vouches for the values; the token proves AVX2.
        unsafe { crate::transpose::avx2(from, from_stride, to, to_stride) }
    }
    #[inline(always)]
    fn load_partial(self, from: &[f32]) -> __m256 {
        // SAFETY: the mask lies within its table; masked-off lanes are not read, so only `from` is; the token
        // proves AVX2.
        unsafe {
            let mask = _mm256_loadu_si256(LOW_LANES.as_ptr().add(8 - from.len().min(8)).cast());
            _mm256_maskload_ps(from.as_ptr(), mask)
        }
    }
    // By halves, not by a masked store: that takes 13 cycles or more on Zen 3, these branches 5 to 8.
    #[inline(always)]
    fn store_partial(self, v: __m256, to: &mut [f32]) {
        let (n, mut to) = (to.len(), to.as_mut_ptr());
        // SAFETY: the parts written are the binary digits of `n`, so together `n` values, or eight if there
        // are more; the token proves AVX2.
        unsafe {
            if n >= 8 {
                return _mm256_storeu_ps(to, v);
            }
            let mut rest = _mm256_castps256_ps128(v);
            if n & 4 != 0 {
                _mm_storeu_ps(to, rest);
                to = to.add(4);
                rest = _mm256_extractf128_ps::<1>(v);
            }
            if n & 2 != 0 {
                _mm_storel_epi64(to.cast(), _mm_castps_si128(rest));
                to = to.add(2);
                rest = _mm_movehl_ps(rest, rest);
            }
            if n & 1 != 0 {
                _mm_store_ss(to, rest);
            }
        }
    }
    intrinsics! {
        add(a, b) = _mm256_add_ps(a, b);
        sub(a, b) = _mm256_sub_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        div(a, b) = _mm256_div_ps(a, b);
        mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
        neg_mul_add(a, b, c) = _mm256_fnmadd_ps(a, b, c);
        min(a, b) = _mm256_min_ps(a, b);
        max(a, b) = _mm256_max_ps(a, b);
        fused_mul_sub(a, b, c) = _mm256_fmsub_ps(a, b, c);
        mantissa_to_exponent(v) = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(v)));
        copy_sign(magnitude, sign) = {
            let mask = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(mask, magnitude), _mm256_and_ps(mask, sign))
        };
    }
}
