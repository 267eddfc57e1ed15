//! What the tests of all operators share: numbers, comparisons, finite differences, thread pools.

use crate::rows::{Rows, RowsMut};
use rayon::ThreadPoolBuilder;
use std::fmt::Display;

/// `n` repeatable numbers in -1..1 (splitmix64).
pub(crate) fn values(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 40
    };
    (0..n).map(|_| next() as f32 / (1u64 << 23) as f32 - 1.0).collect()
}

/// A buffer of stale values: an operator that leaves one of them behind fails its comparison.
pub(crate) fn stale(n: usize) -> Vec<f32> {
    vec![f32::NAN; n]
}

/// The matrix in `values` with rows of `columns`.
pub(crate) fn rows(values: &[f32], columns: usize) -> Rows<'_> {
    Rows::new(values, columns).unwrap()
}

/// [`rows`] to be written.
pub(crate) fn rows_mut(values: &mut [f32], columns: usize) -> RowsMut<'_> {
    RowsMut::new(values, columns).unwrap()
}

pub(crate) fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// Fails unless every value is within `tolerance` times the largest expected magnitude (at least 1e-3, so
/// that a tensor of zeros can be matched at all).
pub(crate) fn assert_close(what: impl Display, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_close_at(largest(expected), what, actual, expected, tolerance);
}

/// [`assert_close`] relative to `scale` instead. Few sums may all cancel by chance: rounding is then small
/// beside their terms, but not beside the results.
pub(crate) fn assert_close_at(
    scale: f64,
    what: impl Display,
    actual: &[f32],
    expected: &[f64],
    tolerance: f64,
) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(*a) - e).abs() / scale;
        assert!(error <= tolerance, "{what}: value {i} is {a}, want {e}: off by {error:.2e} of {scale:.3e}");
    }
}

/// The largest magnitude, at least 1e-3.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1e-3, |largest, value| largest.max(value.abs()))
}

/// Fails unless `gradient` is the derivative of the scalar `f` at `x`, by central differences.
pub(crate) fn assert_gradient(
    what: impl Display,
    x: &[f64],
    gradient: &[f64],
    mut f: impl FnMut(&[f64]) -> f64,
) {
    const STEP: f64 = 1e-5;
    assert_eq!(x.len(), gradient.len(), "{what}: length");
    let largest = gradient.iter().fold(1e-3, |m: f64, g| m.max(g.abs()));
    let mut x = x.to_vec();
    for i in 0..x.len() {
        let here = x[i];
        x[i] = here + STEP;
        let above = f(&x);
        x[i] = here - STEP;
        let below = f(&x);
        x[i] = here;
        let slope = (above - below) / (2.0 * STEP);
        let error = (slope - gradient[i]).abs() / largest;
        assert!(error < 1e-6, "{what}: derivative {i} is {}, differences give {slope}", gradient[i]);
    }
}

/// The sum of `gy * y`, whose derivative by `y` is `gy`.
pub(crate) fn dot(gy: &[f64], y: &[f64]) -> f64 {
    assert_eq!(gy.len(), y.len());
    gy.iter().zip(y).map(|(g, y)| g * y).sum()
}

/// Fails unless `f` gives the same bits in pools of one, two and three threads.
pub(crate) fn assert_thread_count_free(what: impl Display, f: impl Fn() -> Vec<f32> + Sync) {
    let results: Vec<Vec<u32>> = [1, 2, 3]
        .map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| f().into_iter().map(f32::to_bits).collect())
        })
        .into();
    assert!(results[0] == results[1] && results[1] == results[2], "{what}: bits depend on the thread count");
}
