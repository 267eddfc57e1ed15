//! Max pooling; see [`crate::max_pool`].

use crate::shape::ImageShape;
use pelk_ops::MaxPool;

/// Calls `f(output, place, input)` for every value under every window.
fn for_each_value(op: MaxPool, shape: ImageShape, mut f: impl FnMut(usize, usize, usize)) {
    let (ImageShape { n, h, w, c }, MaxPool { kernel, stride, padding }) = (shape, op);
    let [oh, ow] = [h, w].map(|side| (side + 2 * padding - kernel) / stride + 1);
    for output in 0..n * oh * ow * c {
        let (channel, ox, oy) = (output % c, output / c % ow, output / c / ow % oh);
        let image = output / c / ow / oh;
        for place in 0..kernel * kernel {
            let (y, x) = (oy * stride + place / kernel, ox * stride + place % kernel);
            if (padding..padding + h).contains(&y) && (padding..padding + w).contains(&x) {
                f(output, place, ((image * h + y - padding) * w + x - padding) * c + channel);
            }
        }
    }
}

fn output_len(op: MaxPool, shape: ImageShape) -> usize {
    let side = |side: usize| (side + 2 * op.padding - op.kernel) / op.stride + 1;
    shape.n * side(shape.h) * side(shape.w) * shape.c
}

/// The largest values, and their places in the windows.
pub fn forward(op: MaxPool, shape: ImageShape, x: &[f64]) -> [Vec<f64>; 2] {
    let len = output_len(op, shape);
    let (mut y, mut places) = (vec![0.0; len], vec![-1.0; len]);
    for_each_value(op, shape, |output, place, input| {
        if places[output] < 0.0 || x[input] > y[output] || x[input].is_nan() {
            (y[output], places[output]) = (x[input], place as f64);
        }
    });
    [y, places]
}

/// The gradient of [`forward`] by x.
pub fn backward(op: MaxPool, shape: ImageShape, places: &[f64], gy: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; shape.len()];
    for_each_value(op, shape, |output, place, input| {
        if places[output] == place as f64 {
            gx[input] += gy[output];
        }
    });
    gx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradient_is_finite_differences() {
        let shape = ImageShape { n: 2, h: 4, w: 5, c: 2 };
        let op = MaxPool { kernel: 3, stride: 2, padding: 1 };
        let (x, gy) = (widen(&values(1, 80)), widen(&values(2, 24)));
        let [_, places] = forward(op, shape, &x);
        let gx = backward(op, shape, &places, &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &forward(op, shape, x)[0]));
    }
}
