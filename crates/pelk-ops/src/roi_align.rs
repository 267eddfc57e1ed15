//! RoIAlign: features of rectangular regions, all at one size (He et al., Mask R-CNN, section 3, with the
//! pixel centers of Detectron2's and MMCV's `aligned = True`).
//!
//! The mean of bilinear samples is a product of a map along the rows and one along the columns, so a region's
//! output is `A X B^T` with two sparse matrices ([`RoiAxis`]), and the gradient of the map is `A^T gy B`.

use crate::resample::Axis;
use crate::shape::{ImageShape, ShapeError, checked_len};
use std::sync::Arc;

const NAME: &str = "roi_align";

/// The largest corner, in pixels. Larger than any image, and small enough that a pixel's place is exact.
const FARTHEST: f32 = (1 << 24) as f32;

/// A region of interest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roi {
    /// The image in the batch.
    pub image: usize,
    /// The map to read, an index into the operator's inputs.
    pub map: usize,
    /// Left, top, right and bottom, `x1, y1, x2, y2`, in pixels of the image; pixel `i` covers `i..i + 1`. A
    /// region may reach beyond the image.
    pub corners: [f32; 4],
}

/// RoIAlign with the pixel centers at half integers (`aligned = True`). Inputs: k maps `[N, H_l, W_l, C]`,
/// usually the highest resolution first. Output: `[R, size.., C]`, one image a region. Regions are data: no
/// gradient flows to them.
///
/// A region is divided into `size` bins. Each bin is the mean of samples, which are interpolated between
/// pixels. A sample more than a pixel outside the map counts as zero. A region of width or height zero has no
/// samples if their number is adaptive, and its output is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiAlign {
    /// At least one region.
    pub rois: Arc<[Roi]>,
    /// Height and width of the output.
    pub size: [usize; 2],
    /// For each map, how many pixels of the image lie between two of its pixels, in both directions.
    pub strides: Arc<[usize]>,
    /// Samples of a bin along each axis. With 0 they are at most a pixel of the map apart: their number is the
    /// bin's length in these pixels, rounded up.
    pub sampling_ratio: usize,
}

/// What a region reads along one axis of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiAxis {
    /// The first pixel that is read.
    pub first: usize,
    /// From the pixels that are read, `first..first + axis.inputs()`, to the bins; empty where the region
    /// reads nothing. Weights of a bin add up to 1 where all of its samples lie inside.
    pub axis: Axis,
}

impl RoiAlign {
    /// The shape of the output, for maps of these shapes.
    ///
    /// # Errors
    /// When a dimension, the number of regions or a stride is zero, the maps are not one a stride or differ
    /// in their images or channels, a region names an image or a map that does not exist, or its corners are
    /// not finite, out of order, or more than 2^24 from zero.
    pub fn output(&self, maps: &[ImageShape]) -> Result<ImageShape, ShapeError> {
        if maps.is_empty() || maps.len() != self.strides.len() {
            return Err(invalid(format!(
                "there are {} maps and {} strides, and must be as many, at least one",
                maps.len(),
                self.strides.len()
            )));
        }
        if self.strides.contains(&0) {
            return Err(invalid("a stride is 0, and must be at least 1".to_owned()));
        }
        let first = maps[0];
        for (index, map) in maps.iter().enumerate() {
            map.check(NAME)?;
            if (map.n, map.c) != (first.n, first.c) {
                return Err(invalid(format!(
                    "map {index} has {} images of {} channels, and the first map has {} of {}",
                    map.n, map.c, first.n, first.c
                )));
            }
        }
        let [h, w] = self.size;
        let regions = ("the number of regions", self.rois.len());
        checked_len(NAME, &[regions, ("the height", h), ("the width", w), ("the channels", first.c)])?;
        for (index, roi) in self.rois.iter().enumerate() {
            if roi.image >= first.n || roi.map >= maps.len() {
                return Err(invalid(format!(
                    "region {index} lies in image {} and map {}, but there are {} images and {} maps",
                    roi.image,
                    roi.map,
                    first.n,
                    maps.len()
                )));
            }
            let [x1, y1, x2, y2] = roi.corners;
            for side in [[x1, x2], [y1, y2]] {
                check_side(side).map_err(|reason| invalid(format!("region {index} {reason}")))?;
            }
        }
        Ok(ImageShape { n: self.rois.len(), h, w, c: first.c })
    }

    /// What a region reads of its map, which has the shape `map`: rows, then columns.
    ///
    /// # Errors
    /// When the region's corners are not finite, out of order, or more than 2^24 from zero.
    pub fn axes(&self, roi: &Roi, map: ImageShape) -> Result<[RoiAxis; 2], ShapeError> {
        let stride = self.strides.get(roi.map).copied().unwrap_or(1);
        let [x1, y1, x2, y2] = roi.corners;
        Ok([
            roi_axis([y1, y2], stride, map.h, self.size[0], self.sampling_ratio)?,
            roi_axis([x1, x2], stride, map.w, self.size[1], self.sampling_ratio)?,
        ])
    }
}

/// What a region from `low` to `high` reads along one axis of a map of `pixels`, `stride` pixels of the image
/// apart, for `outputs` bins with `sampling_ratio` samples each (0: adaptive, as in [`RoiAlign`]).
///
/// The number of samples is decided in float64, so it is that of exact arithmetic. PyTorch decides it in
/// float32, and may take one sample more or fewer where the length of a bin is within rounding of an integer.
///
/// # Errors
/// When `low` or `high` is not finite, out of order, or more than 2^24 from zero, or the stride is zero.
pub fn roi_axis(
    [low, high]: [f32; 2],
    stride: usize,
    pixels: usize,
    outputs: usize,
    sampling_ratio: usize,
) -> Result<RoiAxis, ShapeError> {
    check_side([low, high]).map_err(|reason| invalid(format!("a region {reason}")))?;
    if stride == 0 {
        return Err(invalid("a stride is 0, and must be at least 1".to_owned()));
    }
    let [low, high, stride] = [f64::from(low), f64::from(high), stride as f64];
    let bin = (high - low) / stride / outputs as f64;
    let samples = if sampling_ratio > 0 { sampling_ratio as f64 } else { bin.ceil() };
    let bins = Bins { low: low / stride - 0.5, bin, samples, pixels };
    let taps: Vec<Vec<(usize, f32)>> = (0..outputs).map(|output| bins.taps(output)).collect();
    let reads = || taps.iter().flatten().map(|&(input, _)| input);
    let first = reads().min().unwrap_or(0);
    let end = reads().max().map_or(first, |last| last + 1);
    let relative = |output: usize| taps[output].iter().map(move |&(input, weight)| (input - first, weight));
    Ok(RoiAxis { first, axis: Axis::new(end - first, outputs, relative) })
}

/// The bins of a region along one axis, in pixels of the map; pixel `i` lies at `i`.
struct Bins {
    low: f64,
    /// Length of a bin.
    bin: f64,
    /// Samples of a bin.
    samples: f64,
    pixels: usize,
}

impl Bins {
    /// The pixels that an output reads, in order.
    fn taps(&self, output: usize) -> Vec<(usize, f32)> {
        let Some(last) = self.pixels.checked_sub(1) else { return Vec::new() };
        let (start, step) = (self.low + output as f64 * self.bin, self.bin / self.samples);
        let mut taps: Vec<(usize, f64)> = Vec::new();
        let mut add = |pixel: usize, weight: f64| match taps.iter_mut().rev().take(2).find(|t| t.0 == pixel) {
            Some((_, sum)) => *sum += weight,
            None => taps.push((pixel, weight)),
        };
        // Samples far outside need no visit: a region may be larger than the map by any factor.
        let mut sample = ((-1.0 - start) / step - 0.5).floor().max(1.0) - 1.0;
        while sample < self.samples {
            let place = start + (sample + 0.5) * step;
            if place > self.pixels as f64 {
                break;
            }
            if place >= -1.0 {
                let inside = place.clamp(0.0, last as f64);
                let (pixel, fraction) = (inside as usize, inside.fract());
                add(pixel, 1.0 - fraction);
                if fraction > 0.0 {
                    add(pixel + 1, fraction);
                }
            }
            sample += 1.0;
        }
        taps.into_iter().map(|(pixel, sum)| (pixel, (sum / self.samples) as f32)).collect()
    }
}

/// The map of a feature pyramid that a region is read from, 0 for the finest of `levels`:
/// `floor(log2(sqrt(width height) / finest_scale + 1e-6))`, not below 0 and not above the last (Lin et al.,
/// Feature Pyramid Networks, Eq. 1, as MMDetection's `SingleRoIExtractor` writes it, where `finest_scale` is
/// 56). Corners are `x1, y1, x2, y2`.
///
/// ```
/// use pelk_ops::roi_align::level;
/// assert_eq!(level([0.0, 0.0, 111.0, 111.0], 56.0, 4), 0);
/// assert_eq!(level([0.0, 0.0, 112.0, 112.0], 56.0, 4), 1);
/// assert_eq!(level([0.0, 0.0, 1333.0, 800.0], 56.0, 4), 3);
/// ```
pub fn level([x1, y1, x2, y2]: [f32; 4], finest_scale: f32, levels: usize) -> usize {
    let area = (f64::from(x2) - f64::from(x1)) * (f64::from(y2) - f64::from(y1));
    let level = (area.sqrt() / f64::from(finest_scale) + 1e-6).log2().floor();
    // A negative number, and what is not a number, becomes 0.
    (level as usize).min(levels.saturating_sub(1))
}

fn check_side([low, high]: [f32; 2]) -> Result<(), String> {
    if low.abs() <= FARTHEST && high.abs() <= FARTHEST && low <= high {
        return Ok(());
    }
    Err(format!(
        "extends from {low} to {high}; corners must be finite, in the order x1, y1, x2, y2 with x1 <= x2 and \
         y1 <= y2, and within 2^24 pixels"
    ))
}

fn invalid(reason: String) -> ShapeError {
    ShapeError::Invalid { operator: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(side: [f32; 2], stride: usize, pixels: usize, outputs: usize, ratio: usize) -> RoiAxis {
        roi_axis(side, stride, pixels, outputs, ratio).unwrap()
    }

    #[test]
    fn bins_average_samples_between_pixels() {
        // Bins of two pixels: samples in the middle of pixels 1 and 2, and of 3 and 4.
        let whole = axis([1.0, 5.0], 1, 9, 2, 0);
        assert_eq!(whole.first, 1);
        assert_eq!(whole.axis.taps(), [[(0, 0.5), (1, 0.5)], [(2, 0.5), (3, 0.5)]]);
        // Half a pixel to the right, at stride 4: three pixels, the middle one read twice.
        let between = axis([6.0, 14.0], 4, 9, 1, 0);
        assert_eq!((between.first, between.axis.taps()), (1, &[vec![(0, 0.25), (1, 0.5), (2, 0.25)]][..]));
        // One sample a bin instead of two.
        let few = axis([1.0, 5.0], 1, 9, 2, 1);
        assert_eq!(few.axis.taps(), [[(0, 0.5), (1, 0.5)], [(2, 0.5), (3, 0.5)]]);
        // Far apart samples leave pixels out.
        let sparse = axis([0.5, 16.5], 1, 20, 1, 2);
        assert_eq!((sparse.first, sparse.axis.taps()), (4, &[vec![(0, 0.5), (8, 0.5)]][..]));
    }

    #[test]
    fn the_number_of_samples_is_exact_where_a_bin_is_whole_pixels() {
        // 14 pixels in 7 bins: two samples, not three.
        let exact = axis([0.0, 56.0], 4, 24, 7, 0);
        assert!(exact.axis.taps().iter().all(|taps| taps.len() == 2), "{exact:?}");
        let more = axis([0.0, 56.1], 4, 24, 7, 0);
        assert!(more.axis.taps()[3].len() > 2, "{more:?}");
    }

    #[test]
    fn samples_outside_count_as_zero_but_stay_in_the_mean() {
        let sums = |axis: RoiAxis| -> Vec<f32> {
            axis.axis.taps().iter().map(|taps| taps.iter().map(|(_, weight)| weight).sum()).collect()
        };
        // Places -2, -1, 0, 1: the first is out, the second is the first pixel.
        assert_eq!(sums(axis([-2.0, 2.0], 1, 5, 1, 0)), [0.75]);
        assert_eq!(sums(axis([-2.0, 2.0], 1, 5, 4, 0)), [0.0, 1.0, 1.0, 1.0]);
        // Places 4, 5, 6: 5 is one beyond the last pixel, 4.
        assert_eq!(sums(axis([4.0, 7.0], 1, 5, 3, 0)), [1.0, 1.0, 0.0]);
        let outside = axis([40.0, 50.0], 1, 5, 3, 0);
        assert_eq!((outside.axis.inputs(), outside.axis.outputs()), (0, 3));
    }

    #[test]
    fn a_region_without_length_has_samples_only_if_their_number_is_given() {
        let adaptive = axis([3.0, 3.0], 1, 9, 2, 0);
        assert_eq!(adaptive.axis.taps(), [[], []]);
        let fixed = axis([3.5, 3.5], 1, 9, 2, 2);
        assert_eq!((fixed.first, fixed.axis.taps()), (3, &[vec![(0, 1.0)], vec![(0, 1.0)]][..]));
        assert_eq!(axis([-9.0, -9.0], 1, 9, 2, 2).axis.inputs(), 0);
        assert_eq!(axis([0.0, 4.0], 1, 0, 2, 0).axis.inputs(), 0);
    }

    #[test]
    fn a_huge_region_costs_no_more_than_its_map() {
        let huge = axis([-FARTHEST, FARTHEST], 1, 5, 1, 0);
        assert_eq!((huge.first, huge.axis.inputs()), (0, 5));
        assert!(huge.axis.taps()[0].iter().all(|&(_, weight)| weight > 0.0 && weight < 1e-6));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let map = ImageShape { n: 2, h: 4, w: 5, c: 3 };
        let roi = Roi { image: 1, map: 0, corners: [0.0, 0.0, 8.0, 8.0] };
        let op = |roi| RoiAlign { rois: [roi].into(), size: [7, 6], strides: [4].into(), sampling_ratio: 0 };
        let good = op(roi);
        assert_eq!(good.output(&[map]), Ok(ImageShape { n: 1, h: 7, w: 6, c: 3 }));
        let text = |op: RoiAlign, maps: &[ImageShape]| op.output(maps).unwrap_err().to_string();
        let image = op(Roi { image: 2, ..roi });
        let reason = "roi_align: region 0 lies in image 2 and map 0, but there are 2 images and 1 maps";
        assert_eq!(text(image, &[map]), reason);
        assert!(text(op(Roi { map: 1, ..roi }), &[map]).contains("map 1"));
        for corners in [
            [1.0, 0.0, 0.0, 8.0],
            [0.0, 1.0, 8.0, 0.0],
            [f32::NAN, 0.0, 8.0, 8.0],
            [0.0, 0.0, 8.0, f32::INFINITY],
            [-1e30, 0.0, 8.0, 8.0],
        ] {
            assert!(text(op(Roi { corners, ..roi }), &[map]).contains("region 0 extends"), "{corners:?}");
        }
        let empty = text(RoiAlign { rois: [].into(), ..good.clone() }, &[map]);
        assert_eq!(empty, "roi_align: the number of regions is 0, and must be at least 1");
        assert!(good.output(&[]).is_err() && good.output(&[map, map]).is_err());
        assert!(good.output(&[ImageShape { w: 0, ..map }]).is_err());
        assert!(RoiAlign { size: [7, 0], ..good.clone() }.output(&[map]).is_err());
        assert!(RoiAlign { strides: [0].into(), ..good.clone() }.output(&[map]).is_err());
        let two = RoiAlign { strides: [4, 8].into(), ..good };
        assert!(text(two.clone(), &[map, ImageShape { c: 2, ..map }]).contains("map 1 has 2 images of 2"));
        assert!(two.output(&[map, ImageShape { h: 2, w: 3, ..map }]).is_ok());
    }

    #[test]
    fn levels_double_the_side_of_a_region() {
        let square = |side: f32| level([1.0, 2.0, 1.0 + side, 2.0 + side], 56.0, 4);
        assert_eq!([0.0, 111.9, 112.0, 223.9, 224.0, 448.0, 5000.0].map(square), [0, 0, 1, 1, 2, 3, 3]);
        assert_eq!(level([0.0, 0.0, 448.0, 28.0], 56.0, 4), 1);
        assert_eq!(level([0.0, 0.0, 9.0, -9.0], 56.0, 4), 0);
    }
}
