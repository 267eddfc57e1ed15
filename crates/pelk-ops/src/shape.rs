//! Shapes of images, and the errors of operators whose arguments do not fit together.

/// The shape of a batch of images: row-major N, H, W, C, channels innermost.
///
/// ```
/// use pelk_ops::ImageShape;
/// let shape = ImageShape::checked("my_operator", 2, 56, 56, 96)?;
/// assert_eq!((shape.pixels(), shape.len()), (6272, 602_112));
/// assert!(ImageShape::checked("my_operator", 2, 0, 56, 96).is_err());
/// # Ok::<(), pelk_ops::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Images in the batch.
    pub n: usize,
    /// Rows of pixels.
    pub h: usize,
    /// Pixels in a row.
    pub w: usize,
    /// Channels of a pixel.
    pub c: usize,
}

/// Arguments of an operator that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A dimension is zero.
    #[error("{operator}: {dimension} is 0, and must be at least 1")]
    Empty {
        /// The operator that was called.
        operator: &'static str,
        /// The dimension that is zero.
        dimension: &'static str,
    },
    /// A slice has the wrong number of values.
    #[error("{operator}: {argument} has {actual} values, but its shape needs {expected}")]
    Length {
        /// The operator that was called.
        operator: &'static str,
        /// The slice that is too short or too long.
        argument: &'static str,
        /// Values that the shape needs.
        expected: usize,
        /// Values that the slice has.
        actual: usize,
    },
    /// The product of the dimensions exceeds `isize::MAX` bytes, the most that memory can hold.
    #[error("{operator}: a tensor of {dimensions:?} values is larger than any memory")]
    Overflow {
        /// The operator that was called.
        operator: &'static str,
        /// The dimensions.
        dimensions: Vec<usize>,
    },
    /// A parameter has a value that the operator does not take.
    #[error("{operator}: {reason}")]
    Invalid {
        /// The operator that was called.
        operator: &'static str,
        /// What is wrong and how to fix it.
        reason: String,
    },
}

impl ImageShape {
    /// The shape with these dimensions, for use by `operator`.
    ///
    /// # Errors
    /// When a dimension is zero, or the tensor would exceed any memory.
    pub fn checked(
        operator: &'static str,
        n: usize,
        h: usize,
        w: usize,
        c: usize,
    ) -> Result<Self, ShapeError> {
        checked_len(operator, &[("the batch", n), ("the height", h), ("the width", w), ("the channels", c)])?;
        Ok(Self { n, h, w, c })
    }

    /// `n * h * w`, the rows of the image seen as a matrix of pixels by channels.
    pub fn pixels(self) -> usize {
        self.n * self.h * self.w
    }

    /// Number of values.
    #[allow(clippy::len_without_is_empty)] // a checked shape is never empty
    pub fn len(self) -> usize {
        self.pixels() * self.c
    }

    /// [`ImageShape::checked`] for a shape that was put together by hand.
    ///
    /// # Errors
    /// Same as [`ImageShape::checked`].
    pub fn check(self, operator: &'static str) -> Result<(), ShapeError> {
        Self::checked(operator, self.n, self.h, self.w, self.c).map(|_| ())
    }
}

/// The product of named dimensions, each at least one, and within what a slice can hold.
///
/// # Errors
/// When a dimension is zero, or the product is larger than any memory.
pub fn checked_len(
    operator: &'static str,
    dimensions: &[(&'static str, usize)],
) -> Result<usize, ShapeError> {
    if let Some(&(dimension, _)) = dimensions.iter().find(|(_, size)| *size == 0) {
        return Err(ShapeError::Empty { operator, dimension });
    }
    dimensions
        .iter()
        .try_fold(1usize, |product, (_, size)| product.checked_mul(*size))
        .filter(|len| *len <= isize::MAX as usize / size_of::<f32>())
        .ok_or_else(|| ShapeError::Overflow {
            operator,
            dimensions: dimensions.iter().map(|(_, size)| *size).collect(),
        })
}

/// An error unless a slice called `argument` has the `expected` number of values; `None` is an optional slice
/// that is absent, which is correct.
///
/// # Errors
/// When the slice has another number of values.
pub fn expect_len(
    operator: &'static str,
    argument: &'static str,
    actual: impl Into<Option<usize>>,
    expected: usize,
) -> Result<(), ShapeError> {
    match actual.into() {
        Some(actual) if actual != expected => {
            Err(ShapeError::Length { operator, argument, expected, actual })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_operator_and_what_is_wrong() {
        let empty = ImageShape::checked("conv2d", 1, 2, 0, 3).unwrap_err();
        assert_eq!(empty.to_string(), "conv2d: the width is 0, and must be at least 1");
        let overflow = ImageShape::checked("conv2d", usize::MAX, 2, 1, 3).unwrap_err();
        assert!(matches!(overflow, ShapeError::Overflow { .. }), "{overflow}");
        assert!(ImageShape::checked("conv2d", isize::MAX as usize / 4 + 1, 1, 1, 1).is_err());
        let length = expect_len("linear", "weight", 5, 6).unwrap_err();
        assert_eq!(length.to_string(), "linear: weight has 5 values, but its shape needs 6");
        assert!(expect_len("linear", "weight", 6, 6).is_ok());
        assert!(expect_len("linear", "bias", None, 6).is_ok());
        assert!(ImageShape { n: 1, h: 1, w: 1, c: 0 }.check("gelu").is_err());
    }
}
