//! Activation functions and their slopes; see [`crate::activation`].

use std::f64::consts::{PI, SQRT_2};

/// The error function: its Taylor series where that does not cancel, `|x| < 2`, else `1 - erfc(x)` with the
/// continued fraction of `erfc`.
pub fn erf(x: f64) -> f64 {
    let z = x.abs();
    if z < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / PI.sqrt();
    }
    // erfc(z) = exp(-z^2) / sqrt(pi) / (z + (1/2) / (z + 1 / (z + (3/2) / (z + ...))))
    let fraction = (1..80).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
    (1.0 - (-z * z).exp() / PI.sqrt() / fraction).copysign(x)
}

/// `x Phi(x)`.
pub fn gelu(x: f64) -> f64 {
    x * 0.5 * (1.0 + erf(x / SQRT_2))
}

/// The derivative of [`gelu`].
pub fn gelu_slope(x: f64) -> f64 {
    0.5 * (1.0 + erf(x / SQRT_2)) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
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
    fn erf_has_the_tabulated_values() {
        // Abramowitz and Stegun, table 7.1.
        let table = [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)];
        for (x, want) in table {
            assert!((erf(x) - want).abs() < 1e-9 && (erf(-x) + want).abs() < 1e-9, "erf({x}) = {}", erf(x));
        }
        assert!((erf(1.999_999_999_9) - erf(2.0)).abs() < 1e-11, "the two formulas meet");
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
