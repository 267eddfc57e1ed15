//! Activation functions and their slopes; see [`crate::activation`].

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The complementary error function `1 - erf(x)` to a relative 1e-12, in its tail too.
fn erfc(x: f64) -> f64 {
    let z = x.abs();
    if z < 2.0 {
        // erf(x) = 2 exp(-x^2) / sqrt(pi) (x + 2 x^3 / 3 + 4 x^5 / (3 5) + ...), in which nothing cancels.
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 1.0 - 2.0 * (-x * x).exp() / PI.sqrt() * sum;
    }
    // erfc(z) = exp(-z^2) / sqrt(pi) / (z + (1/2) / (z + 1 / (z + (3/2) / (z + ...))))
    let fraction = (1..160).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
    let tail = (-z * z).exp() / PI.sqrt() / fraction;
    if x > 0.0 { tail } else { 2.0 - tail }
}

/// The normal distribution function.
fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// `x Phi(x)`.
pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// The derivative of [`gelu`].
pub fn gelu_slope(x: f64) -> f64 {
    normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// `max(x, 0)`.
pub fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// The derivative of [`relu`]; zero at zero.
pub fn relu_slope(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_gradient;

    #[test]
    fn erfc_is_right_to_the_far_tail() {
        // Computed with 30 digits.
        let table = [
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (1.9, 0.007_209_570_764_742_53),
            (2.0, 0.004_677_734_981_047_266),
            (4.0, 1.541_725_790_028_002e-8),
            (9.0, 4.137_031_746_513_81e-37),
            (26.0, 5.663_192_408_856_143e-296),
        ];
        for (x, want) in table {
            assert!((erfc(x) / want - 1.0).abs() < 1e-12, "erfc({x}) = {}", erfc(x));
            assert!((erfc(-x) - (2.0 - want)).abs() < 1e-14, "erfc(-{x}) = {}", erfc(-x));
        }
        assert!(erfc(f64::NAN).is_nan());
    }

    #[test]
    fn slopes_are_finite_differences() {
        let x: Vec<f64> = (-50..=50).map(|i| f64::from(i) * 0.1 + 0.01).collect();
        for (name, value, slope) in
            [("gelu", gelu as fn(f64) -> f64, gelu_slope as fn(f64) -> f64), ("relu", relu, relu_slope)]
        {
            let slopes: Vec<f64> = x.iter().copied().map(slope).collect();
            assert_gradient(name, &x, &slopes, |x| x.iter().copied().map(value).sum());
        }
    }
}
