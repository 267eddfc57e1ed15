//! Dense 2-D convolution; see [`crate::conv2d`].

use super::linear::Gradients;
use crate::conv2d::Conv2dShape;
use crate::shape::ImageShape;

/// Calls `f(y, x, weight)` with the places of every product of the convolution.
fn for_each_product(shape: &Conv2dShape, mut f: impl FnMut(usize, usize, usize)) {
    let ImageShape { n, h, w, c } = shape.image;
    let ([kh, kw], stride, padding) = (shape.kernel, shape.stride, shape.padding);
    let (oh, ow) = ((h + 2 * padding - kh) / stride + 1, (w + 2 * padding - kw) / stride + 1);
    for image in 0..n {
        for oy in 0..oh {
            for ox in 0..ow {
                for o in 0..shape.out_channels {
                    for i in 0..c {
                        for ky in 0..kh {
                            for kx in 0..kw {
                                let (iy, ix) = (oy * stride + ky, ox * stride + kx);
                                if iy < padding || ix < padding || iy - padding >= h || ix - padding >= w {
                                    continue;
                                }
                                let (iy, ix) = (iy - padding, ix - padding);
                                f(
                                    ((image * oh + oy) * ow + ox) * shape.out_channels + o,
                                    ((image * h + iy) * w + ix) * c + i,
                                    ((o * c + i) * kh + ky) * kw + kx,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn output_len(shape: &Conv2dShape) -> usize {
    let [kh, kw] = shape.kernel;
    let (h, w) = (shape.image.h + 2 * shape.padding, shape.image.w + 2 * shape.padding);
    shape.image.n * ((h - kh) / shape.stride + 1) * ((w - kw) / shape.stride + 1) * shape.out_channels
}

/// Images N, H, W, C, `weight [O, I, kh, kw]`.
pub fn forward(shape: &Conv2dShape, x: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let mut y: Vec<f64> =
        (0..output_len(shape)).map(|i| bias.map_or(0.0, |bias| bias[i % shape.out_channels])).collect();
    for_each_product(shape, |to, from, tap| y[to] += x[from] * weight[tap]);
    y
}

/// The transposed convolution of `gy`, of the output's shape, to an image; `weight` and `shape` are those of
/// the convolution that leads back.
pub fn transposed(shape: &Conv2dShape, gy: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let channels = shape.image.c;
    let mut y: Vec<f64> =
        (0..shape.image.len()).map(|i| bias.map_or(0.0, |bias| bias[i % channels])).collect();
    for_each_product(shape, |from, to, tap| y[to] += gy[from] * weight[tap]);
    y
}

/// The gradients of [`forward`].
pub fn backward(shape: &Conv2dShape, x: &[f64], weight: &[f64], gy: &[f64]) -> Gradients {
    let bias = vec![0.0; shape.out_channels];
    let mut g = Gradients { x: vec![0.0; x.len()], weight: vec![0.0; weight.len()], bias };
    for_each_product(shape, |to, from, tap| {
        g.x[from] += gy[to] * weight[tap];
        g.weight[tap] += gy[to] * x[from];
    });
    for (i, gy) in gy.iter().enumerate() {
        g.bias[i % shape.out_channels] += gy;
    }
    g
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};

    #[test]
    fn a_kernel_as_large_as_the_stride_spreads_each_pixel() {
        let (x, weight) = (widen(&values(1, 2 * 3 * 4)), widen(&values(2, 4 * 5 * 2 * 2)));
        let image = ImageShape { n: 1, h: 4, w: 6, c: 5 };
        let shape = Conv2dShape { image, out_channels: 4, kernel: [2, 2], stride: 2, padding: 0 };
        let bias = widen(&values(3, 5));
        for (at, y) in transposed(&shape, &x, &weight, Some(&bias)).into_iter().enumerate() {
            let (o, column, row) = (at % 5, at / 5 % 6, at / 5 / 6);
            let pixel = row / 2 * 3 + column / 2;
            let term = |c: usize| x[pixel * 4 + c] * weight[((c * 5 + o) * 2 + row % 2) * 2 + column % 2];
            let want = bias[o] + (0..4).map(term).sum::<f64>();
            assert!((y - want).abs() < 1e-12, "value {at} is {y}, want {want}");
        }
    }

    #[test]
    fn gradients_are_finite_differences() {
        let image = ImageShape { n: 2, h: 5, w: 4, c: 2 };
        let shape = Conv2dShape { image, out_channels: 3, kernel: [3, 2], stride: 2, padding: 1 };
        let (x, weight) = (widen(&values(1, image.len())), widen(&values(2, 36)));
        let (bias, gy) = (widen(&values(3, 3)), widen(&values(4, output_len(&shape))));
        let g = backward(&shape, &x, &weight, &gy);
        assert_gradient("x", &x, &g.x, |x| dot(&gy, &forward(&shape, x, &weight, Some(&bias))));
        assert_gradient("weight", &weight, &g.weight, |w| dot(&gy, &forward(&shape, &x, w, Some(&bias))));
        assert_gradient("bias", &bias, &g.bias, |b| dot(&gy, &forward(&shape, &x, &weight, Some(b))));
    }
}
