//! Activation functions over tensors of any shape.
//!
//! ```
//! use pelk_cpu::activation;
//! use pelk_simd::Level;
//! let mut y = [0.0; 3];
//! activation::relu(Level::best(), &[-1.0, 0.0, 2.0], &mut y)?;
//! assert_eq!(y, [0.0, 0.0, 2.0]);
//! activation::gelu(Level::best(), &[-1.0, 0.0, 2.0], &mut y)?;
//! assert!((y[2] - 1.9545).abs() < 1e-4);
//! # Ok::<(), pelk_cpu::shape::ShapeError>(())
//! ```

use crate::rowwise::{CHUNK, Map, map_flat};
use crate::shape::{ShapeError, checked_len, expect_len};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// The Gaussian error linear unit in its exact form, `y = x Phi(x)`, `Phi(x) = (1 + erf(x / sqrt 2)) / 2`, as
/// accurate as [`Simd::gelu`].
///
/// # Errors
/// When the lengths differ or are zero.
pub fn gelu(level: Level, x: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    check("gelu", x, ("y", y.len()), None)?;
    map_flat(level, [x], y, Gelu);
    Ok(())
}

/// The gradient of [`gelu`], `gx = gy (Phi(x) + x phi(x))`, with the normal density `phi`, as accurate as
/// [`Simd::gelu_and_slope`].
///
/// # Errors
/// When the lengths differ or are zero.
pub fn gelu_backward(level: Level, x: &[f32], gy: &[f32], gx: &mut [f32]) -> Result<(), ShapeError> {
    check("gelu backward", x, ("gy", gy.len()), Some(gx.len()))?;
    map_flat(level, [x, gy], gx, GeluBackward);
    Ok(())
}

/// `y = max(x, 0)`. NaN stays NaN.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn relu(level: Level, x: &[f32], y: &mut [f32]) -> Result<(), ShapeError> {
    check("relu", x, ("y", y.len()), None)?;
    map_flat(level, [x], y, Relu);
    Ok(())
}

/// The gradient of [`relu`]: `gy` where `x > 0`, else zero.
///
/// # Errors
/// When the lengths differ or are zero.
pub fn relu_backward(level: Level, x: &[f32], gy: &[f32], gx: &mut [f32]) -> Result<(), ShapeError> {
    check("relu backward", x, ("gy", gy.len()), Some(gx.len()))?;
    gx.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK).zip(gy.par_chunks(CHUNK)))
        .for_each(|(gx, (x, gy))| dispatch(level, ReluBackward { x, gy, gx }));
    Ok(())
}

fn check(
    operator: &'static str,
    x: &[f32],
    other: (&'static str, usize),
    gx: Option<usize>,
) -> Result<(), ShapeError> {
    checked_len(operator, &[("the tensor", x.len())])?;
    expect_len(operator, other.0, other.1, x.len())?;
    expect_len(operator, "gx", gx, x.len())
}

#[derive(Clone, Copy)]
struct Gelu;
impl Map<1, 0> for Gelu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], []: [S::V; 0]) -> S::V {
        simd.gelu(x)
    }
}

#[derive(Clone, Copy)]
struct GeluBackward;
impl Map<2, 0> for GeluBackward {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x, gy]: [S::V; 2], []: [S::V; 0]) -> S::V {
        let (_, slope) = simd.gelu_and_slope(x);
        simd.mul(gy, slope)
    }
}

#[derive(Clone, Copy)]
struct Relu;
impl Map<1, 0> for Relu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, [x]: [S::V; 1], []: [S::V; 0]) -> S::V {
        // In this order NaN in x gives NaN.
        simd.max(simd.zero(), x)
    }
}

struct ReluBackward<'a> {
    x: &'a [f32],
    gy: &'a [f32],
    gx: &'a mut [f32],
}
impl Kernel for ReluBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // The compiler vectorizes this with the level's instructions.
        for (gx, (x, gy)) in self.gx.iter_mut().zip(self.x.iter().zip(self.gy)) {
            *gx = if *x > 0.0 { *gy } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, stale, values, widen};

    type Forward = fn(Level, &[f32], &mut [f32]) -> Result<(), ShapeError>;
    type Backward = fn(Level, &[f32], &[f32], &mut [f32]) -> Result<(), ShapeError>;
    type Function = fn(f64) -> f64;

    #[test]
    fn forward_and_backward_meet_the_reference() {
        let cases: [(&str, Forward, Backward, Function, Function); 2] = [
            ("gelu", gelu, gelu_backward, reference::activation::gelu, reference::activation::gelu_slope),
            ("relu", relu, relu_backward, reference::activation::relu, reference::activation::relu_slope),
        ];
        for level in Level::available() {
            for (name, forward, backward, value, slope) in cases {
                for n in [1, 7, 33, 20_001] {
                    let mut x: Vec<f32> = values(1, n).iter().map(|x| 6.0 * x).collect();
                    x[0] = 3.0; // errors are relative to the largest magnitude
                    let (gy, mut y, mut gx) = (values(2, n), stale(n), stale(n));
                    forward(level, &x, &mut y).unwrap();
                    backward(level, &x, &gy, &mut gx).unwrap();
                    let want: Vec<f64> = widen(&x).into_iter().map(value).collect();
                    assert_close(format!("{level}: {name} of {n}"), &y, &want, 1e-6);
                    let want: Vec<f64> =
                        x.iter().zip(&gy).map(|(x, gy)| slope(f64::from(*x)) * f64::from(*gy)).collect();
                    assert_close(format!("{level}: gradient of {name} of {n}"), &gx, &want, 2e-6);
                }
            }
        }
    }

    #[test]
    fn extremes_are_right_and_not_a_number_survives() {
        for level in Level::available() {
            let x = [-1e30, -200.0, -0.0, 200.0, 1e30, f32::NAN];
            let mut y = stale(6);
            gelu(level, &x, &mut y).unwrap();
            assert_eq!(y[..5], [0.0, 0.0, 0.0, 200.0, 1e30], "{level}");
            assert!(y[5].is_nan());
            relu(level, &x, &mut y).unwrap();
            assert_eq!(y[..5], [0.0, 0.0, 0.0, 200.0, 1e30], "{level}");
            assert!(y[5].is_nan());
            gelu_backward(level, &x, &[1.0; 6], &mut y).unwrap();
            assert_close(format!("{level}"), &y[..5], &[0.0, 0.0, 0.5, 1.0, 1.0], 1e-7);
        }
    }

    #[test]
    fn bad_shapes_are_errors() {
        let (level, x, mut y) = (Level::PORTABLE, [0.0; 3], [0.0; 2]);
        assert!(gelu(level, &x, &mut y).is_err());
        assert!(relu(level, &[], &mut []).is_err());
        assert!(gelu_backward(level, &x, &x, &mut y).is_err());
        assert!(relu_backward(level, &y.clone(), &x, &mut y).is_err());
    }
}
