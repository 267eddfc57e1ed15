//! Subsampling; see [`crate::subsample`].

use crate::shape::ImageShape;

/// Calls `f(input, output)` for every value that is kept.
fn for_each_kept(shape: ImageShape, step: usize, mut f: impl FnMut(usize, usize)) {
    let ImageShape { n, h, w, c } = shape;
    let mut output = 0;
    for image in 0..n {
        for y in (0..h).step_by(step) {
            for x in (0..w).step_by(step) {
                for channel in 0..c {
                    f(((image * h + y) * w + x) * c + channel, output);
                    output += 1;
                }
            }
        }
    }
}

/// Every `step`-th row and column.
pub fn forward(shape: ImageShape, step: usize, x: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for_each_kept(shape, step, |input, _| y.push(x[input]));
    y
}

/// The gradient of [`forward`].
pub fn backward(shape: ImageShape, step: usize, gy: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; shape.len()];
    for_each_kept(shape, step, |input, output| gx[input] = gy[output]);
    gx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradient_is_finite_differences() {
        let shape = ImageShape { n: 2, h: 3, w: 5, c: 2 };
        let (x, gy) = (widen(&values(1, 60)), widen(&values(2, 24)));
        let gx = backward(shape, 2, &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &forward(shape, 2, x)));
    }
}
