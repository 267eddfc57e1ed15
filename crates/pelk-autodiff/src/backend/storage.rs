//! Tensors on a device.

use crate::{Result, Shape};
use std::fmt::Debug;

/// Tensors on a device.
pub trait Storage: Clone + Debug + Send + Sync + 'static {
    /// A tensor on the device; a clone shares its values.
    type Tensor: Clone + Debug + Send + Sync;

    /// The device and its instruction set, for logs and run folders.
    fn name(&self) -> String;

    /// The same backend, storing activations and their gradients as 16-bit floats, in half the memory.
    /// Arithmetic, parameters, their gradients and statistics stay float32.
    ///
    /// # Errors
    /// When the device has no 16-bit floats.
    fn storing_float16(self) -> Result<Self>;

    /// The shape of a tensor.
    fn shape<'t>(&self, tensor: &'t Self::Tensor) -> &'t Shape;

    /// Copies values to the device.
    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<Self::Tensor>;

    /// Copies values from the device.
    fn download(&self, tensor: &Self::Tensor) -> Result<Vec<f32>>;

    /// A tensor of zeros.
    fn zeros(&self, shape: &Shape) -> Result<Self::Tensor>;
}

/// The tensors of a backend.
pub type T<B> = <B as Storage>::Tensor;

/// Gradients of `N` inputs; `None` where not needed.
pub type Gradients<T, const N: usize> = [Option<T>; N];
