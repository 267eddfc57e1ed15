//! Scales and sums, channels split and joined; see [`crate::elementwise`].

/// `x[r, c] gamma[c]`.
pub fn scale_channels(x: &[f64], gamma: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] * gamma[i % gamma.len()]).collect()
}

/// The gradients of [`scale_channels`], of `x` and of `gamma`.
pub fn scale_channels_backward(x: &[f64], gamma: &[f64], gy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut ggamma = vec![0.0; gamma.len()];
    for i in 0..x.len() {
        ggamma[i % gamma.len()] += gy[i] * x[i];
    }
    (scale_channels(gy, gamma), ggamma)
}

/// `factors[n] x[n, ..]`, or with a factor for each channel of each sample `factors[n, c] x[n, .., c]`.
pub fn scale_samples(samples: usize, x: &[f64], factors: &[f64]) -> Vec<f64> {
    let (sample, channels) = (x.len() / samples, factors.len() / samples);
    (0..x.len()).map(|i| factors[i / sample * channels + i % channels] * x[i]).collect()
}

/// `row` added to each row of `x`: the bias of a channel, or a map for every sample.
pub fn add_to_rows(x: &[f64], row: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] + row[i % row.len()]).collect()
}

/// The columns of `x`, `[rows, sum of widths]`, as matrices of these widths.
pub fn split_channels(rows: usize, widths: &[usize], x: &[f64]) -> Vec<Vec<f64>> {
    let columns = x.len() / rows;
    let mut begin = 0;
    let part = |&width: &usize| {
        begin += width;
        (0..rows * width).map(|i| x[i / width * columns + begin - width + i % width]).collect()
    };
    widths.iter().map(part).collect()
}

/// Matrices with this many rows, side by side.
pub fn concat_channels(rows: usize, parts: &[&[f64]]) -> Vec<f64> {
    let mut y = Vec::new();
    for row in 0..rows {
        for part in parts {
            let width = part.len() / rows;
            y.extend(&part[row * width..][..width]);
        }
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
        assert_eq!(scale_samples(2, &x, &[1.0, -1.0]), [1.0, 2.0, 3.0, -4.0, -5.0, -6.0]);
        assert_eq!(scale_samples(1, &x, &[1.0, -1.0]), [1.0, -2.0, 3.0, -4.0, 5.0, -6.0]);
        assert_eq!(add_to_rows(&x, &[10.0, 20.0, 30.0]), [11.0, 22.0, 33.0, 14.0, 25.0, 36.0]);
        let parts = split_channels(2, &[1, 2], &x);
        assert_eq!(parts, [vec![1.0, 4.0], vec![2.0, 3.0, 5.0, 6.0]]);
        assert_eq!(concat_channels(2, &[&parts[0], &parts[1]]), x);
    }
}
