//! Max pooling.

use crate::shape::{ImageShape, ShapeError};
use std::ops::Range;

const NAME: &str = "max_pool";

/// The largest kernel: places in a window are exact as `f32`.
const LARGEST_KERNEL: usize = 1 << 12;

/// The largest value under a square window, for each channel. Input: `[N, H, W, C]`. Output: `[N, H', W',
/// C]`, `H' = floor((H + 2 padding - kernel) / stride) + 1`.
///
/// As in PyTorch, padding is never the largest value, the first of equal values in row-major order counts
/// and gets the gradient, and NaN is larger than any number.
///
/// ```
/// use pelk_ops::{ImageShape, MaxPool};
/// let image = ImageShape::checked("my_operator", 1, 7, 10, 3)?;
/// let every_other = MaxPool { kernel: 1, stride: 2, padding: 0 };
/// assert_eq!(every_other.output(image)?, ImageShape { h: 4, w: 5, ..image });
/// # Ok::<(), pelk_ops::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Height and width of the window, up to 4096.
    pub kernel: usize,
    /// Pixels from one window to the next, in both directions.
    pub stride: usize,
    /// Pixels around the image that windows may cover; at most half of the kernel, so that each window has a
    /// pixel of the image.
    pub padding: usize,
}

impl MaxPool {
    /// The shape of the output for images of this shape.
    ///
    /// # Errors
    /// When a dimension, the kernel or the stride is zero, the kernel is above 4096 or larger than the padded
    /// image, or the padding is more than half of the kernel.
    pub fn output(self, image: ImageShape) -> Result<ImageShape, ShapeError> {
        let MaxPool { kernel, stride, padding } = self;
        let invalid = |reason| ShapeError::Invalid { operator: NAME, reason };
        image.check(NAME)?;
        if !(1..=LARGEST_KERNEL).contains(&kernel) {
            return Err(invalid(format!("the kernel is {kernel}, and must be 1 to {LARGEST_KERNEL}")));
        }
        if stride == 0 {
            return Err(invalid("the stride is 0, and must be at least 1".to_owned()));
        }
        if padding > kernel / 2 {
            let most = kernel / 2;
            return Err(invalid(format!(
                "the padding is {padding}, and must be at most {most}, half of the kernel"
            )));
        }
        let size = |side: usize| Some((side + 2 * padding).checked_sub(kernel)? / stride + 1);
        match (size(image.h), size(image.w)) {
            (Some(h), Some(w)) => ImageShape::checked(NAME, image.n, h, w, image.c),
            _ => Err(invalid(format!(
                "a kernel of {kernel} does not fit an image of {} x {} with padding {padding}",
                image.h, image.w
            ))),
        }
    }

    /// The rows (or columns) of an image with `side` of them that lie in the window of an output.
    #[inline]
    pub fn window(self, output: usize, side: usize) -> Range<usize> {
        let begin = output * self.stride;
        begin.saturating_sub(self.padding)..(begin + self.kernel - self.padding).min(side)
    }

    /// The outputs, of `outputs`, whose windows hold a row (or column) of the image.
    #[inline]
    pub fn windows(self, input: usize, outputs: usize) -> Range<usize> {
        let padded = input + self.padding;
        let first = (padded + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        first..(padded / self.stride + 1).min(outputs)
    }

    /// The place of a pixel in the window of an output, counted in row-major order; both are row and column.
    #[inline]
    pub fn place(self, output: [usize; 2], input: [usize; 2]) -> usize {
        let along = |axis: usize| input[axis] + self.padding - output[axis] * self.stride;
        along(0) * self.kernel + along(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_their_inverse_agree() {
        for kernel in 1..6 {
            for (stride, padding) in (1..5).flat_map(|stride| (0..=kernel / 2).map(move |p| (stride, p))) {
                let op = MaxPool { kernel, stride, padding };
                for side in kernel..12 {
                    let image = ImageShape { n: 1, h: side, w: side, c: 1 };
                    let outputs = op.output(image).unwrap().h;
                    for output in 0..outputs {
                        assert!(!op.window(output, side).is_empty(), "{op:?} on {side}: window {output}");
                        for input in 0..side {
                            let inside = op.window(output, side).contains(&input);
                            assert_eq!(op.windows(input, outputs).contains(&output), inside, "{op:?} {side}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn settings_without_a_pixel_in_each_window_are_errors() {
        let image = ImageShape { n: 1, h: 4, w: 5, c: 2 };
        let output = |kernel, stride, padding| MaxPool { kernel, stride, padding }.output(image);
        assert_eq!(output(3, 2, 1), Ok(ImageShape { h: 2, w: 3, ..image }));
        let error = output(3, 2, 2).unwrap_err().to_string();
        assert_eq!(error, "max_pool: the padding is 2, and must be at most 1, half of the kernel");
        assert!(output(0, 1, 0).is_err() && output(2, 0, 0).is_err() && output(5, 1, 0).is_err());
        assert!(output(LARGEST_KERNEL + 1, 1, 0).is_err() && output(2, 1, usize::MAX).is_err());
    }
}
