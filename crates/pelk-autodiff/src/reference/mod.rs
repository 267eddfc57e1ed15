//! The reference backend: plain float64 loops, to test other backends against.

mod activation;
mod arithmetic;
mod channels;
mod checks;
mod conv2d;
mod depthwise;
mod linear;
mod loss;
mod max_pool;
mod normalization;
mod optimizer;
mod pixel_mlp;
mod position;
mod reduce;
mod resample;
mod residual;
mod roi_align;
mod storage;
mod tensors;

use crate::{Error, Result, Shape};
use std::fmt;
use std::sync::Arc;

/// Computes every operator with the plain float64 loops of [`pelk_cpu::reference`]: the oracle of whole
/// networks.
///
/// It is slow on purpose: one thread, no blocking, no shared work, so that little can be wrong. Other
/// backends should give the same values up to their rounding, and differences of its values give gradients to
/// about nine digits. It shares only the [operators](crate::operators) with the other backends.
///
/// ```
/// use pelk_autodiff::backend::ActivationOps;
/// use pelk_autodiff::{ReferenceBackend, ReferenceTensor, Shape};
///
/// let x = ReferenceTensor::from_f64(&Shape::from([2]), &[0.0, 1.0])?;
/// let y = ReferenceBackend.gelu(&x)?.to_f64();
/// assert_eq!(y[0], 0.0);
/// assert!((y[1] - 0.841_344_746_068_543).abs() < 1e-15); // the normal distribution function at 1
/// # Ok::<(), pelk_autodiff::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReferenceBackend;

/// A float64 tensor in memory, row-major; a clone shares its values.
#[derive(Clone)]
pub struct ReferenceTensor {
    shape: Shape,
    values: Arc<Vec<f64>>,
}

type Tensor = ReferenceTensor;

impl ReferenceTensor {
    /// A tensor with these float64 values; [`Storage::upload`](crate::Storage::upload) takes float32 only.
    ///
    /// # Errors
    /// When the number of values does not match the shape.
    pub fn from_f64(shape: &Shape, values: &[f64]) -> Result<ReferenceTensor> {
        if shape.elements() != values.len() {
            return Err(Error::Length { shape: shape.clone(), actual: values.len() });
        }
        Ok(ReferenceTensor::new(shape, values.to_vec()))
    }

    /// The float64 values; [`Storage::download`](crate::Storage::download) rounds them to float32.
    pub fn to_f64(&self) -> Vec<f64> {
        self.values.to_vec()
    }

    fn new(shape: &Shape, values: Vec<f64>) -> ReferenceTensor {
        ReferenceTensor { shape: shape.clone(), values: Arc::new(values) }
    }

    /// Other values with the same shape.
    fn with(&self, values: Vec<f64>) -> ReferenceTensor {
        ReferenceTensor::new(&self.shape, values)
    }

    /// The values, to be changed; copied first where other tensors share them.
    fn values_mut(&mut self) -> &mut [f64] {
        Arc::<Vec<f64>>::make_mut(&mut self.values)
    }
}

impl fmt::Debug for ReferenceTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferenceTensor({})", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{ArithmeticOps, Storage};

    #[test]
    fn values_keep_their_digits() {
        let third = ReferenceTensor::from_f64(&Shape::from([1]), &[1.0 / 3.0]).unwrap();
        assert_eq!(third.to_f64(), [1.0 / 3.0]);
        assert_eq!(ReferenceBackend.download(&third).unwrap(), [1.0f32 / 3.0]);
        let error = ReferenceTensor::from_f64(&Shape::from([2, 3]), &[0.0; 5]).unwrap_err();
        assert!(error.to_string().contains("5 values"), "{error}");
        assert!(ReferenceBackend.upload(&Shape::from([usize::MAX, 3]), &[0.0]).is_err());
    }

    #[test]
    fn a_change_of_one_tensor_leaves_its_clones_alone() {
        let x = ReferenceTensor::from_f64(&Shape::from([2]), &[1.0, 2.0]).unwrap();
        let mut sum = x.clone();
        ReferenceBackend.add_assign(&mut sum, &x).unwrap();
        assert_eq!((sum.to_f64(), x.to_f64()), (vec![2.0, 4.0], vec![1.0, 2.0]));
    }
}
