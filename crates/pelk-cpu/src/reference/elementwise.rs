//! Scales and sums of channels; see [`crate::elementwise`].

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
}
