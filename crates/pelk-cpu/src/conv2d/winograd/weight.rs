//! The weight, mapped to points, and its gradient, mapped back.

use super::lines::{Filter, FilterGradient, POINTS, TAPS, square};
use crate::gemm::Panels;
use crate::shared::Shared;
use pelk_simd::{Kernel, MAX_LANES, Simd};
use std::ops::Range;

/// Taps of the kernel.
const KERNEL: usize = TAPS * TAPS;

/// The weight of a convolution.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct Weight<'a> {
    /// `[O, I, 3, 3]`.
    pub values: &'a [f32],
    /// Whether it takes O channels to I, turned by 180 degrees, as the gradient by x does.
    pub turned: bool,
}

/// Maps what the weight does to one input channel.
pub(super) struct MapWeight<'a> {
    pub weight: Weight<'a>,
    /// Channels that the convolution takes and makes.
    pub inputs: usize,
    pub outputs: usize,
    /// The input channel.
    pub input: usize,
    /// The output channels.
    pub channels: Range<usize>,
    /// How the matrix of each point, inputs by outputs, is packed.
    pub panels: Panels,
    pub points: Shared<'a>,
}

impl Kernel for MapWeight<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Weight { values, turned } = self.weight;
        for (vector, first) in self.channels.clone().step_by(S::LANES).enumerate() {
            let mut taps = [[0.0; MAX_LANES]; KERNEL];
            for (lane, output) in (first..self.channels.end.min(first + S::LANES)).enumerate() {
                let pair = match turned {
                    false => output * self.inputs + self.input,
                    true => self.input * self.outputs + output,
                };
                for (tap, value) in values[pair * KERNEL..][..KERNEL].iter().enumerate() {
                    taps[if turned { KERNEL - 1 - tap } else { tap }][lane] = *value;
                }
            }
            let mut kernel = [[simd.zero(); TAPS]; TAPS];
            for (tap, value) in kernel.as_flattened_mut().iter_mut().enumerate() {
                *value = simd.load(&taps[tap]);
            }
            let mapped = square::<Filter, S, TAPS, POINTS>(simd, kernel);
            let place = self.panels.vector(self.input, vector);
            for (point, value) in mapped.as_flattened().iter().enumerate() {
                let begin = point * self.panels.len();
                // SAFETY: each task maps an input channel of its own, a row of these matrices.
                let to = unsafe { self.points.range_mut(begin + place.start..begin + place.end) };
                simd.store(*value, to);
            }
        }
    }
}

/// Maps the gradient of an output channel's points back to that of its taps.
pub(super) struct MapWeightBack<'a> {
    /// The gradients of all points, matrices of some output channels by inputs.
    pub points: &'a [f32],
    /// Values of a matrix.
    pub matrix: usize,
    /// The row of the output channel in the matrices.
    pub row: usize,
    /// `[I, 3, 3]`.
    pub gradient: &'a mut [f32],
}

impl Kernel for MapWeightBack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let inputs = self.gradient.len() / KERNEL;
        for (vector, gradient) in self.gradient.chunks_mut(S::LANES * KERNEL).enumerate() {
            let lanes = gradient.len() / KERNEL;
            let at = self.row * inputs + vector * S::LANES;
            let mut points = [[simd.zero(); POINTS]; POINTS];
            for (point, value) in points.as_flattened_mut().iter_mut().enumerate() {
                *value = simd.load_partial(&self.points[point * self.matrix + at..][..lanes]);
            }
            let mapped = square::<FilterGradient, S, POINTS, TAPS>(simd, points);
            let mut taps = [[0.0; MAX_LANES]; KERNEL];
            for (taps, value) in taps.iter_mut().zip(mapped.as_flattened()) {
                simd.store(*value, taps);
            }
            for (lane, gradient) in gradient.as_chunks_mut::<KERNEL>().0.iter_mut().enumerate() {
                for (gradient, taps) in gradient.iter_mut().zip(&taps) {
                    *gradient = taps[lane];
                }
            }
        }
    }
}
