//! Dense convolution.

use super::storage::{Gradients, Storage, T};
use crate::Result;
use pelk_ops::{Conv2d, ConvTranspose2d};

/// Dense convolution.
pub trait Conv2dOps: Storage {
    /// See [`Conv2d`].
    fn conv2d(&self, op: Conv2d, x: &T<Self>, weight: &T<Self>, bias: Option<&T<Self>>) -> Result<T<Self>>;

    /// Gradients of x, weight, bias.
    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &T<Self>,
        weight: &T<Self>,
        gy: &T<Self>,
        needs: [bool; 3],
    ) -> Result<Gradients<T<Self>, 3>>;

    /// See [`ConvTranspose2d`]. Its gradients are [`Conv2dOps::conv2d`] and that operator's gradient by the
    /// weight, with x and gy in exchanged roles.
    fn conv_transpose2d(
        &self,
        op: ConvTranspose2d,
        x: &T<Self>,
        weight: &T<Self>,
        bias: Option<&T<Self>>,
    ) -> Result<T<Self>>;
}
