//! NEON, which every 64-bit ARM processor has: vectors of eight, each in two registers of four.
//!
//! Eight fit better than four. The kernels' tiles, made for the sixteen registers of AVX2, fill NEON's 32
//! registers in the same way, with twice as many sums under way as vectors of four would have. And sums are
//! added in the order of AVX2, so both levels give the same bits.
//!
//! Every `unsafe` block here has the same reason: the intrinsics need NEON, and a [`Neon`] token exists only
//! below [`run`], whose caller has detected it.

use crate::{Kernel, Simd};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(crate) struct Neon(());

/// Runs a kernel compiled for NEON.
///
/// # Safety
/// The processor must have NEON.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

/// The first four values and the next four.
type Eight = [float32x4_t; 2];

/// Defines operations by what they do with the registers of each half.
macro_rules! by_halves {
    ($($name:ident($($arg:ident),+) = $body:expr;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: Eight),+) -> Eight {
            let half = |$($arg: float32x4_t),+| {
                // SAFETY: the token proves NEON (see the module page).
                unsafe { $body }
            };
            [half($($arg[0]),+), half($($arg[1]),+)]
        }
    )+};
}

impl Simd for Neon {
    const LANES: usize = 8;
    type V = Eight;

    #[inline(always)]
    fn splat(self, value: f32) -> Eight {
        // SAFETY: the token proves NEON (see the module page).
        [unsafe { vdupq_n_f32(value) }; 2]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Eight {
        let from = &from[..8];
        // SAFETY: eight values were just sliced.
        unsafe { self.load_ptr(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: Eight, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: eight values were just sliced.
        unsafe { self.store_ptr(v, to.as_mut_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Eight {
        // SAFETY: the caller vouches for eight readable values; the token proves NEON.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, v: Eight, to: *mut f32) {
        // SAFETY: the caller vouches for eight writable values; the token proves NEON.
        unsafe {
            vst1q_f32(to, v[0]);
            vst1q_f32(to.add(4), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn transpose_8x8(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller vouches for the values; the token proves NEON.
        unsafe { crate::transpose::neon(from, from_stride, to, to_stride) }
    }
    by_halves! {
        add(a, b) = vaddq_f32(a, b);
        sub(a, b) = vsubq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        div(a, b) = vdivq_f32(a, b);
        mul_add(a, b, c) = vfmaq_f32(c, a, b);
        neg_mul_add(a, b, c) = vfmsq_f32(c, a, b);
        // Not vminq and vmaxq: where one operand is NaN, the other levels return the second.
        min(a, b) = vbslq_f32(vcltq_f32(a, b), a, b);
        max(a, b) = vbslq_f32(vcgtq_f32(a, b), a, b);
        fused_mul_sub(a, b, c) = vfmaq_f32(vnegq_f32(c), a, b);
        mantissa_to_exponent(v) = vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(v)));
        copy_sign(magnitude, sign) = vbslq_f32(vdupq_n_u32(1 << 31), sign, magnitude);
    }
}
