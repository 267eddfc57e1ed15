//! Real sequences to their values at points of the unit circle, and back, with a vector of channels for every
//! element.
//!
//! The points are the `t` with `t^M = -i`. There a sequence `x` of `L = 2 M` real values, taken as the
//! polynomial of coefficients `x[n]`, has the value
//!
//! ```text
//! X[k] = sum over j < M of (x[j] - i x[j + M]) u^j exp(-2 pi i j k / M),    u = exp(-pi i / L)
//! ```
//!
//! which is a complex Fourier transform of half the length, without the untangling that the usual transform
//! of real values needs afterwards. The other points with `t^L = -1` are conjugate to these and add no
//! information. So a product of such values is that of polynomials modulo `t^L + 1`: what a convolution moves
//! beyond the end comes back at the beginning, negated.
//!
//! Transforms work in place, radix 2 to 5, forwards by decimation in frequency and backwards by decimation in
//! time, so that values are never reordered: those of one `k` lie at the same place in every transform, and
//! that is enough.

use std::f64::consts::PI;

use super::dft::Complex;
use super::stage::Stage;
use pelk_simd::Simd;

/// The tables of one length.
#[derive(Debug)]
pub(super) struct Transform {
    /// M.
    half: usize,
    /// Real and imaginary part of `u^j` for every `j` below M.
    twist: Vec<f32>,
    stages: Vec<Stage>,
}

fn unit(turns: f64) -> [f32; 2] {
    let (sin, cos) = (-2.0 * PI * turns).sin_cos();
    [cos as f32, sin as f32]
}

/// Calls `each` with the radices of this number, largest spans first, and returns what is left of it: 1 if it
/// has no factors other than 2, 3 and 5.
fn factors(number: usize, mut each: impl FnMut(usize)) -> usize {
    let mut rest = number;
    for radix in [4, 5, 3, 2] {
        while rest.is_multiple_of(radix) {
            each(radix);
            rest /= radix;
        }
    }
    rest
}

/// Time of a stage for each value, in multiply-adds of the columns (Zen 3).
fn stage_cost(radix: usize) -> usize {
    [0, 0, 5, 6, 5, 8][radix]
}

/// Time of both transforms for each value, if there are any of this size.
fn transform_cost(half: usize) -> Option<usize> {
    let mut cost = 0;
    (factors(half, |radix| cost += 2 * stage_cost(radix)) == 1).then_some(cost)
}

macro_rules! by_radix {
    ($stage:expr, $name:ident($($arg:expr),*)) => {
        match $stage.radix {
            2 => $stage.$name::<S, 2>($($arg),*),
            3 => $stage.$name::<S, 3>($($arg),*),
            4 => $stage.$name::<S, 4>($($arg),*),
            _ => $stage.$name::<S, 5>($($arg),*),
        }
    };
}

impl Transform {
    /// A transform of at least `length` real values, where each value costs `each` more multiply-adds
    /// elsewhere.
    pub fn new(length: usize, each: usize) -> Self {
        let least = length.div_ceil(2).max(2);
        let costs =
            (least..=2 * least).filter_map(|half| Some((half * (transform_cost(half)? + each), half)));
        // A power of two lies between a number and its double.
        let half = costs.min().map_or_else(|| least.next_power_of_two(), |(_, half)| half);
        let (mut span, mut stages) = (half, Vec::new());
        factors(half, |radix| {
            let size = span;
            span /= radix;
            let powers = (0..span).flat_map(|j| (1..radix).map(move |k| (j * k) as f64 / size as f64));
            let twiddles = powers.flat_map(unit).collect();
            stages.push(Stage { radix, span, pieces: half / size, twiddles });
        });
        let twist = (0..half).flat_map(|j| unit(j as f64 / (4 * half) as f64)).collect();
        Self { half, twist, stages }
    }

    /// L: number of real values.
    pub fn length(&self) -> usize {
        2 * self.half
    }

    /// M: number of complex values.
    pub fn half(&self) -> usize {
        self.half
    }

    /// The transform of `real`: L values, zero from `used` on.
    #[inline(always)]
    pub fn forward<S: Simd>(&self, simd: S, real: &[S::V], used: usize, values: &mut [Complex<S>]) {
        assert!(real.len() == self.length() && values.len() == self.half);
        let (first, others) = self.stages.split_first().expect("there are at least two values");
        let (real, values) = (real.as_ptr(), values.as_mut_ptr());
        // SAFETY: there are L and M values, as was checked.
        unsafe {
            by_radix!(first, forward_from(simd, &self.twist, real, used.saturating_sub(self.half), values));
            for stage in others {
                by_radix!(stage, forward(simd, values));
            }
        }
    }

    /// Writes the sequence with these values, times M, to `real`, whose L values may be anything from `used`
    /// on. Overwrites `values`.
    #[inline(always)]
    pub fn inverse<S: Simd>(&self, simd: S, values: &mut [Complex<S>], real: &mut [S::V], used: usize) {
        assert!(real.len() == self.length() && values.len() == self.half);
        let (first, others) = self.stages.split_first().expect("there are at least two values");
        let (real, values) = (real.as_mut_ptr(), values.as_mut_ptr());
        // SAFETY: there are L and M values, as was checked.
        unsafe {
            for stage in others.iter().rev() {
                by_radix!(stage, inverse(simd, values));
            }
            by_radix!(first, inverse_into(simd, &self.twist, values, real, used.saturating_sub(self.half)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, values};
    use pelk_simd::{Kernel, Level, dispatch};

    /// Multiplies two sequences, of which the first has zeros behind its values, by their spectra.
    struct Multiply<'a>(&'a Transform, [&'a [f32]; 2]);
    impl Kernel for Multiply<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let Self(transform, factors) = self;
            let mut line = vec![simd.zero(); transform.length()];
            let mut spectra = [vec![], vec![]];
            for (spectrum, factor) in spectra.iter_mut().zip(factors) {
                line.fill(simd.zero());
                for (real, &value) in line.iter_mut().zip(factor) {
                    *real = simd.splat(value);
                }
                *spectrum = vec![[simd.zero(); 2]; transform.half()];
                transform.forward(simd, &line, factor.len(), spectrum);
            }
            let [mut product, other] = spectra;
            for (a, b) in product.iter_mut().zip(other) {
                let [re, im] = *a;
                *a = [
                    simd.sub(simd.mul(re, b[0]), simd.mul(im, b[1])),
                    simd.add(simd.mul(re, b[1]), simd.mul(im, b[0])),
                ];
            }
            transform.inverse(simd, &mut product, &mut line, transform.length());
            line.into_iter().map(|v| simd.reduce_max(v) / transform.half() as f32).collect()
        }
    }

    #[test]
    fn products_of_spectra_are_products_modulo_one_more_than_a_power() {
        // Where a value costs more than any stage, the shortest transform is taken: this meets all radices.
        for length in (1..=40).chain([81, 96, 121, 153, 178, 250, 331]) {
            let transform = Transform::new(length, 1000);
            let n = transform.length();
            assert!(n >= length && n <= 2 * length.max(2), "{length}: {n}");
            let (a, b) = (values(1, length.div_ceil(2)), values(2, n));
            let mut want = vec![0.0; n];
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    let sign = if i + j < n { 1.0 } else { -1.0 };
                    want[(i + j) % n] += sign * f64::from(*a) * f64::from(*b);
                }
            }
            for level in Level::available() {
                let got = dispatch(level, Multiply(&transform, [&a, &b]));
                assert_close(format!("{level}: {length} in {n}"), &got, &want, 1e-6);
            }
        }
    }

    #[test]
    fn cheap_stages_are_preferred_to_short_transforms() {
        assert_eq!(Transform::new(81, 1000).half(), 45);
        assert_eq!(Transform::new(81, 50).half(), 48);
        assert_eq!(Transform::new(27, 50).half(), 16);
    }
}
