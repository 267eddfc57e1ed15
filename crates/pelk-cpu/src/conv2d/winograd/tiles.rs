//! Tiles of images, mapped to points and back.

use super::lines::{Input, Line, OUTPUTS, Output, OutputGradient, POINTS, TAPS, square};
use crate::shape::ImageShape;
use crate::shared::Shared;
use pelk_ops::Conv2dShape;
use pelk_simd::{Kernel, Simd};
use std::ops::Range;

/// The squares of outputs that a convolution is computed by, numbered across all images.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct Tiles {
    /// The images that are convolved.
    pub image: ImageShape,
    /// The images that result.
    pub output: ImageShape,
    /// Rings of zeros around the image.
    padding: usize,
}

impl Tiles {
    /// Of the convolution of `image`.
    pub fn forward(shape: &Conv2dShape, output: ImageShape) -> Self {
        Self { image: shape.image, output, padding: shape.padding }
    }

    /// Of the convolution that takes the gradient of the output to that of the image.
    pub fn backward(shape: &Conv2dShape, output: ImageShape) -> Self {
        Self { image: output, output: shape.image, padding: TAPS - 1 - shape.padding }
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.output.n * self.rows() * self.columns()
    }

    fn rows(&self) -> usize {
        self.output.h.div_ceil(OUTPUTS)
    }

    fn columns(&self) -> usize {
        self.output.w.div_ceil(OUTPUTS)
    }

    /// The image of a tile, and its first output's row and column.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let (row, column) = (tile / self.columns(), tile % self.columns());
        [row / self.rows(), row % self.rows() * OUTPUTS, column * OUTPUTS]
    }
}

/// The values of some tiles at all points: for each point a matrix of tiles by channels.
#[derive(Clone, Copy)]
pub(super) struct Points<'a> {
    values: Shared<'a>,
    /// The tile of the first row.
    first: usize,
    tiles: usize,
    channels: usize,
}

/// Values between the matrices of two points: without them, the places that one vector of channels is mapped
/// to would share a set of the cache.
const APART: usize = 16;

impl<'a> Points<'a> {
    /// Values of this many tiles and channels.
    pub fn len(tiles: usize, channels: usize) -> usize {
        POINTS * POINTS * (tiles * channels + APART)
    }

    /// Where the matrix of a point lies.
    pub fn matrix(tiles: usize, channels: usize, point: usize) -> Range<usize> {
        let begin = point * (tiles * channels + APART);
        begin..begin + tiles * channels
    }

    /// The points of some tiles in `values`, of which there are at least [`Points::len`].
    pub fn new(values: &'a mut [f32], tiles: &Range<usize>, channels: usize) -> Self {
        Self { values: Shared::new(values), first: tiles.start, tiles: tiles.len(), channels }
    }

    /// Some channels of a tile in the matrix of a point.
    ///
    /// # Safety
    /// No other reference to them may exist.
    #[inline(always)]
    unsafe fn tile(&self, tile: usize, channels: &Range<usize>, point: usize) -> &'a mut [f32] {
        let matrix = Self::matrix(self.tiles, self.channels, point).start;
        let begin = matrix + (tile - self.first) * self.channels;
        // SAFETY: the caller vouches for being alone.
        unsafe { self.values.range_mut(begin + channels.start..begin + channels.end) }
    }
}

/// Maps the inputs under tiles to points.
pub(super) struct MapInputs<'a> {
    pub tiles: Tiles,
    pub range: Range<usize>,
    pub x: &'a [f32],
    pub points: Points<'a>,
}

impl Kernel for MapInputs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { tiles, range, x, points } = self;
        let images = Images { shape: tiles.image, values: x, channels: 0..tiles.image.c };
        for tile in range {
            let [image, row, column] = tiles.place(tile);
            // Wrapped below zero, these are outside of the image as well.
            let place = [image, row.wrapping_sub(tiles.padding), column.wrapping_sub(tiles.padding)];
            // SAFETY: each task maps tiles of its own.
            unsafe { images.map::<Input, S, POINTS>(simd, place, tile, points) };
        }
    }
}

/// Maps some channels of the output's gradient to points.
pub(super) struct MapGradients<'a> {
    pub tiles: Tiles,
    pub range: Range<usize>,
    pub gy: &'a [f32],
    pub channels: Range<usize>,
    pub points: Points<'a>,
}

impl Kernel for MapGradients<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { tiles, range, gy, channels, points } = self;
        let images = Images { shape: tiles.output, values: gy, channels };
        for tile in range {
            // SAFETY: each task maps tiles of its own.
            unsafe { images.map::<OutputGradient, S, OUTPUTS>(simd, tiles.place(tile), tile, points) };
        }
    }
}

/// Some channels of images.
struct Images<'a> {
    shape: ImageShape,
    values: &'a [f32],
    channels: Range<usize>,
}

impl Images<'_> {
    /// Maps a square of `M` x `M` pixels, zero outside of the image, to the points of a tile.
    ///
    /// # Safety
    /// No other thread may use the points of this tile.
    #[inline(always)]
    unsafe fn map<L: Line<M, POINTS>, S: Simd, const M: usize>(
        &self,
        simd: S,
        [image, top, left]: [usize; 3],
        tile: usize,
        points: Points<'_>,
    ) {
        let ImageShape { h, w, c, .. } = self.shape;
        let Range { start, end } = self.channels;
        for first in (start..end).step_by(S::LANES) {
            let last = end.min(first + S::LANES);
            let mut pixels = [[simd.zero(); M]; M];
            for (i, pixels) in pixels.iter_mut().enumerate() {
                let y = top.wrapping_add(i);
                if y >= h {
                    continue;
                }
                for (j, pixel) in pixels.iter_mut().enumerate() {
                    let x = left.wrapping_add(j);
                    if x < w {
                        let at = ((image * h + y) * w + x) * c;
                        *pixel = simd.load_partial(&self.values[at + first..at + last]);
                    }
                }
            }
            let mapped = square::<L, S, M, POINTS>(simd, pixels);
            for (point, value) in mapped.as_flattened().iter().enumerate() {
                // SAFETY: the caller vouches for this tile.
                let to = unsafe { points.tile(tile, &(first - start..last - start), point) };
                simd.store_partial(*value, to);
            }
        }
    }
}

/// Maps points back to outputs.
pub(super) struct MapBack<'a> {
    pub tiles: Tiles,
    /// The tiles to map; the first one is the first row of the matrices.
    pub range: Range<usize>,
    /// The points, of these tiles and channels.
    pub points: &'a [f32],
    /// Output channels.
    pub channels: Range<usize>,
    pub bias: Option<&'a [f32]>,
    /// The output.
    pub y: Shared<'a>,
}

impl Kernel for MapBack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ImageShape { h, w, c, .. } = self.tiles.output;
        let (tiles, count) = (self.range.len(), self.channels.len());
        for (index, tile) in self.range.enumerate() {
            let [image, top, left] = self.tiles.place(tile);
            for start in (0..count).step_by(S::LANES) {
                let end = count.min(start + S::LANES);
                let mut points = [[simd.zero(); POINTS]; POINTS];
                for (point, value) in points.as_flattened_mut().iter_mut().enumerate() {
                    let matrix = Points::matrix(tiles, count, point).start + index * count;
                    *value = simd.load_partial(&self.points[matrix + start..matrix + end]);
                }
                let sums = square::<Output, S, POINTS, OUTPUTS>(simd, points);
                let channels = self.channels.start + start..self.channels.start + end;
                let bias = match self.bias {
                    Some(bias) => simd.load_partial(&bias[channels.clone()]),
                    None => simd.zero(),
                };
                for (i, row) in sums.iter().enumerate().take(h - top) {
                    for (j, sum) in row.iter().enumerate().take(w - left) {
                        let at = ((image * h + top + i) * w + left + j) * c;
                        // SAFETY: each task writes the outputs of its own tiles, and they do not overlap.
                        let to = unsafe { self.y.range_mut(at + channels.start..at + channels.end) };
                        simd.store_partial(simd.add(*sum, bias), to);
                    }
                }
            }
        }
    }
}
