//! Transposing blocks of eight by eight values.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// One value at a time.
///
/// # Safety
/// Eight rows of eight values at the strides must be readable and writable.
#[inline(always)]
pub(crate) unsafe fn scalar(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    for row in 0..8 {
        for column in 0..8 {
            // SAFETY: within eight rows of eight values at the strides.
            unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
        }
    }
}

/// With shuffles of vectors of eight: pairs, then fours, then halves.
///
/// # Safety
/// Same as [`scalar`], and the processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn avx2(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the caller vouches for AVX2 and for the eight rows on both sides.
    unsafe {
        let mut rows = [_mm256_setzero_ps(); 8];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = _mm256_loadu_ps(from.add(i * from_stride));
        }
        let mut pairs = rows;
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
        }
        // fours[4 h + j]: columns j and j + 4 of rows 4 h to 4 h + 3.
        let mut fours = rows;
        for h in 0..2 {
            let [a, b, c, d] = [pairs[4 * h], pairs[4 * h + 1], pairs[4 * h + 2], pairs[4 * h + 3]];
            fours[4 * h] = _mm256_shuffle_ps::<0b01_00_01_00>(a, c);
            fours[4 * h + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a, c);
            fours[4 * h + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(b, d);
            fours[4 * h + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(b, d);
        }
        for j in 0..4 {
            let (upper, lower) = (fours[j], fours[4 + j]);
            _mm256_storeu_ps(to.add(j * to_stride), _mm256_permute2f128_ps::<0x20>(upper, lower));
            _mm256_storeu_ps(to.add((j + 4) * to_stride), _mm256_permute2f128_ps::<0x31>(upper, lower));
        }
    }
}

/// With shuffles of vectors of four: four blocks, each by pairs, then halves.
///
/// # Safety
/// Same as [`scalar`], and the processor must have NEON.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) unsafe fn neon(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    for (row, column) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
        // SAFETY: the caller vouches for NEON and for the eight rows on both sides.
        unsafe {
            let row_of = |i: usize| vld1q_f32(from.add((row + i) * from_stride + column));
            let [a, b, c, d] = [row_of(0), row_of(1), row_of(2), row_of(3)];
            // Columns 0 and 2 of two rows, columns 1 and 3 of them.
            let pairs = |a, b| [vtrn1q_f32(a, b), vtrn2q_f32(a, b)].map(|pair| vreinterpretq_f64_f32(pair));
            let (upper, lower) = (pairs(a, b), pairs(c, d));
            for j in 0..2 {
                let left = vreinterpretq_f32_f64(vtrn1q_f64(upper[j], lower[j]));
                let right = vreinterpretq_f32_f64(vtrn2q_f64(upper[j], lower[j]));
                vst1q_f32(to.add((column + j) * to_stride + row), left);
                vst1q_f32(to.add((column + j + 2) * to_stride + row), right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kernel, Level, Simd, dispatch};

    struct Transpose<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for Transpose<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            assert!(self.0.len() >= 7 * 11 + 8 && self.1.len() >= 7 * 9 + 8);
            // SAFETY: the lengths were just checked.
            unsafe { simd.transpose_8x8(self.0.as_ptr(), 11, self.1.as_mut_ptr(), 9) };
        }
    }

    #[test]
    fn rows_become_columns() {
        let from: Vec<f32> = (0..88).map(|i| i as f32).collect();
        for level in Level::available() {
            let mut to = vec![-1.0; 72];
            dispatch(level, Transpose(&from, &mut to));
            for (i, value) in to.iter().enumerate() {
                let (row, column) = (i / 9, i % 9);
                let want = if column < 8 { from[column * 11 + row] } else { -1.0 };
                assert_eq!(*value, want, "{level}: row {row}, column {column}");
            }
        }
    }
}
