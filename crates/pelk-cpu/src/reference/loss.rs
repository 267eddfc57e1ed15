//! Classification losses; see [`crate::loss`].

use crate::loss::CrossEntropy;

/// The logarithm of the sum of exponentials of a row.
pub fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// `log softmax` of a row.
fn log_softmax(row: &[f64]) -> Vec<f64> {
    let log_sum_exp = log_sum_exp(row);
    row.iter().map(|x| x - log_sum_exp).collect()
}

/// The labels as rows of probabilities times the row's weight, zero in ignored rows, and the weight of all
/// rows that count.
fn probabilities(classes: usize, op: &CrossEntropy) -> (Vec<f64>, f64) {
    let smoothing = f64::from(op.label_smoothing);
    let (mut rows, mut total) = (vec![0.0; op.labels.len() * classes], 0.0);
    for (row, &label) in rows.chunks_exact_mut(classes).zip(&op.labels[..]) {
        if Some(label) == op.ignore_index {
            continue;
        }
        let weight = match &op.class_weights[..] {
            [] => 1.0,
            weights => f64::from(weights[label as usize]),
        };
        total += weight;
        for (class, p) in row.iter_mut().enumerate() {
            let own = if class as i64 == label { 1.0 - smoothing } else { 0.0 };
            *p = weight * (smoothing / classes as f64 + own);
        }
    }
    (rows, total)
}

/// The sum of the losses of all rows.
fn sum(classes: usize, logits: &[f64], target: &[f64]) -> f64 {
    let rows = logits.chunks_exact(classes).zip(target.chunks_exact(classes));
    rows.map(|(x, t)| -log_softmax(x).iter().zip(t).map(|(l, t)| l * t).sum::<f64>()).sum()
}

/// The gradient of [`sum`], times `factor`.
fn sum_backward(classes: usize, logits: &[f64], target: &[f64], factor: f64) -> Vec<f64> {
    let mut g = Vec::new();
    for (x, t) in logits.chunks_exact(classes).zip(target.chunks_exact(classes)) {
        let total: f64 = t.iter().sum();
        for (l, t) in log_softmax(x).iter().zip(t) {
            g.push(factor * (l.exp() * total - t));
        }
    }
    g
}

/// The mean loss over the rows that count.
pub fn cross_entropy(classes: usize, logits: &[f64], op: &CrossEntropy) -> f64 {
    let (target, total) = probabilities(classes, op);
    sum(classes, logits, &target) / total
}

/// The gradient of [`cross_entropy`] by the logits, times `gy`.
pub fn cross_entropy_backward(classes: usize, logits: &[f64], op: &CrossEntropy, gy: f64) -> Vec<f64> {
    let (target, total) = probabilities(classes, op);
    sum_backward(classes, logits, &target, gy / total)
}

/// The mean loss over all rows, with probabilities for targets.
pub fn soft_cross_entropy(classes: usize, logits: &[f64], target: &[f64]) -> f64 {
    sum(classes, logits, target) / (logits.len() / classes) as f64
}

/// The gradient of [`soft_cross_entropy`] by the logits, times `gy`.
pub fn soft_cross_entropy_backward(classes: usize, logits: &[f64], target: &[f64], gy: f64) -> Vec<f64> {
    sum_backward(classes, logits, target, gy / (logits.len() / classes) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, values, widen};

    #[test]
    fn gradients_are_finite_differences() {
        let logits = widen(&values(1, 20));
        for (label_smoothing, class_weights) in
            [(0.0, &[][..]), (0.1, &[]), (0.1, &[0.2, 3.0, 1.0, 0.0, 2.0])]
        {
            let (labels, class_weights) = ([0, 255, 4, 2].into(), class_weights.into());
            let op = CrossEntropy { labels, ignore_index: Some(255), label_smoothing, class_weights };
            let g = cross_entropy_backward(5, &logits, &op, 1.0);
            assert_gradient("labels", &logits, &g, |x| cross_entropy(5, x, &op));
        }
        let target = widen(&values(2, 20));
        let g = soft_cross_entropy_backward(5, &logits, &target, 1.0);
        assert_gradient("probabilities", &logits, &g, |x| soft_cross_entropy(5, x, &target));
    }
}
