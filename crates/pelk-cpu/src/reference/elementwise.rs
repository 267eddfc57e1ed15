//! Scales and sums, channels split and joined; see [`crate::elementwise`].

/// `x[r, c] gamma[c]`.
pub fn scale_channels(x: &[f64], gamma: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] * gamma[i % gamma.len()]).collect()
}

/// The gradients of [`scale_channels`] by `x` and by `gamma`.
pub fn scale_channels_backward(x: &[f64], gamma: &[f64], gy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut ggamma = vec![0.0; gamma.len()];
    for i in 0..x.len() {
        ggamma[i % gamma.len()] += gy[i] * x[i];
    }
    (scale_channels(gy, gamma), ggamma)
}

/// `factors[n] x[n, ..]`.
pub fn scale_samples(x: &[f64], factors: &[f64]) -> Vec<f64> {
    let sample = x.len() / factors.len();
    (0..x.len()).map(|i| factors[i / sample] * x[i]).collect()
}

/// `row` added to each row of `x`: the bias of a channel, or a map for every sample.
pub fn add_to_rows(x: &[f64], row: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] + row[i % row.len()]).collect()
}

/// The first `first` of every `channels` values of `x`, and the others.
pub fn split_channels(channels: usize, first: usize, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for i in 0..x.len() {
        if i % channels < first { a.push(x[i]) } else { b.push(x[i]) }
    }
    (a, b)
}

/// Rows of `channels[0]` values of `a`, each followed by `channels[1]` values of `b`.
pub fn concat_channels(channels: [usize; 2], a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for (a, b) in a.chunks_exact(channels[0]).zip(b.chunks_exact(channels[1])) {
        y.extend(a);
        y.extend(b);
    }
    y
}

/// The sum of `x` over its rows of `columns` values.
pub fn column_sum(columns: usize, x: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for i in 0..x.len() {
        sums[i % columns] += x[i];
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradients_are_finite_differences() {
        let (x, gamma, gy) = (widen(&values(1, 12)), widen(&values(2, 3)), widen(&values(3, 12)));
        let (gx, ggamma) = scale_channels_backward(&x, &gamma, &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &scale_channels(x, &gamma)));
        assert_gradient("gamma", &gamma, &ggamma, |gamma| dot(&gy, &scale_channels(&x, gamma)));
    }

    #[test]
    fn rows_and_channels_have_their_values() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(scale_samples(&x, &[1.0, -1.0]), [1.0, 2.0, 3.0, -4.0, -5.0, -6.0]);
        assert_eq!(add_to_rows(&x, &[10.0, 20.0, 30.0]), [11.0, 22.0, 33.0, 14.0, 25.0, 36.0]);
        let (a, b) = split_channels(3, 1, &x);
        assert_eq!((&a[..], &b[..]), (&[1.0, 4.0][..], &[2.0, 3.0, 5.0, 6.0][..]));
        assert_eq!(concat_channels([1, 2], &a, &b), x);
    }
}
