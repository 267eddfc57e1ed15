//! Adaptive average pooling; see [`crate::pool`].

use crate::shape::ImageShape;

/// Calls `f(input, output, area of the bin)` for every value and every bin it is in.
fn for_each_member(shape: ImageShape, [oh, ow]: [usize; 2], mut f: impl FnMut(usize, usize, f64)) {
    let ImageShape { n, h, w, c } = shape;
    for image in 0..n {
        for oy in 0..oh {
            for ox in 0..ow {
                let (top, bottom) = (oy * h / oh, ((oy + 1) * h).div_ceil(oh));
                let (left, right) = (ox * w / ow, ((ox + 1) * w).div_ceil(ow));
                let area = ((bottom - top) * (right - left)) as f64;
                for iy in top..bottom {
                    for ix in left..right {
                        for channel in 0..c {
                            let input = ((image * h + iy) * w + ix) * c + channel;
                            f(input, ((image * oh + oy) * ow + ox) * c + channel, area);
                        }
                    }
                }
            }
        }
    }
}

/// Averages over `size` bins.
pub fn adaptive_average(shape: ImageShape, size: [usize; 2], x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; shape.n * size[0] * size[1] * shape.c];
    for_each_member(shape, size, |input, output, area| y[output] += x[input] / area);
    y
}

/// The gradient of [`adaptive_average`].
pub fn adaptive_average_backward(shape: ImageShape, size: [usize; 2], gy: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; shape.len()];
    for_each_member(shape, size, |input, output, area| gx[input] += gy[output] / area);
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
        let gx = adaptive_average_backward(shape, [2, 3], &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &adaptive_average(shape, [2, 3], x)));
    }
}
