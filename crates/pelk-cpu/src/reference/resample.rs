//! Resampling of images, along axes and by the formulas of the operators; see [`crate::separable`].

use crate::shape::ImageShape;
use pelk_ops::resample::Axis;

/// Images of `shape` brought to `[oh, ow]` pixels, each the sum over what `reads(row, column)` gives: rows,
/// columns and weights of pixels of the input.
fn gather<R: IntoIterator<Item = (usize, usize, f64)>>(
    shape: ImageShape,
    [oh, ow]: [usize; 2],
    x: &[f64],
    reads: impl Fn(usize, usize) -> R,
) -> Vec<f64> {
    let ImageShape { n, h, w, c } = shape;
    let mut y = vec![0.0; n * oh * ow * c];
    for (pixel, y) in y.chunks_exact_mut(c).enumerate() {
        let (image, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        for (iy, ix, weight) in reads(oy, ox) {
            for (channel, y) in y.iter_mut().enumerate() {
                *y += weight * x[((image * h + iy) * w + ix) * c + channel];
            }
        }
    }
    y
}

/// Any map along rows and columns.
pub fn resample(shape: ImageShape, rows: &Axis, columns: &Axis, x: &[f64]) -> Vec<f64> {
    gather(shape, [rows.outputs(), columns.outputs()], x, |oy, ox| {
        let (rows, columns) = (&rows.taps()[oy], &columns.taps()[ox]);
        rows.iter().flat_map(move |&(iy, row)| {
            columns.iter().map(move |&(ix, column)| (iy, ix, f64::from(row) * f64::from(column)))
        })
    })
}

/// Averages over `size` bins.
pub fn adaptive_average(shape: ImageShape, size: [usize; 2], x: &[f64]) -> Vec<f64> {
    let ([oh, ow], ImageShape { h, w, .. }) = (size, shape);
    gather(shape, size, x, |oy, ox| {
        let (top, bottom) = (oy * h / oh, ((oy + 1) * h).div_ceil(oh));
        let (left, right) = (ox * w / ow, ((ox + 1) * w).div_ceil(ow));
        let area = ((bottom - top) * (right - left)) as f64;
        (top..bottom).flat_map(move |iy| (left..right).map(move |ix| (iy, ix, 1.0 / area)))
    })
}

/// Interpolates to `size` between the four neighbors of each place.
pub fn bilinear(shape: ImageShape, size: [usize; 2], x: &[f64]) -> Vec<f64> {
    let place = |i: usize, inputs: usize, outputs: usize| {
        ((i as f64 + 0.5) * inputs as f64 / outputs as f64 - 0.5).max(0.0)
    };
    gather(shape, size, x, |oy, ox| {
        let (y, x) = (place(oy, shape.h, size[0]), place(ox, shape.w, size[1]));
        let (top, left, down, right) = (y.floor(), x.floor(), y.fract(), x.fract());
        let neighbors = [
            (top, left, (1.0 - down) * (1.0 - right)),
            (top, left + 1.0, (1.0 - down) * right),
            (top + 1.0, left, down * (1.0 - right)),
            (top + 1.0, left + 1.0, down * right),
        ];
        neighbors.map(|(y, x, weight)| ((y as usize).min(shape.h - 1), (x as usize).min(shape.w - 1), weight))
    })
}

/// Repeats or leaves out pixels, to `size`.
pub fn nearest(shape: ImageShape, size: [usize; 2], x: &[f64]) -> Vec<f64> {
    gather(shape, size, x, |oy, ox| [(oy * shape.h / size[0], ox * shape.w / size[1], 1.0)])
}

/// Every `steps[0]`-th row and every `steps[1]`-th column.
pub fn subsample(shape: ImageShape, steps: [usize; 2], x: &[f64]) -> Vec<f64> {
    let size = [shape.h.div_ceil(steps[0]), shape.w.div_ceil(steps[1])];
    gather(shape, size, x, |oy, ox| [(oy * steps[0], ox * steps[1], 1.0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};
    use pelk_ops::resample::{bins, neighbors};

    #[test]
    fn the_gradient_is_that_along_the_transposed_axes() {
        let shape = ImageShape { n: 2, h: 3, w: 5, c: 2 };
        let (rows, columns) = (bins(3, 2), neighbors(5, 7));
        let (x, gy) = (widen(&values(1, 60)), widen(&values(2, 56)));
        let (rows_back, columns_back) = (rows.transposed(), columns.transposed());
        let gx = resample(ImageShape { h: 2, w: 7, ..shape }, &rows_back, &columns_back, &gy);
        assert_gradient("x", &x, &gx, |x| dot(&gy, &resample(shape, &rows, &columns, x)));
    }
}
