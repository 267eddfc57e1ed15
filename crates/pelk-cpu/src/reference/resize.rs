//! Bilinear resizing; see [`crate::resize`].

use crate::shape::ImageShape;

/// Calls `f(input, output, weight)` for the four neighbors of every output value.
fn for_each_neighbor(shape: ImageShape, [oh, ow]: [usize; 2], mut f: impl FnMut(usize, usize, f64)) {
    let ImageShape { n, h, w, c } = shape;
    let place = |i: usize, inputs: usize, outputs: usize| {
        ((i as f64 + 0.5) * inputs as f64 / outputs as f64 - 0.5).max(0.0)
    };
    for image in 0..n {
        for oy in 0..oh {
            for ox in 0..ow {
                let (y, x) = (place(oy, h, oh), place(ox, w, ow));
                let (top, left) = (y.floor(), x.floor());
                for (row, row_weight) in [(top, 1.0 - (y - top)), (top + 1.0, y - top)] {
                    for (column, column_weight) in [(left, 1.0 - (x - left)), (left + 1.0, x - left)] {
                        let (iy, ix) = ((row as usize).min(h - 1), (column as usize).min(w - 1));
                        for channel in 0..c {
                            let input = ((image * h + iy) * w + ix) * c + channel;
                            let output = ((image * oh + oy) * ow + ox) * c + channel;
                            f(input, output, row_weight * column_weight);
                        }
                    }
                }
            }
        }
    }
}

/// Resizes to `size`.
pub fn bilinear(shape: ImageShape, size: [usize; 2], x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; shape.n * size[0] * size[1] * shape.c];
    for_each_neighbor(shape, size, |input, output, weight| y[output] += weight * x[input]);
    y
}

/// The gradient of [`bilinear`].
pub fn bilinear_backward(shape: ImageShape, size: [usize; 2], gy: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; shape.len()];
    for_each_neighbor(shape, size, |input, output, weight| gx[input] += weight * gy[output]);
    gx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn gradient_is_finite_differences() {
        let shape = ImageShape { n: 2, h: 3, w: 5, c: 2 };
        let (x, gy) = (widen(&values(1, 60)), widen(&values(2, 112)));
        let gx = bilinear_backward(shape, [7, 4], &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &bilinear(shape, [7, 4], x)));
    }
}
