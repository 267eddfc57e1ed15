//! The pixel MLP of a block with its normalization, scale and residual, as one operator.

use std::sync::Arc;

/// `y = shortcut + factor gamma project(GELU(expand(LayerNorm(x))))`.
///
/// Inputs: x `[.., C]`, shortcut `[.., C]`, LayerNorm's weight `[C]` and bias `[C]`, the first layer's weight
/// `[H, C]` and bias `[H]`, the second layer's weight `[C, H]` and bias `[C]`, optionally the layer scale
/// gamma `[C]`. Output: `[.., C]`.
#[derive(Debug, Clone)]
pub struct PixelMlp {
    /// Let the backend keep the H hidden channels for the gradient, if it can: faster, for more memory.
    pub keep: bool,
    /// Added to the variance in LayerNorm.
    pub eps: f32,
    /// Stochastic depth: one factor per sample, the first axis of x; `None` is 1.
    pub factors: Option<Arc<[f32]>>,
}

/// The sizes of a [`PixelMlp`] on one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelMlpShape {
    /// Pixels of all samples.
    pub rows: usize,
    /// Channels of x, shortcut and y: C.
    pub channels: usize,
    /// Hidden channels: H.
    pub hidden: usize,
    /// Added to the variance in LayerNorm.
    pub eps: f32,
}

/// The tensors of a [`PixelMlp`] besides x and the shortcut, in buffers `T`: a weight and a bias per layer.
#[derive(Debug)]
pub struct PixelMlpParameters<'a, T: ?Sized> {
    /// LayerNorm, `[C]` each.
    pub norm: [&'a T; 2],
    /// The first layer, `[H, C]` and `[H]`.
    pub expand: [&'a T; 2],
    /// The second layer, `[C, H]` and `[C]`.
    pub project: [&'a T; 2],
    /// Layer scale, `[C]`.
    pub gamma: Option<&'a T>,
    /// The factor of each sample; all samples have the same number of rows.
    pub factors: Option<&'a [f32]>,
}

impl<T: ?Sized> Clone for PixelMlpParameters<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for PixelMlpParameters<'_, T> {}

impl<'a, T: ?Sized> PixelMlpParameters<'a, T> {
    /// The same parameters in other buffers.
    pub fn map<U: ?Sized>(&self, buffer: impl Fn(&'a T) -> &'a U) -> PixelMlpParameters<'a, U> {
        PixelMlpParameters {
            norm: self.norm.map(&buffer),
            expand: self.expand.map(&buffer),
            project: self.project.map(&buffer),
            gamma: self.gamma.map(&buffer),
            factors: self.factors,
        }
    }
}
