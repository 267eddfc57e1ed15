//! The linear layer; see [`crate::linear`].

/// Gradients of a layer with a weight and a bias.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Of the input.
    pub x: Vec<f64>,
    /// Of the weight.
    pub weight: Vec<f64>,
    /// Of the bias.
    pub bias: Vec<f64>,
}

/// `x [rows, inputs]`, `weight [outputs, inputs]` to `y [rows, outputs]`.
pub fn forward(
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f64],
    weight: &[f64],
    bias: Option<&[f64]>,
) -> Vec<f64> {
    let mut y = vec![0.0; rows * outputs];
    for r in 0..rows {
        for o in 0..outputs {
            let mut sum = bias.map_or(0.0, |bias| bias[o]);
            for i in 0..inputs {
                sum += x[r * inputs + i] * weight[o * inputs + i];
            }
            y[r * outputs + o] = sum;
        }
    }
    y
}

/// The gradients of [`forward`] from `gy [rows, outputs]`.
pub fn backward(
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f64],
    weight: &[f64],
    gy: &[f64],
) -> Gradients {
    let mut g =
        Gradients { x: vec![0.0; x.len()], weight: vec![0.0; weight.len()], bias: vec![0.0; outputs] };
    for r in 0..rows {
        for o in 0..outputs {
            let gy = gy[r * outputs + o];
            g.bias[o] += gy;
            for i in 0..inputs {
                g.x[r * inputs + i] += gy * weight[o * inputs + i];
                g.weight[o * inputs + i] += gy * x[r * inputs + i];
            }
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
        let (x, weight, bias, gy) =
            (widen(&values(1, 6)), widen(&values(2, 12)), widen(&values(3, 4)), widen(&values(4, 8)));
        let g = backward(2, 3, 4, &x, &weight, &gy);
        assert_gradient("x", &x, &g.x, |x| dot(&gy, &forward(2, 3, 4, x, &weight, Some(&bias))));
        assert_gradient("weight", &weight, &g.weight, |w| dot(&gy, &forward(2, 3, 4, &x, w, Some(&bias))));
        assert_gradient("bias", &bias, &g.bias, |b| dot(&gy, &forward(2, 3, 4, &x, &weight, Some(b))));
    }
}
