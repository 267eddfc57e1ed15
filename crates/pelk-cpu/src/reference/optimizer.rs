//! Optimizers; see [`crate::optimizer`].

use crate::optimizer::{AdamW, Sgd};

/// A step of AdamW.
pub fn adamw_step(s: &AdamW, parameter: &mut [f64], gradient: &[f64], m: &mut [f64], v: &mut [f64]) {
    for i in 0..parameter.len() {
        parameter[i] *= 1.0 - s.learning_rate * s.weight_decay;
        m[i] = s.beta1 * m[i] + (1.0 - s.beta1) * gradient[i];
        v[i] = s.beta2 * v[i] + (1.0 - s.beta2) * gradient[i] * gradient[i];
        let first = m[i] / (1.0 - s.beta1.powf(s.step as f64));
        let second = v[i] / (1.0 - s.beta2.powf(s.step as f64));
        parameter[i] -= s.learning_rate * first / (second.sqrt() + s.eps);
    }
}

/// A step of SGD with momentum.
pub fn sgd_step(s: &Sgd, parameter: &mut [f64], gradient: &[f64], velocity: &mut [f64]) {
    for i in 0..parameter.len() {
        let g = gradient[i] + s.weight_decay * parameter[i];
        velocity[i] = s.momentum * velocity[i] + g;
        parameter[i] -= s.learning_rate * if s.nesterov { g + s.momentum * velocity[i] } else { velocity[i] };
    }
}
