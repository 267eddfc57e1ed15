//! Losses of detectors; see [`crate::detection_loss`].

use crate::detection_loss::DetectionLoss;
use pelk_ops::boxes::giou;

/// `-t ln s - (1 - t) ln(1 - s)`, with `s` the sigmoid of `z`, without overflow.
fn cross_entropy(z: f64, target: f64) -> f64 {
    z.max(0.0) - z * target + (-z.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The loss and its gradient by `x`, whose channels are `columns`.
fn loss_and_gradient(columns: usize, x: &[f64], loss: DetectionLoss<'_>) -> (f64, Vec<f64>) {
    let (mut sum, mut g) = (0.0, vec![0.0; x.len()]);
    match loss {
        DetectionLoss::BinaryCrossEntropy(op) => {
            for (i, &z) in x.iter().enumerate() {
                let weight = if op.weights.is_empty() { 1.0 } else { f64::from(op.weights[i]) };
                let target = f64::from(op.targets[i]);
                sum += weight * cross_entropy(z, target);
                g[i] = weight * (sigmoid(z) - target);
            }
        }
        DetectionLoss::SmoothL1(op) => {
            let beta = f64::from(op.beta);
            for (&row, target) in op.rows.iter().zip(&op.targets[..]) {
                for (k, &target) in target.iter().enumerate() {
                    let at = 4 * row as usize + k;
                    let d = x[at] - f64::from(target);
                    sum += if d.abs() < beta { d * d / (2.0 * beta) } else { d.abs() - beta / 2.0 };
                    g[at] = if d.abs() < beta { d / beta } else { d.signum() };
                }
            }
        }
        DetectionLoss::BoxGiou(op) => {
            let weight = f64::from(op.weight);
            for (i, (&row, &class)) in op.rows.iter().zip(&op.classes[..]).enumerate() {
                let at = row as usize * columns + 4 * class as usize;
                let deltas = [x[at], x[at + 1], x[at + 2], x[at + 3]];
                let [from, target] = [op.boxes[i], op.targets[i]].map(|b| b.map(f64::from));
                let (overlap, by_box) = giou(&op.coder.decode(&from, &deltas, None), &target);
                let by_deltas = op.coder.decode_gradient(&from, &deltas, None, &by_box);
                sum += weight * (1.0 - overlap);
                for (g, slope) in g[at..].iter_mut().zip(by_deltas) {
                    *g = -weight * slope;
                }
            }
        }
        DetectionLoss::MaskCrossEntropy(op) => {
            let pixels = op.targets.len() / op.classes.len();
            for (region, (&class, &weight)) in op.classes.iter().zip(&op.weights[..]).enumerate() {
                for pixel in region * pixels..(region + 1) * pixels {
                    let at = pixel * columns + class as usize;
                    let target = f64::from(u8::from(op.targets[pixel]));
                    sum += f64::from(weight) * cross_entropy(x[at], target);
                    g[at] = f64::from(weight) * (sigmoid(x[at]) - target);
                }
            }
        }
    }
    let normalizer = f64::from(loss.normalizer());
    (sum / normalizer, g.into_iter().map(|g| g / normalizer).collect())
}

/// The loss of `x`, whose channels are `columns`.
pub fn forward(columns: usize, x: &[f64], loss: DetectionLoss<'_>) -> f64 {
    loss_and_gradient(columns, x, loss).0
}

/// The gradient of [`forward`] by `x`, times `gy`.
pub fn backward(columns: usize, x: &[f64], loss: DetectionLoss<'_>, gy: f64) -> Vec<f64> {
    loss_and_gradient(columns, x, loss).1.into_iter().map(|g| g * gy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection_loss::{BinaryCrossEntropy, BoxGiou, MaskCrossEntropy, SmoothL1};
    use crate::testing::{assert_gradient, values, widen};
    use pelk_ops::boxes::BoxCoder;

    fn check<'a>(columns: usize, x: &[f64], loss: impl Into<DetectionLoss<'a>>) {
        let loss = loss.into();
        let g = backward(columns, x, loss, 1.0);
        assert_gradient(loss.name(), x, &g, |x| forward(columns, x, loss));
    }

    #[test]
    fn gradients_are_finite_differences() {
        let x: Vec<f64> = widen(&values(1, 48)).iter().map(|x| 3.0 * x).collect();
        let targets: Vec<f32> = values(2, 48).iter().map(|t| (t + 1.0) / 2.0).collect();
        let weights: Vec<f32> = values(3, 48).iter().map(|w| w.max(0.0)).collect();
        check(
            3,
            &x,
            &BinaryCrossEntropy { targets: targets.into(), weights: weights.into(), normalizer: 5.0 },
        );
        let targets = [[0.1, -0.2, 0.3, 1.4], [0.5; 4]].into();
        check(12, &x, &SmoothL1 { rows: [7, 2].into(), targets, beta: 0.8, normalizer: 2.0 });
        let op = BoxGiou {
            rows: [3, 0].into(),
            classes: [1, 2].into(),
            boxes: [[3.0, 4.0, 20.0, 30.0], [5.0, 5.0, 9.0, 8.0]].into(),
            targets: [[5.0, 1.0, 18.0, 33.0], [6.0, 6.5, 10.0, 9.0]].into(),
            coder: BoxCoder { means: [0.1, 0.0, -0.1, 0.05], ..BoxCoder::with_stds([0.1, 0.1, 0.2, 0.2]) },
            weight: 10.0,
            normalizer: 3.0,
        };
        check(12, &x, &op);
        let op = MaskCrossEntropy {
            classes: [3, 0].into(),
            targets: [true, false, true, true, false, false, true, false, true, false, true, true].into(),
            weights: [0.5, 1.0].into(),
            normalizer: 6.0,
        };
        check(4, &x, &op);
    }
}
