//! Shapes of images and the errors of operators whose arguments do not fit together: those of pelk-ops.

pub use pelk_ops::shape::{ImageShape, ShapeError};
pub(crate) use pelk_ops::shape::{checked_len, expect_len};
