//! RoIAlign: features of regions, all at one size; see [`RoiAlign`] for the rule.
//!
//! A region's output is `A X B^T` with sparse matrices A and B. Both directions go through a region's rows of
//! the map one by one, so that what lies between the two products is one row of the output and stays in the
//! level-1 cache.

use crate::scratch;
use crate::shape::{ImageShape, ShapeError, expect_len};
use pelk_ops::resample::Axis;
use pelk_ops::{Roi, RoiAlign, RoiAxis};
use pelk_simd::{Kernel, Level, Simd, dispatch};
use rayon::prelude::*;

const NAME: &str = "roi_align";

/// Rows of a map that one task of the backward writes. The finest map of an 800 x 1216 image then has 25
/// tasks an image, enough for the threads to share it although regions are not spread evenly.
const BAND: usize = 8;

/// Reads the regions of `op` from `maps`, images of the given shapes, to `y`, `[regions, op.size.., c]`.
///
/// ```
/// use pelk_cpu::{roi_align, shape::ImageShape};
/// use pelk_ops::{Roi, RoiAlign};
/// use pelk_simd::Level;
/// let shape = ImageShape { n: 1, h: 2, w: 2, c: 1 };
/// let roi = Roi { image: 0, map: 0, corners: [0.0, 0.0, 8.0, 4.0] };
/// let op = RoiAlign { rois: [roi].into(), size: [1, 1], strides: [4].into(), sampling_ratio: 0 };
/// let mut y = [0.0];
/// roi_align::forward(Level::best(), &op, &[(shape, &[1.0, 2.0, 30.0, 40.0])], &mut y)?;
/// assert_eq!(y, [1.5]); // the mean of the first row
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// As [`RoiAlign::output`], and when a slice has the wrong length.
pub fn forward(
    level: Level,
    op: &RoiAlign,
    maps: &[(ImageShape, &[f32])],
    y: &mut [f32],
) -> Result<(), ShapeError> {
    let shapes: Vec<ImageShape> = maps.iter().map(|(shape, _)| *shape).collect();
    let output = op.output(&shapes)?;
    maps.iter().try_for_each(|(shape, x)| expect_len(NAME, "a map", x.len(), shape.len()))?;
    expect_len(NAME, "y", y.len(), output.len())?;
    y.par_chunks_mut(output.len() / output.n).zip(&op.rois[..]).try_for_each(|(y, roi)| {
        let (shape, x) = maps[roi.map];
        let [rows, columns] = op.axes(roi, shape)?;
        let image = shape.h * shape.w * shape.c;
        let x = &x[roi.image * image..][..image];
        let rows = by_pixel(&rows);
        // Outside of the kernel: a closure does not get the instructions of its level.
        scratch::with(op.size[1] * shape.c, |row_sums| {
            dispatch(level, ForwardRegion { shape, rows: &rows, columns: &columns, x, row_sums, y });
        });
        Ok(())
    })
}

/// The gradients of [`forward`] by the maps, images of the shapes `maps`, from `gy`; those that are `None`
/// are not computed.
///
/// # Errors
/// As [`RoiAlign::output`], and when the gradients are not one a map or a slice has the wrong length.
pub fn backward(
    level: Level,
    op: &RoiAlign,
    maps: &[ImageShape],
    gy: &[f32],
    gradients: &mut [Option<&mut [f32]>],
) -> Result<(), ShapeError> {
    const NAME: &str = "roi_align backward";
    let output = op.output(maps)?;
    expect_len(NAME, "gy", gy.len(), output.len())?;
    expect_len(NAME, "the list of gradients", gradients.len(), maps.len())?;
    for (gradient, shape) in gradients.iter().zip(maps) {
        expect_len(NAME, "a gradient", gradient.as_ref().map(|g| g.len()), shape.len())?;
    }
    let wanted: Vec<bool> = gradients.iter().map(Option::is_some).collect();
    let region = |(index, roi): (usize, &Roi)| -> Result<Option<Region>, ShapeError> {
        if !wanted[roi.map] {
            return Ok(None);
        }
        let [rows, columns] = op.axes(roi, maps[roi.map])?;
        Ok(Some(Region { index, rows: by_pixel(&rows), columns: by_pixel(&columns) }))
    };
    let regions: Vec<Option<Region>> =
        op.rois.par_iter().enumerate().map(region).collect::<Result<_, _>>()?;
    let mut regions_of: Vec<Vec<&Region>> = vec![Vec::new(); maps.len() * maps[0].n];
    for (roi, region) in op.rois.iter().zip(&regions) {
        regions_of[roi.map * maps[0].n + roi.image].extend(region);
    }
    let mut bands = Vec::new();
    for ((map, gradient), shape) in gradients.iter_mut().enumerate().zip(maps) {
        let Some(gradient) = gradient else { continue };
        for (image, gx) in gradient.chunks_exact_mut(shape.h * shape.w * shape.c).enumerate() {
            let regions = &regions_of[map * shape.n + image][..];
            let band = gx.chunks_mut(BAND * shape.w * shape.c).enumerate();
            bands.extend(band.map(|(band, gx)| (*shape, regions, band * BAND, gx)));
        }
    }
    bands.into_par_iter().for_each(|(shape, regions, first, gx)| {
        scratch::with(op.size[1] * shape.c, |row_sums| {
            let bins = op.size;
            dispatch(level, BackwardBand { shape, first, regions, gy, bins, row_sums, gx });
        });
    });
    Ok(())
}

/// What a region reads along an axis, listed by pixel: the outputs that read it.
struct ByPixel {
    first: usize,
    axis: Axis,
}

fn by_pixel(axis: &RoiAxis) -> ByPixel {
    ByPixel { first: axis.first, axis: axis.axis.transposed() }
}

impl ByPixel {
    /// The pixels that are read, and the outputs that read each.
    fn pixels(&self) -> impl Iterator<Item = (usize, &[(usize, f32)])> {
        let pixels = (self.first..).zip(self.axis.taps());
        pixels.filter(|(_, reads)| !reads.is_empty()).map(|(pixel, reads)| (pixel, &reads[..]))
    }
}

/// A region of the backward.
struct Region {
    index: usize,
    rows: ByPixel,
    columns: ByPixel,
}

/// All outputs of one region.
struct ForwardRegion<'a> {
    shape: ImageShape,
    rows: &'a ByPixel,
    columns: &'a RoiAxis,
    /// The image of the map that the region lies in.
    x: &'a [f32],
    /// One row of the output.
    row_sums: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for ForwardRegion<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ImageShape { w, c, .. } = self.shape;
        let columns = &self.columns.axis;
        let row_len = columns.outputs() * c;
        self.y.fill(0.0);
        for (row, outputs) in self.rows.pixels() {
            let x = &self.x[(row * w + self.columns.first) * c..][..columns.inputs() * c];
            for (sum, taps) in self.row_sums.chunks_exact_mut(c).zip(columns.taps()) {
                add_weighted(simd, Start::Zero, taps, x, sum);
            }
            for &(output, weight) in outputs {
                let y = &mut self.y[output * row_len..][..row_len];
                add_weighted(simd, Start::Old, &[(0, weight)], self.row_sums, y);
            }
        }
    }
}

/// Some rows of the gradient of an image.
struct BackwardBand<'a> {
    shape: ImageShape,
    /// The first row.
    first: usize,
    /// The regions of the image, in order.
    regions: &'a [&'a Region],
    /// Of all regions.
    gy: &'a [f32],
    /// Height and width of a region's output.
    bins: [usize; 2],
    /// One row of a region.
    row_sums: &'a mut [f32],
    gx: &'a mut [f32],
}

impl Kernel for BackwardBand<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ImageShape { w, c, .. } = self.shape;
        let row_len = self.bins[1] * c;
        let end = self.first + self.gx.len() / (w * c);
        self.gx.fill(0.0);
        for region in self.regions {
            let gy = &self.gy[region.index * self.bins[0] * row_len..][..self.bins[0] * row_len];
            for (row, outputs) in region.rows.pixels() {
                if !(self.first..end).contains(&row) {
                    continue;
                }
                add_weighted(simd, Start::Zero, outputs, gy, self.row_sums);
                let gx = &mut self.gx[(row - self.first) * w * c..][..w * c];
                for (column, outputs) in region.columns.pixels() {
                    add_weighted(simd, Start::Old, outputs, self.row_sums, &mut gx[column * c..][..c]);
                }
            }
        }
    }
}

/// What a weighted sum is added to.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    Zero,
    /// The values that are there.
    Old,
}

/// Vectors of a sum that are computed at once, so that a weight is spread over a vector once for all.
const AT_ONCE: usize = 4;

/// `to = start + sum over the terms (i, weight) of weight * from[i]`, where `from` is rows as long as `to`.
#[inline(always)]
fn add_weighted<S: Simd>(simd: S, start: Start, terms: &[(usize, f32)], from: &[f32], to: &mut [f32]) {
    let n = to.len();
    let mut blocks = to.chunks_exact_mut(AT_ONCE * S::LANES);
    let mut at = 0;
    for to in &mut blocks {
        let mut sums = [simd.zero(); AT_ONCE];
        if start == Start::Old {
            for (sum, to) in sums.iter_mut().zip(to.chunks_exact(S::LANES)) {
                *sum = simd.load(to);
            }
        }
        for &(i, weight) in terms {
            let weight = simd.splat(weight);
            let from = &from[i * n + at..][..AT_ONCE * S::LANES];
            for (sum, from) in sums.iter_mut().zip(from.chunks_exact(S::LANES)) {
                *sum = simd.mul_add(simd.load(from), weight, *sum);
            }
        }
        for (sum, to) in sums.into_iter().zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(sum, to);
        }
        at += AT_ONCE * S::LANES;
    }
    for to in blocks.into_remainder().chunks_mut(S::LANES) {
        let mut sum = if start == Start::Old { simd.load_partial(to) } else { simd.zero() };
        for &(i, weight) in terms {
            let from = simd.load_partial(&from[i * n + at..][..to.len()]);
            sum = simd.mul_add(from, simd.splat(weight), sum);
        }
        simd.store_partial(sum, to);
        at += to.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, stale, values, widen};

    /// Two maps of two images of `c` channels, and regions inside, across the border, outside, without width,
    /// tiny, huge, and of two samples a bin exactly.
    fn problem(size: [usize; 2], sampling_ratio: usize, c: usize) -> (RoiAlign, Vec<ImageShape>) {
        let corners = [
            [3.0, 5.0, 41.5, 30.25],
            [-20.0, -9.0, 17.0, 12.0],
            [30.0, 40.0, 90.0, 77.0],
            [200.0, 150.0, 260.0, 190.0],
            [12.0, 3.0, 12.0, 31.0],
            [24.0, 24.0, 24.3, 24.2],
            [-4000.0, -3000.0, 5000.0, 4000.0],
            [0.0, 0.0, 8.0 * size[1] as f32, 8.0 * size[0] as f32],
        ];
        let roi = |(i, corners)| Roi { image: i % 2, map: i / 2 % 2, corners };
        let rois = corners.iter().chain(&corners).copied().enumerate().map(roi).collect();
        let maps = vec![ImageShape { n: 2, h: 13, w: 17, c }, ImageShape { n: 2, h: 7, w: 9, c }];
        (RoiAlign { rois, size, strides: [4, 8].into(), sampling_ratio }, maps)
    }

    /// Output and gradients.
    fn both(level: Level, op: &RoiAlign, shapes: &[ImageShape]) -> (Vec<f32>, Vec<Vec<f32>>) {
        let x: Vec<Vec<f32>> = (1..).zip(shapes).map(|(seed, shape)| values(seed, shape.len())).collect();
        let maps: Vec<_> = shapes.iter().copied().zip(x.iter().map(Vec::as_slice)).collect();
        let mut y = stale(op.output(shapes).unwrap().len());
        forward(level, op, &maps, &mut y).unwrap();
        let gy = values(9, y.len());
        let mut gradients: Vec<Vec<f32>> = shapes.iter().map(|shape| stale(shape.len())).collect();
        let mut slices: Vec<_> = gradients.iter_mut().map(|g| Some(&mut g[..])).collect();
        backward(level, op, shapes, &gy, &mut slices).unwrap();
        (y, gradients)
    }

    #[test]
    fn forward_and_backward_meet_the_reference() {
        for (size, ratio, c) in [([7, 7], 0, 3), ([3, 2], 0, 70), ([1, 1], 1, 36), ([5, 14], 2, 1)] {
            let (op, shapes) = problem(size, ratio, c);
            let x: Vec<_> =
                (1..).zip(&shapes).map(|(seed, shape)| widen(&values(seed, shape.len()))).collect();
            let want = reference::roi_align::forward(&op, &shapes, &[&x[0], &x[1]]);
            let gy = widen(&values(9, want.len()));
            let want_gradients = reference::roi_align::backward(&op, &shapes, &gy);
            for level in Level::available() {
                let what = format!("{level}: {size:?}, {ratio} samples, {c} channels");
                let (y, gradients) = both(level, &op, &shapes);
                assert_close(&what, &y, &want, 1e-6);
                for (map, (gradient, want)) in gradients.iter().zip(&want_gradients).enumerate() {
                    assert_close(format!("{what}, map {map}"), gradient, want, 2e-6);
                }
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads_or_on_the_gradients_that_are_wanted() {
        let (op, shapes) = problem([7, 7], 0, 19);
        assert_thread_count_free("roi_align", || {
            let (y, gradients) = both(Level::best(), &op, &shapes);
            [y, gradients.concat()].concat()
        });
        let (y, all) = both(Level::best(), &op, &shapes);
        let mut second = stale(shapes[1].len());
        backward(Level::best(), &op, &shapes, &values(9, y.len()), &mut [None, Some(&mut second)]).unwrap();
        assert!(second.iter().map(|v| v.to_bits()).eq(all[1].iter().map(|v| v.to_bits())));
    }

    #[test]
    fn bad_arguments_are_errors() {
        let (op, shapes) = problem([2, 2], 0, 1);
        let level = Level::PORTABLE;
        let (x, mut y) = ([vec![0.0; 442], vec![0.0; 126]], vec![0.0; 64]);
        let maps = [(shapes[0], &x[0][..]), (shapes[1], &x[1][..])];
        assert!(forward(level, &op, &maps, &mut y).is_ok());
        assert!(forward(level, &op, &maps, &mut y[1..]).is_err());
        assert!(forward(level, &op, &maps[..1], &mut y).is_err());
        assert!(forward(level, &op, &[maps[0], (shapes[1], &x[0])], &mut y).is_err());
        let mut gx = vec![0.0; 442];
        assert!(backward(level, &op, &shapes, &y, &mut [Some(&mut gx), None]).is_ok());
        assert!(backward(level, &op, &shapes, &y[1..], &mut [Some(&mut gx), None]).is_err());
        assert!(backward(level, &op, &shapes, &y, &mut [Some(&mut gx)]).is_err());
        assert!(backward(level, &op, &shapes, &y, &mut [None, Some(&mut gx)]).is_err());
    }
}
