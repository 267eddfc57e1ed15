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

/// Transposed convolution: takes x to where the gradient of [`Conv2d`] takes that of its output. Inputs: x
/// `[N, H, W, I]`, weight `[I, O, kh, kw]`, optionally bias `[O]`. Output: `[N, H', W', O]`, `H' = (H - 1)
/// stride - 2 padding + kh`.
///
/// Where the kernel is as large as the stride `s` and nothing is padded, `y[s i + a, s j + b, o] = bias[o] +
/// sum_c x[i, j, c] weight[c, o, a, b]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvTranspose2d {
    /// Step between the windows that inputs are spread to, in both directions.
    pub stride: usize,
    /// Pixels that are cut off on each side.
    pub padding: usize,
}

impl ConvTranspose2d {
    /// The convolution whose transpose this is.
    pub fn transposed(self) -> Conv2d {
        Conv2d { stride: self.stride, padding: self.padding }
    }

    /// The shape of [`ConvTranspose2d::transposed`], for images `x` and a weight `[I, O, kh, kw]`: its image
    /// is the output here, its output is x.
    ///
    /// # Errors
    /// When a dimension or the stride is zero, x has other channels than the weight takes, or nothing is left
    /// after the padding is cut off.
    pub fn shape(
        self,
        x: ImageShape,
        [inputs, outputs, kh, kw]: [usize; 4],
    ) -> Result<Conv2dShape, ShapeError> {
        const NAME: &str = "conv_transpose2d";
        x.check(NAME)?;
        let Self { stride, padding } = self;
        let invalid = |reason| ShapeError::Invalid { operator: NAME, reason };
        if x.c != inputs {
            return Err(invalid(format!("x has {} channels, the weight takes {inputs}", x.c)));
        }
        let size = |side: usize, kernel: usize| {
            (side - 1).checked_mul(stride)?.checked_add(kernel)?.checked_sub(padding.checked_mul(2)?)
        };
        let (Some(h), Some(w)) = (size(x.h, kh), size(x.w, kw)) else {
            let image = format!("{} x {} pixels with a kernel of {kh} x {kw} and stride {stride}", x.h, x.w);
            return Err(invalid(format!("the padding is {padding}, which leaves nothing of {image}")));
        };
        let image = ImageShape::checked(NAME, x.n, h, w, outputs)?;
        let shape = Conv2dShape { image, out_channels: inputs, kernel: [kh, kw], stride, padding };
        shape.output()?;
        Ok(shape)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transposed_convolution_leads_back() {
        let x = ImageShape { n: 2, h: 5, w: 1, c: 3 };
        for (stride, padding, kernel) in [(2, 0, [2, 2]), (1, 1, [3, 3]), (3, 1, [4, 5]), (4, 0, [1, 2])] {
            let op = ConvTranspose2d { stride, padding };
            let shape = op.shape(x, [3, 7, kernel[0], kernel[1]]).unwrap();
            assert_eq!(shape.output(), Ok(x), "{op:?}, {kernel:?}");
        }
        let op = ConvTranspose2d { stride: 2, padding: 0 };
        assert_eq!(op.shape(x, [3, 7, 2, 2]).unwrap().image, ImageShape { n: 2, h: 10, w: 2, c: 7 });
        let error = op.shape(x, [4, 7, 2, 2]).unwrap_err().to_string();
        assert_eq!(error, "conv_transpose2d: x has 3 channels, the weight takes 4");
        assert!(op.shape(x, [3, 7, 0, 2]).is_err() && op.shape(x, [3, 0, 2, 2]).is_err());
        let op = |stride, padding| ConvTranspose2d { stride, padding };
        assert!(op(0, 0).shape(x, [3, 7, 2, 2]).is_err() && op(2, 1).shape(x, [3, 7, 2, 2]).is_err());
        assert!(op(2, usize::MAX).shape(x, [3, 7, 2, 2]).is_err());
        assert!(op(usize::MAX, 0).shape(x, [3, 7, 2, 2]).is_err());
    }
}
