//! Vectorised `exp` and `erf`.

use super::Simd;

/// `e^x` by `2^n * e^r`, `n = round(x / ln 2)`, `|r| <= ln 2 / 2`, and the Taylor polynomial of degree 7 for
/// `e^r` (its remainder, `(ln 2 / 2)^8 / 8!`, is 5e-9: below half an ulp). Inputs are clamped to
/// -87.3..=88.3, where results stay normal; not-a-number passes through.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    // min and max return their second operand when one is NaN, on every level: NaN survives.
    let x = simd.max(simd.splat(-87.3), simd.min(simd.splat(88.3), x));
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts: the first has few bits, so that n times it is exact.
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    let mut p = simd.splat(1.0 / 5040.0);
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = simd.mul_add(p, r, simd.splat(c));
    }
    simd.scale_by_power_of_two(p, n)
}

/// `erf(x)` by formula 7.1.26 of Abramowitz and Stegun: absolute error below 1.5e-7 plus rounding.
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: S::V) -> S::V {
    let z = simd.abs(x);
    let one = simd.splat(1.0);
    let t = simd.div(one, simd.mul_add(z, simd.splat(0.327_591_1), one));
    let mut p = simd.splat(1.061_405_4);
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = simd.mul_add(p, t, simd.splat(c));
    }
    let tail = simd.mul(simd.mul(p, t), exp(simd, simd.sub(simd.zero(), simd.mul(z, z))));
    simd.copy_sign(simd.sub(one, tail), x)
}

#[cfg(test)]
mod tests {
    use crate::simd::{Kernel, Level, Simd, dispatch};

    struct Apply<'a>(&'a [f32], &'a mut [f32], bool);
    impl Kernel for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for (x, y) in self.0.chunks(S::LANES).zip(self.1.chunks_mut(S::LANES)) {
                let v = simd.load_partial(x);
                simd.store_partial(if self.2 { simd.erf(v) } else { simd.exp(v) }, y);
            }
        }
    }

    fn apply(level: Level, x: &[f32], erf: bool) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        dispatch(level, Apply(x, &mut y, erf));
        y
    }

    /// `erf` in float64 by its Taylor series, which converges well for the range tested.
    fn erf_reference(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn exp_is_within_two_ulp() {
        let x: Vec<f32> = (-870..=880).map(|i| i as f32 * 0.1 + 0.0137).collect();
        for level in Level::available() {
            for (&x, y) in x.iter().zip(apply(level, &x, false)) {
                let want = f64::from(x).exp();
                let ulp = want * f64::from(f32::EPSILON);
                assert!((f64::from(y) - want).abs() <= 2.0 * ulp, "{level}: exp({x}) = {y}, want {want}");
            }
        }
    }

    #[test]
    fn erf_is_within_three_ten_millionths() {
        let x: Vec<f32> = (-400..=400).map(|i| i as f32 * 0.01).collect();
        for level in Level::available() {
            for (&x, y) in x.iter().zip(apply(level, &x, true)) {
                let want = erf_reference(f64::from(x));
                assert!((f64::from(y) - want).abs() < 3e-7, "{level}: erf({x}) = {y}, want {want}");
            }
        }
    }

    #[test]
    fn not_a_number_survives() {
        for level in Level::available() {
            assert!(apply(level, &[f32::NAN], false)[0].is_nan(), "{level}");
            assert!(apply(level, &[f32::NAN], true)[0].is_nan(), "{level}");
        }
    }
}
