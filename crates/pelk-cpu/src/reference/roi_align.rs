//! RoIAlign; see [`crate::roi_align`]. Sample by sample, rows and columns together.

use crate::shape::ImageShape;
use pelk_ops::RoiAlign;

/// Calls `f(map, input, output, weight)` for the neighbors of every sample of every output value.
fn for_each_neighbor(op: &RoiAlign, maps: &[ImageShape], mut f: impl FnMut(usize, usize, usize, f64)) {
    let [oh, ow] = op.size;
    for (region, roi) in op.rois.iter().enumerate() {
        let ImageShape { h, w, c, .. } = maps[roi.map];
        let stride = op.strides[roi.map] as f64;
        let [x1, y1, x2, y2] = roi.corners.map(f64::from);
        let bins = [(y2 - y1) / stride / oh as f64, (x2 - x1) / stride / ow as f64];
        let [top, left] = [y1 / stride - 0.5, x1 / stride - 0.5];
        let samples = bins.map(|bin| match op.sampling_ratio {
            0 => bin.ceil() as usize,
            ratio => ratio,
        });
        let count = (samples[0] * samples[1]).max(1) as f64;
        for (oy, ox) in pairs(oh, ow) {
            for (sy, sx) in pairs(samples[0], samples[1]) {
                let y = top + bins[0] * (oy as f64 + (sy as f64 + 0.5) / samples[0] as f64);
                let x = left + bins[1] * (ox as f64 + (sx as f64 + 0.5) / samples[1] as f64);
                if y < -1.0 || y > h as f64 || x < -1.0 || x > w as f64 {
                    continue;
                }
                let (y, x) = (y.clamp(0.0, (h - 1) as f64), x.clamp(0.0, (w - 1) as f64));
                let (row, column) = (y.floor(), x.floor());
                for (iy, row_weight) in [(row, 1.0 - (y - row)), (row + 1.0, y - row)] {
                    for (ix, column_weight) in [(column, 1.0 - (x - column)), (column + 1.0, x - column)] {
                        let (iy, ix) = ((iy as usize).min(h - 1), (ix as usize).min(w - 1));
                        for channel in 0..c {
                            let input = ((roi.image * h + iy) * w + ix) * c + channel;
                            let output = ((region * oh + oy) * ow + ox) * c + channel;
                            f(roi.map, input, output, row_weight * column_weight / count);
                        }
                    }
                }
            }
        }
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

/// The regions, `[regions, size.., c]`.
pub fn forward(op: &RoiAlign, maps: &[ImageShape], x: &[&[f64]]) -> Vec<f64> {
    let mut y = vec![0.0; op.rois.len() * op.size[0] * op.size[1] * maps[0].c];
    for_each_neighbor(op, maps, |map, input, output, weight| y[output] += weight * x[map][input]);
    y
}

/// The gradients of [`forward`] by the maps.
pub fn backward(op: &RoiAlign, maps: &[ImageShape], gy: &[f64]) -> Vec<Vec<f64>> {
    let mut gradients: Vec<_> = maps.iter().map(|map| vec![0.0; map.len()]).collect();
    for_each_neighbor(op, maps, |map, input, output, weight| gradients[map][input] += weight * gy[output]);
    gradients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_gradient, dot, values, widen};
    use pelk_ops::Roi;

    #[test]
    fn gradient_is_finite_differences() {
        let maps = [ImageShape { n: 2, h: 5, w: 4, c: 2 }, ImageShape { n: 2, h: 3, w: 2, c: 2 }];
        let roi = |image, map, corners| Roi { image, map, corners };
        let rois = [
            roi(1, 0, [1.0, 2.0, 13.5, 17.0]),
            roi(0, 1, [-9.0, 3.0, 15.0, 29.0]),
            roi(1, 0, [3.0, 3.0, 9.0, 9.0]),
        ];
        let op = RoiAlign { rois: rois.into(), size: [3, 2], strides: [4, 8].into(), sampling_ratio: 0 };
        let x = [widen(&values(1, maps[0].len())), widen(&values(2, maps[1].len()))];
        let gy = widen(&values(3, 36));
        let gradients = backward(&op, &maps, &gy);
        let value = |first: &[f64], second: &[f64]| dot(&gy, &forward(&op, &maps, &[first, second]));
        assert_gradient("first map", &x[0], &gradients[0], |first| value(first, &x[1]));
        assert_gradient("second map", &x[1], &gradients[1], |second| value(&x[0], second));
    }
}
