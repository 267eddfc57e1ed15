//! Convolution with 3 x 3 kernels and stride 1 by Winograd's minimal filtering: a tile of 4 x 4 outputs costs
//! 36 multiply-adds for each pair of channels instead of 144.
//!
//! A tile's 6 x 6 inputs are mapped to 36 points (`lines`). There the convolution is a product of the tile's
//! channels and the weight's matrix of that point, so that 36 products of matrices serve all tiles of a band.
//! Their sums are mapped back to outputs (`tiles`). The gradient by x is the same convolution, of the other
//! side's channels and with the weight turned by 180 degrees. The gradient by the weight is the transpose of
//! that chain: the output's gradient is mapped to points, and what its products with the tiles' channels add
//! up to is mapped back to taps (`weight`).

mod lines;
mod tiles;
mod weight;

use crate::gemm::{Matrix, Panels, Plain, Start, multiply};
use crate::scratch;
use crate::shape::ImageShape;
use crate::shared::Shared;
use lines::{POINTS, TAPS};
use pelk_ops::Conv2dShape;
use pelk_simd::{Level, dispatch};
use rayon::prelude::*;
use std::ops::Range;
use tiles::{MapBack, MapGradients, MapInputs, Points};
use weight::{MapWeight, MapWeightBack};

pub(in crate::conv2d) use tiles::Tiles;
pub(in crate::conv2d) use weight::Weight;

/// Matrices of a tile's points.
const MATRICES: usize = POINTS * POINTS;
/// Bands of a convolution and of a weight's gradient have at least and at most this many tiles, multiples of
/// the rows of every product's tiles. Tuned on 256 channels (AVX-512, 1 MiB level-2 caches).
const BAND: [usize; 2] = [24, 72];
const GRADIENT_BAND: [usize; 2] = [96, 480];
/// Values of a convolution's band that are worth more tiles: 8 MiB for each thread.
const BAND_VALUES: usize = 1 << 21;
/// The same for a weight's gradient, where all threads share a band: 32 MiB.
const GRADIENT_BAND_VALUES: usize = 1 << 23;
/// Most values of a weight's points that are kept at once, 32 MiB; wider layers are computed some output
/// channels at a time.
const WEIGHT_VALUES: usize = 1 << 23;

/// Whether this convolution is faster than the product of patches: its kernel fits, and enough channels and
/// tiles share the cost of the maps.
pub(in crate::conv2d) fn suits(shape: &Conv2dShape, output: ImageShape) -> bool {
    const CHANNELS: usize = 16;
    const TILES: usize = 32;
    shape.kernel == [TAPS; 2]
        && shape.stride == 1
        && shape.padding < TAPS
        && shape.image.c.min(shape.out_channels) >= CHANNELS
        && Tiles::forward(shape, output).count() >= TILES
}

/// `y = bias + x * weight`, for images as `tiles` says.
pub(in crate::conv2d) fn convolve(
    level: Level,
    tiles: Tiles,
    x: &[f32],
    weight: Weight<'_>,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (inputs, outputs) = (tiles.image.c, tiles.output.c);
    let y = Shared::new(y);
    for channels in blocks(level, inputs, outputs) {
        let panels = Panels::new(level, inputs, channels.len());
        let bands = Bands::new(BAND, BAND_VALUES, tiles, inputs + channels.len());
        scratch::with(MATRICES * panels.len(), |weight_points| {
            let points = Shared::new(weight_points);
            (0..inputs).into_par_iter().for_each(|input| {
                let channels = channels.clone();
                dispatch(level, MapWeight { weight, inputs, outputs, input, channels, panels, points });
            });
            let weight_points = &*weight_points;
            (0..bands.count()).into_par_iter().with_max_len(1).for_each(|band| {
                let range = bands.range(band);
                let lens = [inputs, channels.len()].map(|channels| Points::len(range.len(), channels));
                scratch::with_parts(lens, |[image_points, sums]| {
                    let points = Points::new(image_points, &range, inputs);
                    dispatch(level, MapInputs { tiles, range: range.clone(), x, points });
                    for point in 0..MATRICES {
                        let [from, to] = [inputs, channels.len()]
                            .map(|channels| Points::matrix(range.len(), channels, point));
                        let image = Matrix::new(&image_points[from], range.len(), inputs);
                        let weight = &weight_points[point * panels.len()..][..panels.len()];
                        panels.multiply(image, weight, &mut sums[to]);
                    }
                    let channels = channels.clone();
                    dispatch(level, MapBack { tiles, range, points: sums, channels, bias, y });
                });
            });
        });
    }
}

/// The gradient of [`convolve`] by the weight `[O, I, 3, 3]`, from that of the output.
pub(in crate::conv2d) fn weight_gradient(
    level: Level,
    tiles: Tiles,
    x: &[f32],
    gy: &[f32],
    gweight: &mut [f32],
) {
    let (inputs, outputs) = (tiles.image.c, tiles.output.c);
    for channels in blocks(level, inputs, outputs) {
        let bands = Bands::new(GRADIENT_BAND, GRADIENT_BAND_VALUES, tiles, inputs + channels.len());
        let matrix = channels.len() * inputs;
        let [image_len, gradient_len] =
            [inputs, channels.len()].map(|channels| Points::len(bands.tiles, channels));
        scratch::with_parts([MATRICES * matrix, image_len, gradient_len], |[sums, image, gradient]| {
            for band in 0..bands.count() {
                let range = bands.range(band);
                let image_points = Points::new(image, &range, inputs);
                let gradient_points = Points::new(gradient, &range, channels.len());
                range.clone().into_par_iter().with_min_len(BAND[0]).for_each(|tile| {
                    let (range, channels) = (tile..tile + 1, channels.clone());
                    dispatch(level, MapInputs { tiles, range: range.clone(), x, points: image_points });
                    dispatch(level, MapGradients { tiles, range, gy, channels, points: gradient_points });
                });
                let start = if band == 0 { Start::Zero } else { Start::Keep };
                sums.par_chunks_mut(matrix).enumerate().with_max_len(1).for_each(|(point, sums)| {
                    let image = &image[Points::matrix(range.len(), inputs, point)];
                    let image = Matrix::new(image, range.len(), inputs);
                    let gradient = &gradient[Points::matrix(range.len(), channels.len(), point)];
                    let gradient = Matrix::new(gradient, range.len(), channels.len()).transposed();
                    multiply(level, gradient, image, start, Plain, sums);
                });
            }
            let each = inputs * TAPS * TAPS;
            let gweight = &mut gweight[channels.start * each..channels.end * each];
            gweight.par_chunks_mut(each).enumerate().for_each(|(row, gradient)| {
                dispatch(level, MapWeightBack { points: sums, matrix, row, gradient });
            });
        });
    }
}

/// The output channels, some at a time.
fn blocks(level: Level, inputs: usize, outputs: usize) -> impl Iterator<Item = Range<usize>> {
    let lanes = level.lanes();
    let most = WEIGHT_VALUES / (MATRICES * inputs) / lanes * lanes;
    let blocks = outputs.div_ceil(most.max(lanes));
    let block = outputs.div_ceil(blocks).next_multiple_of(lanes);
    (0..outputs).step_by(block).map(move |first| first..outputs.min(first + block))
}

/// All tiles, in runs of a length that depends on the shape alone.
#[derive(Clone, Copy)]
struct Bands {
    /// Tiles of all bands.
    all: usize,
    /// Tiles of a band.
    tiles: usize,
}

impl Bands {
    /// Bands of `[least, most]` tiles, with `channels` values at each point, of about `values` values.
    fn new([least, most]: [usize; 2], values: usize, tiles: Tiles, channels: usize) -> Self {
        let all = tiles.count();
        let tiles = values / (MATRICES * channels) / least * least;
        Self { all, tiles: tiles.clamp(least, most).min(all) }
    }

    fn count(&self) -> usize {
        self.all.div_ceil(self.tiles)
    }

    fn range(&self, band: usize) -> Range<usize> {
        band * self.tiles..self.all.min((band + 1) * self.tiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv2d::{backward, forward};
    use crate::parameters::Affine;
    use crate::reference;
    use crate::testing::{assert_close, stale, values, widen};

    fn shape([n, h, w, c]: [usize; 4], out_channels: usize) -> Conv2dShape {
        Conv2dShape { image: ImageShape { n, h, w, c }, out_channels, kernel: [3, 3], stride: 1, padding: 1 }
    }

    fn is_used(shape: &Conv2dShape) -> bool {
        suits(shape, shape.output().unwrap())
    }

    #[test]
    fn few_tiles_or_channels_are_left_to_patches() {
        assert!(is_used(&shape([2, 13, 16, 33], 70)) && is_used(&shape([32, 1, 1, 16], 16)));
        assert!(!is_used(&shape([1, 16, 16, 64], 64)));
        assert!(!is_used(&shape([4, 16, 16, 64], 15)));
        for other in [
            Conv2dShape { stride: 2, ..shape([4, 16, 16, 64], 64) },
            Conv2dShape { padding: 3, ..shape([4, 16, 16, 64], 64) },
            Conv2dShape { kernel: [3, 1], ..shape([4, 16, 16, 64], 64) },
        ] {
            assert!(!is_used(&other));
        }
    }

    #[test]
    fn wide_layers_are_computed_some_channels_at_a_time() {
        let level = Level::best();
        let shape = shape([1, 1, 125, 15_000], 20);
        assert!(is_used(&shape) && blocks(level, shape.image.c, shape.out_channels).count() > 1);
        let (x, weight) = (values(1, shape.image.len()), values(2, shape.weight_len()));
        let gy = values(3, shape.output().unwrap().len());
        let (x64, weight64) = (widen(&x), widen(&weight));
        let mut y = stale(gy.len());
        forward(level, &shape, &x, &weight, None, &mut y).unwrap();
        assert_close("y", &y, &reference::conv2d::forward(&shape, &x64, &weight64, None), 1e-5);
        let mut gweight = stale(weight.len());
        let gradients = Affine { weight: Some(&mut gweight[..]), bias: None };
        backward(level, &shape, &x, &weight, &gy, None, gradients).unwrap();
        let want = reference::conv2d::backward(&shape, &x64, &weight64, &widen(&gy));
        assert_close("gweight", &gweight, &want.weight, 1e-5);
    }

    /// What the points were chosen for.
    #[test]
    fn rounding_stays_near_that_of_a_direct_sum() {
        let shape = shape([1, 24, 24, 256], 16);
        assert!(is_used(&shape));
        // Activations after a ReLU, with a mean that does not cancel.
        let x: Vec<f32> = values(1, shape.image.len()).iter().map(|x| x.max(0.0)).collect();
        let weight = values(2, shape.weight_len());
        let want = reference::conv2d::forward(&shape, &widen(&x), &widen(&weight), None);
        for level in Level::available() {
            let mut y = stale(want.len());
            forward(level, &shape, &x, &weight, None, &mut y).unwrap();
            assert_close(level, &y, &want, 4e-6);
        }
    }
}
