//! One step of an optimizer on one parameter, in place. Clipping, schedules and groups are the caller's.

use crate::rowwise::CHUNK;
use crate::shape::{ShapeError, checked_len, expect_len};
pub use pelk_ops::optimizer::{AdamW, AdamWFactors, Sgd};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

/// A step of AdamW in the order of PyTorch's `AdamW`; `m` and `v` are the moments, zero before step 1.
///
/// ```text
/// parameter *= 1 - learning_rate weight_decay
/// m = beta1 m + (1 - beta1) gradient
/// v = beta2 v + (1 - beta2) gradient^2
/// parameter -= learning_rate / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps)
/// ```
///
/// ```
/// use pelk_cpu::optimizer::{AdamW, adamw_step};
/// use pelk_simd::Level;
/// let settings =
///     AdamW { learning_rate: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, step: 1 };
/// let (mut parameter, mut m, mut v) = ([1.0], [0.0], [0.0]);
/// adamw_step(Level::best(), &settings, &mut parameter, &[5.0], &mut m, &mut v)?;
/// assert!((parameter[0] - 0.9).abs() < 1e-6); // the first step has the length of the learning rate
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When the lengths differ or are zero, `step` is zero, or a setting is out of its range.
pub fn adamw_step(
    level: Level,
    settings: &AdamW,
    parameter: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "adamw_step";
    let factors = settings.factors()?;
    checked_len(NAME, &[("the parameter", parameter.len())])?;
    expect_len(NAME, "gradient", gradient.len(), parameter.len())?;
    expect_len(NAME, "m", m.len(), parameter.len())?;
    expect_len(NAME, "v", v.len(), parameter.len())?;
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)))
        .for_each(|((parameter, gradient), (m, v))| {
            dispatch(level, AdamWKernel { factors, parameter, gradient, m, v });
        });
    Ok(())
}

/// A step of SGD with momentum in the order of PyTorch's `SGD`; `velocity` is zero before the first step.
///
/// ```text
/// g = gradient + weight_decay parameter
/// velocity = momentum velocity + g
/// parameter -= learning_rate velocity                    (plain)
/// parameter -= learning_rate (g + momentum velocity)     (Nesterov)
/// ```
///
/// # Errors
/// When the lengths differ or are zero, or a setting is negative or not finite.
pub fn sgd_step(
    level: Level,
    settings: &Sgd,
    parameter: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
) -> Result<(), ShapeError> {
    const NAME: &str = "sgd_step";
    settings.check()?;
    checked_len(NAME, &[("the parameter", parameter.len())])?;
    expect_len(NAME, "gradient", gradient.len(), parameter.len())?;
    expect_len(NAME, "velocity", velocity.len(), parameter.len())?;
    parameter
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(velocity.par_chunks_mut(CHUNK))
        .for_each(|((parameter, gradient), velocity)| {
            dispatch(level, SgdKernel { settings, parameter, gradient, velocity });
        });
    Ok(())
}

// Plain loops: inside a kernel the compiler vectorizes them with the level's instructions, square root
// included.

struct AdamWKernel<'a> {
    factors: AdamWFactors,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl Kernel for AdamWKernel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let f = self.factors;
        let moments = self.m.iter_mut().zip(self.v.iter_mut());
        for ((p, g), (m, v)) in self.parameter.iter_mut().zip(self.gradient).zip(moments) {
            *m += f.to_gradient * (g - *m);
            *v = f.beta2 * *v + f.to_square * (g * g);
            let root = v.sqrt() * f.inverse_root + f.eps;
            *p = *p * f.keep - f.step_size * (*m / root);
        }
    }
}

struct SgdKernel<'a> {
    settings: &'a Sgd,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
}

impl Kernel for SgdKernel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (rate, momentum) = (self.settings.learning_rate as f32, self.settings.momentum as f32);
        let decay = self.settings.weight_decay as f32;
        let parts = self.parameter.iter_mut().zip(self.gradient).zip(self.velocity);
        for ((p, g), velocity) in parts {
            let g = g + decay * *p;
            *velocity = momentum * *velocity + g;
            *p -= rate * if self.settings.nesterov { g + momentum * *velocity } else { *velocity };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, values, widen};

    const ADAMW: AdamW =
        AdamW { learning_rate: 4e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.05, step: 1 };

    #[test]
    fn ten_steps_of_adamw_meet_the_reference() {
        for level in Level::available() {
            for n in [1, 33, 20_001] {
                let mut p = values(1, n);
                let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
                let (mut p64, mut m64, mut v64) = (widen(&p), widen(&m), widen(&v));
                for step in 1..=10 {
                    let settings = AdamW { step, ..ADAMW };
                    let g = values(step + 1, n);
                    adamw_step(level, &settings, &mut p, &g, &mut m, &mut v).unwrap();
                    reference::optimizer::adamw_step(&settings, &mut p64, &widen(&g), &mut m64, &mut v64);
                }
                assert_close(format!("{level}: parameter, {n}"), &p, &p64, 1e-6);
                assert_close(format!("{level}: m, {n}"), &m, &m64, 1e-6);
                assert_close(format!("{level}: v, {n}"), &v, &v64, 1e-6);
            }
        }
    }

    #[test]
    fn five_steps_of_sgd_meet_the_reference() {
        for level in Level::available() {
            for nesterov in [false, true] {
                let settings = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov };
                let (mut p, mut velocity) = (values(1, 20_001), vec![0.0; 20_001]);
                let (mut p64, mut velocity64) = (widen(&p), widen(&velocity));
                for step in 1..=5 {
                    let g = values(step + 1, p.len());
                    sgd_step(level, &settings, &mut p, &g, &mut velocity).unwrap();
                    reference::optimizer::sgd_step(&settings, &mut p64, &widen(&g), &mut velocity64);
                }
                assert_close(format!("{level}: nesterov {nesterov}"), &p, &p64, 1e-6);
            }
        }
    }

    #[test]
    fn bad_settings_and_lengths_are_errors() {
        let run = |settings: AdamW, n: usize| {
            let (mut p, mut m, mut v) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            adamw_step(Level::PORTABLE, &settings, &mut p[..n], &[0.0; 2], &mut m, &mut v)
        };
        assert!(run(ADAMW, 2).is_ok());
        assert!(run(ADAMW, 1).is_err() && run(ADAMW, 0).is_err());
        let error = run(AdamW { step: 0, ..ADAMW }, 2).unwrap_err();
        assert_eq!(error.to_string(), "adamw_step: the step is 0: steps are counted from 1");
        assert!(run(AdamW { beta2: 1.0, ..ADAMW }, 2).is_err());
        assert!(run(AdamW { learning_rate: f64::NAN, ..ADAMW }, 2).is_err());
        let sgd = Sgd { learning_rate: -1.0, momentum: 0.9, weight_decay: 0.0, nesterov: false };
        assert!(sgd_step(Level::PORTABLE, &sgd, &mut [0.0], &[0.0], &mut [0.0]).is_err());
    }
}
