//! Dense two-dimensional convolution.

use crate::shape::{ImageShape, ShapeError, checked_len};
use std::ops::Range;

/// Two-dimensional convolution with zero padding. Inputs: x `[N, H, W, I]`, weight `[O, I, kh, kw]`,
/// optionally bias `[O]`. Output: `[N, H', W', O]`, `H' = (H + 2 padding - kh) / stride + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Step between outputs, in both directions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

/// The shape of a convolution.
///
/// The weight is `[out_channels, image.c, kernel[0], kernel[1]]` as in PyTorch, the output is an image of
/// [`Conv2dShape::output`].
///
/// ```
/// use pelk_ops::{Conv2dShape, ImageShape};
/// let image = ImageShape::checked("stem", 1, 224, 224, 3)?;
/// let stem = Conv2dShape { image, out_channels: 96, kernel: [4, 4], stride: 4, padding: 0 };
/// assert_eq!(stem.output()?, ImageShape { n: 1, h: 56, w: 56, c: 96 });
/// # Ok::<(), pelk_ops::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dShape {
    /// The input.
    pub image: ImageShape,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Pixels from one output to the next, in both directions.
    pub stride: usize,
    /// Rings of zeros around the image.
    pub padding: usize,
}

impl Conv2dShape {
    /// The shape of the output: `(size + 2 padding - kernel) / stride + 1` in both directions.
    ///
    /// # Errors
    /// When a dimension or the stride is zero, or the kernel is larger than the padded image.
    pub fn output(&self) -> Result<ImageShape, ShapeError> {
        const NAME: &str = "conv2d";
        self.image.check(NAME)?;
        checked_len(
            NAME,
            &[
                ("the output channels", self.out_channels),
                ("the input channels", self.image.c),
                ("the kernel's height", self.kernel[0]),
                ("the kernel's width", self.kernel[1]),
            ],
        )?;
        let invalid = |reason| ShapeError::Invalid { operator: NAME, reason };
        if self.stride == 0 {
            return Err(invalid("the stride is 0, and must be at least 1".to_owned()));
        }
        let size = |image: usize, kernel: usize| {
            let padded = self.padding.checked_mul(2).and_then(|p| p.checked_add(image))?;
            padded.checked_sub(kernel).map(|span| span / self.stride + 1)
        };
        match (size(self.image.h, self.kernel[0]), size(self.image.w, self.kernel[1])) {
            (Some(h), Some(w)) => ImageShape::checked(NAME, self.image.n, h, w, self.out_channels),
            _ => Err(invalid(format!(
                "a kernel of {} x {} does not fit an image of {} x {} with padding {}",
                self.kernel[0], self.kernel[1], self.image.h, self.image.w, self.padding
            ))),
        }
    }

    /// Number of values of the weight.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.patch()
    }

    /// Values under the kernel.
    #[inline]
    pub fn patch(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.image.c
    }

    /// Whether the output is a linear layer over the pixels: a 1 x 1 kernel with stride 1.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    /// The taps of a kernel row that lie inside the image for output column `ox`, and the image's column
    /// under the first of them. Those taps are one run of pixels.
    #[inline(always)]
    pub fn inside(&self, ox: usize) -> (Range<usize>, usize) {
        let (left, w) = (ox * self.stride, self.image.w);
        let from = self.padding.saturating_sub(left).min(self.kernel[1]);
        let to = (w + self.padding).saturating_sub(left).clamp(from, self.kernel[1]);
        (from..to, (left + from).saturating_sub(self.padding).min(w))
    }
}
