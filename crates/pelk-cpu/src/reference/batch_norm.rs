//! Batch normalization; see [`crate::batch_norm`]. The number of channels is the length of the weight.

use super::linear::Gradients;

/// The results in training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The output.
    pub y: Vec<f64>,
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// `1 / sqrt(variance + eps)` of each channel.
    pub inv_std: Vec<f64>,
    /// The new running mean.
    pub running_mean: Vec<f64>,
    /// The new running variance.
    pub running_var: Vec<f64>,
}

/// The mean and the biased variance of channel `c` of `channels`.
fn moments(x: &[f64], channels: usize, c: usize) -> (f64, f64) {
    let rows = (x.len() / channels) as f64;
    let values = || x.iter().skip(c).step_by(channels);
    let mean = values().sum::<f64>() / rows;
    (mean, values().map(|x| (x - mean) * (x - mean)).sum::<f64>() / rows)
}

/// Normalizes by the moments of `x`, `[rows, channels]`, and updates the running statistics.
pub fn forward_train(
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
    eps: f64,
    momentum: f64,
    running_mean: &[f64],
    running_var: &[f64],
) -> Trained {
    let channels = weight.len();
    let rows = (x.len() / channels) as f64;
    let (mean, var): (Vec<f64>, Vec<f64>) = (0..channels).map(|c| moments(x, channels, c)).unzip();
    let mut trained = Trained {
        y: forward_eval(x, weight, bias, &mean, &var, eps),
        mean: mean.clone(),
        inv_std: inverse_std(&var, eps),
        running_mean: running_mean.to_vec(),
        running_var: running_var.to_vec(),
    };
    for c in 0..channels {
        let unbiased = var[c] * rows / (rows - 1.0);
        trained.running_mean[c] = (1.0 - momentum) * running_mean[c] + momentum * mean[c];
        trained.running_var[c] = (1.0 - momentum) * running_var[c] + momentum * unbiased;
    }
    trained
}

fn inverse_std(variance: &[f64], eps: f64) -> Vec<f64> {
    variance.iter().map(|variance| 1.0 / (variance + eps).sqrt()).collect()
}

/// Normalizes by the running statistics.
pub fn forward_eval(
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
    running_mean: &[f64],
    running_var: &[f64],
    eps: f64,
) -> Vec<f64> {
    let (mut y, inv_std) = (vec![0.0; x.len()], inverse_std(running_var, eps));
    for i in 0..x.len() {
        let c = i % weight.len();
        y[i] = (x[i] - running_mean[c]) * inv_std[c] * weight[c] + bias[c];
    }
    y
}

/// The gradients of [`forward_train`]'s output, from the statistics that it computed.
pub fn backward_train(x: &[f64], weight: &[f64], mean: &[f64], inv_std: &[f64], gy: &[f64]) -> Gradients {
    let channels = weight.len();
    let rows = (x.len() / channels) as f64;
    let mut g = backward_constant(x, weight, mean, inv_std, gy);
    for i in 0..x.len() {
        let c = i % channels;
        let n = (x[i] - mean[c]) * inv_std[c];
        g.x[i] -= weight[c] * inv_std[c] * (g.bias[c] + n * g.weight[c]) / rows;
    }
    g
}

/// The gradients of [`forward_eval`].
pub fn backward_eval(
    x: &[f64],
    weight: &[f64],
    running_mean: &[f64],
    running_var: &[f64],
    eps: f64,
    gy: &[f64],
) -> Gradients {
    backward_constant(x, weight, running_mean, &inverse_std(running_var, eps), gy)
}

/// The gradients where the statistics do not depend on `x`.
fn backward_constant(x: &[f64], weight: &[f64], mean: &[f64], inv_std: &[f64], gy: &[f64]) -> Gradients {
    let channels = weight.len();
    let mut g = Gradients { x: Vec::new(), weight: vec![0.0; channels], bias: vec![0.0; channels] };
    for i in 0..x.len() {
        let c = i % channels;
        g.x.push(gy[i] * weight[c] * inv_std[c]);
        g.weight[c] += gy[i] * (x[i] - mean[c]) * inv_std[c];
        g.bias[c] += gy[i];
    }
    g
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradients_are_finite_differences() {
        let (x, gy) = (widen(&values(1, 18)), widen(&values(2, 18)));
        let (weight, bias, mean) = (widen(&values(3, 3)), widen(&values(4, 3)), widen(&values(5, 3)));
        let var = [0.5, 1.0, 2.0];
        let train =
            |x: &[f64], w: &[f64], b: &[f64]| dot(&gy, &forward_train(x, w, b, 1e-3, 0.1, &mean, &var).y);
        let eval = |x: &[f64], w: &[f64], b: &[f64]| dot(&gy, &forward_eval(x, w, b, &mean, &var, 1e-3));
        let saved = forward_train(&x, &weight, &bias, 1e-3, 0.1, &mean, &var);
        let g = backward_train(&x, &weight, &saved.mean, &saved.inv_std, &gy);
        assert_gradient("x in training", &x, &g.x, |x| train(x, &weight, &bias));
        assert_gradient("weight in training", &weight, &g.weight, |w| train(&x, w, &bias));
        assert_gradient("bias in training", &bias, &g.bias, |b| train(&x, &weight, b));
        let g = backward_eval(&x, &weight, &mean, &var, 1e-3, &gy);
        assert_gradient("x in evaluation", &x, &g.x, |x| eval(x, &weight, &bias));
        assert_gradient("weight in evaluation", &weight, &g.weight, |w| eval(&x, w, &bias));
        assert_gradient("bias in evaluation", &bias, &g.bias, |b| eval(&x, &weight, b));
    }
}
