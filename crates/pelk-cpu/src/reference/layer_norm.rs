//! Layer normalization; see [`crate::layer_norm`].

use super::linear::Gradients;

/// The output and the statistics of the rows.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// The output.
    pub y: Vec<f64>,
    /// The mean of each row.
    pub mean: Vec<f64>,
    /// `1 / sqrt(variance + eps)` of each row.
    pub inv_std: Vec<f64>,
}

/// The mean and `1 / sqrt(variance + eps)` of a row.
fn moments(row: &[f64], eps: f64) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// `x [rows, channels]`.
pub fn forward(channels: usize, x: &[f64], weight: &[f64], bias: &[f64], eps: f64) -> Normalized {
    let mut normalized = Normalized { y: Vec::new(), mean: Vec::new(), inv_std: Vec::new() };
    for row in x.chunks_exact(channels) {
        let (mean, inv_std) = moments(row, eps);
        for c in 0..channels {
            normalized.y.push((row[c] - mean) * inv_std * weight[c] + bias[c]);
        }
        normalized.mean.push(mean);
        normalized.inv_std.push(inv_std);
    }
    normalized
}

/// The gradients of [`forward`], from the statistics that it computed.
pub fn backward(
    channels: usize,
    x: &[f64],
    weight: &[f64],
    mean: &[f64],
    inv_std: &[f64],
    gy: &[f64],
) -> Gradients {
    let mut g = Gradients { x: Vec::new(), weight: vec![0.0; channels], bias: vec![0.0; channels] };
    for (r, (row, gy)) in x.chunks_exact(channels).zip(gy.chunks_exact(channels)).enumerate() {
        let (mean, inv_std) = (mean[r], inv_std[r]);
        let (mut average_g, mut average_gn) = (0.0, 0.0);
        for c in 0..channels {
            let n = (row[c] - mean) * inv_std;
            average_g += gy[c] * weight[c] / channels as f64;
            average_gn += gy[c] * weight[c] * n / channels as f64;
            g.weight[c] += gy[c] * n;
            g.bias[c] += gy[c];
        }
        for c in 0..channels {
            let n = (row[c] - mean) * inv_std;
            g.x.push(inv_std * (gy[c] * weight[c] - average_g - n * average_gn));
        }
    }
    g
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradients_are_finite_differences() {
        let (x, gy) = (widen(&values(1, 20)), widen(&values(2, 20)));
        let (weight, bias) = (widen(&values(3, 5)), widen(&values(4, 5)));
        let saved = forward(5, &x, &weight, &bias, 1e-3);
        let g = backward(5, &x, &weight, &saved.mean, &saved.inv_std, &gy);
        assert_gradient("x", &x, &g.x, |x| dot(&gy, &forward(5, x, &weight, &bias, 1e-3).y));
        assert_gradient("weight", &weight, &g.weight, |w| dot(&gy, &forward(5, &x, w, &bias, 1e-3).y));
        assert_gradient("bias", &bias, &g.bias, |b| dot(&gy, &forward(5, &x, &weight, b, 1e-3).y));
    }
}
