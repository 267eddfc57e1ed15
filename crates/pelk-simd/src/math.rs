//! Vectorized `exp` and GELU.
//!
//! Coefficients are minimax fits to the relative error (Remez), rounded to `f32` and then searched for the
//! neighbors with the least error.

use crate::Simd;
use std::f32::consts::{LN_2, LOG2_E};

/// `1.5 * 2^23 + 127`. Added to `v` in -127..=127 it rounds: the sum is `ROUND + n`, `n` being the integer
/// nearest to `v`, and its last bits are `n + 127`, the exponent of `2^n` (of zero if `n` is -127).
const ROUND: f32 = 12_583_039.0;

/// `c[0] + c[1] x + c[2] x^2 + ...`
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::V, c: [f32; N]) -> S::V {
    horner(simd, x, simd.splat(c[N - 1]), &c[..N - 1])
}

/// `c[0] + c[1] x + ... + c[N - 1] x^(N - 1) + x^N`
#[inline(always)]
fn monic<S: Simd, const N: usize>(simd: S, x: S::V, c: [f32; N]) -> S::V {
    horner(simd, x, simd.add(x, simd.splat(c[N - 1])), &c[..N - 1])
}

#[inline(always)]
fn horner<S: Simd>(simd: S, x: S::V, mut p: S::V, c: &[f32]) -> S::V {
    for &c in c.iter().rev() {
        p = simd.mul_add(p, x, simd.splat(c));
    }
    p
}

/// `e^x = 2^n e^r`, `n = round(x / ln 2)`, `|r| <= ln 2 / 2`, with a polynomial for `e^r` (error 5e-9).
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    // min and max return their second operand when one is NaN, on every level: NaN survives.
    let x = simd.max(simd.splat(-87.3), simd.min(simd.splat(88.3), x));
    let rounded = simd.mul_add(x, simd.splat(LOG2_E), simd.splat(ROUND));
    let n = simd.sub(rounded, simd.splat(ROUND));
    // ln 2 in two parts: the first has few bits, so that n times it is exact.
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    let e = polynomial(
        simd,
        r,
        [1.0, 1.0, 0.499_999_9, 0.166_664_65, 0.041_668_475, 0.008_374_958, 0.001_383_869_8],
    );
    simd.mul(e, simd.mantissa_to_exponent(rounded))
}

/// Beyond this `2^n` is zero, which is accurate enough: `z Phi(-z)` is below 3.3e-39.
const LARGEST: f32 = 13.27;

/// The parts of GELU and its slope, for `z` in 0..=`LARGEST`: the normal density `phi(z) = -e 2^n`, as
/// the factors `e` and `2^n`, and Mills' ratio `Phi(-z) / phi(z)`.
///
/// The ratio falls smoothly from 1.25 to `1 / z`, so that a quotient of polynomials approximates it to
/// 1.4e-8. All of the tail's steepness is in the density, `2^n e^(-r/2)`, `n = -round(z^2 / (2 ln 2))`, `r =
/// z^2 + 2 n ln 2`, for which `e^(-r/2)` is a polynomial (error 8.5e-8). An error in `z^2`, up to 176, would
/// be an error in the exponent, so `r` is the sum of two exact differences.
#[inline(always)]
fn density_and_mills_ratio<S: Simd>(simd: S, z: S::V) -> (S::V, S::V, S::V) {
    let round = simd.splat(ROUND);
    let square = simd.mul(z, z);
    let rounded = simd.mul_add(square, simd.splat(-0.5 * LOG2_E), round);
    let minus_n = simd.sub(round, rounded);
    // 2 ln 2 has an error too. Times n, it grows like z^2, to 2.4e-7, and the ratio was fitted with it.
    let above = simd.fused_mul_sub(minus_n, simd.splat(2.0 * LN_2), square);
    let r = simd.sub(simd.fused_mul_sub(z, z, square), above);
    let e = polynomial(
        simd,
        r,
        [-0.398_942_32, 0.199_471_09, -0.049_866_684, 0.008_311_746, -0.001_045_113_8, 1.034_457_6e-4],
    );
    let ratio = simd.div(
        monic(simd, z, [108.270_325, 97.793_335, 41.824_593, 9.525_334]),
        monic(simd, z, [86.387_22, 146.954_9, 107.429_87, 42.818_2, 9.525_501]),
    );
    (e, simd.mantissa_to_exponent(rounded), ratio)
}

/// `x Phi(x) = max(x, 0) - |x| Phi(-|x|)`: nothing cancels, the second term being at most half of the first.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::V) -> S::V {
    let z = simd.min(simd.splat(LARGEST), simd.abs(x));
    let (e, power, ratio) = density_and_mills_ratio(simd, z);
    simd.mul_add(e, simd.mul(simd.mul(z, power), ratio), simd.max(simd.zero(), x))
}

/// [`gelu`] and `Phi(x) + x phi(x) = step(x) + (x - sign(x) ratio(|x|)) phi(x)`.
#[inline(always)]
pub(crate) fn gelu_and_slope<S: Simd>(simd: S, x: S::V) -> (S::V, S::V) {
    let clamped = simd.max(simd.splat(-LARGEST), simd.min(simd.splat(LARGEST), x));
    let z = simd.abs(clamped);
    let (e, power, ratio) = density_and_mills_ratio(simd, z);
    let y = simd.mul_add(e, simd.mul(simd.mul(z, power), ratio), simd.max(simd.zero(), x));
    let half = simd.splat(0.5);
    let step = simd.add(simd.copy_sign(half, x), half);
    let minus_difference = simd.sub(simd.copy_sign(ratio, x), clamped);
    (y, simd.mul_add(e, simd.mul(power, minus_difference), step))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    use crate::{Kernel, Level, Simd, dispatch};

    /// The complementary error function to a relative 1e-12, by its series or its continued fraction.
    fn erfc(x: f64) -> f64 {
        let z = x.abs();
        if z < 2.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..80 {
                term *= 2.0 * x * x / f64::from(2 * n + 1);
                sum += term;
            }
            return 1.0 - 2.0 * (-x * x).exp() / PI.sqrt() * sum;
        }
        let fraction = (1..160).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
        let tail = (-z * z).exp() / PI.sqrt() / fraction;
        if x > 0.0 { tail } else { 2.0 - tail }
    }

    fn normal_cdf(x: f64) -> f64 {
        0.5 * erfc(-x * FRAC_1_SQRT_2)
    }

    fn gelu(x: f64) -> f64 {
        x * normal_cdf(x)
    }

    fn gelu_slope(x: f64) -> f64 {
        normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
    }

    /// `exp`, `gelu`, and both of `gelu_and_slope` of the first slice.
    struct Apply<'a>(&'a [f32], [&'a mut [f32]; 4]);
    impl Kernel for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for (i, x) in self.0.chunks(S::LANES).enumerate() {
                let x_vector = simd.load_partial(x);
                let (y, slope) = simd.gelu_and_slope(x_vector);
                let results = [simd.exp(x_vector), simd.gelu(x_vector), y, slope];
                for k in 0..4 {
                    simd.store_partial(results[k], &mut self.1[k][i * S::LANES..][..x.len()]);
                }
            }
        }
    }

    fn apply(level: Level, x: &[f32]) -> [Vec<f32>; 4] {
        let mut results = [(); 4].map(|()| vec![0.0; x.len()]);
        dispatch(level, Apply(x, results.each_mut().map(Vec::as_mut_slice)));
        results
    }

    /// Finite numbers: one of every 2^14, so 512 from each power of two to the next, and 300,000 spread over
    /// -14..14 by the golden ratio.
    fn sweep() -> Vec<f32> {
        let all = (0..1 << 18).map(|i: u32| f32::from_bits(i << 14 | 0x15A5)).filter(|x| x.is_finite());
        let spread = |i: u32| i.wrapping_mul(0x9E37_79B9).cast_signed() as f32 / (1u32 << 31) as f32;
        all.chain((0..300_000).map(|i| 14.0 * spread(i))).collect()
    }

    /// The distance in units of the last place of `want`, a normal number of `f32`.
    fn ulp(actual: f32, want: f64) -> f64 {
        let last_place = (want.abs().log2().floor() - 23.0).exp2();
        (f64::from(actual) - want).abs() / last_place
    }

    #[test]
    fn exp_is_within_one_and_a_half_ulp() {
        let x: Vec<f32> = sweep().into_iter().filter(|x| (-87.3..=88.3).contains(x)).collect();
        for level in Level::available() {
            for (x, y) in x.iter().zip(&apply(level, &x)[0]) {
                let want = f64::from(*x).exp();
                assert!(ulp(*y, want) < 1.5, "{level}: exp({x}) = {y}, want {want}");
            }
        }
    }

    #[test]
    fn gelu_is_within_its_ulp_and_its_slope_within_its_bound() {
        let x = sweep();
        for level in Level::available() {
            let bound = if level == Level::PORTABLE { 9.0 } else { 7.0 };
            let [_, y, y_again, slope] = apply(level, &x);
            for i in 0..x.len() {
                let (x, y) = (f64::from(x[i]), y[i]);
                let want = gelu(x);
                if want.abs() < f64::from(f32::MIN_POSITIVE) {
                    assert!((f64::from(y) - want).abs() < 3.3e-39, "{level}: gelu({x}) = {y}, want {want}");
                } else {
                    assert!(ulp(y, want) < bound, "{level}: gelu({x}) = {y}, want {want}");
                }
                assert_eq!(y.to_bits(), y_again[i].to_bits(), "{level}: gelu({x})");
                let want = gelu_slope(x);
                let error = (f64::from(slope[i]) - want).abs();
                assert!(error < 2e-7, "{level}: slope({x}) = {}, want {want}", slope[i]);
            }
        }
    }

    #[test]
    fn not_a_number_survives_and_infinities_have_their_limits() {
        let x = [f32::NAN, -f32::NAN, f32::from_bits(0x7F80_0001), f32::NEG_INFINITY, f32::INFINITY];
        for level in Level::available() {
            let [e, y, _, slope] = apply(level, &x);
            assert!(e[..3].iter().chain(&y[..3]).chain(&slope[..3]).all(|v| v.is_nan()), "{level}");
            assert_eq!((y[3], y[4], slope[3], slope[4]), (0.0, f32::INFINITY, 0.0, 1.0), "{level}");
        }
    }
}
