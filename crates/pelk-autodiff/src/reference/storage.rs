//! Tensors on a device.

use super::tensors::widen;
use super::{ReferenceBackend, Tensor};
use crate::backend::Storage;
use crate::{Error, Result, Shape};

impl Storage for ReferenceBackend {
    type Tensor = super::ReferenceTensor;

    fn name(&self) -> String {
        "reference (float64)".to_owned()
    }

    fn storing_float16(self) -> Result<ReferenceBackend> {
        Err(Error::NoFloat16 { backend: self.name() })
    }

    fn shape<'t>(&self, tensor: &'t Tensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<Tensor> {
        Tensor::from_f64(shape, &widen(values))
    }

    fn download(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(tensor.values.iter().map(|&value| value as f32).collect())
    }

    fn zeros(&self, shape: &Shape) -> Result<Tensor> {
        Ok(Tensor::new(shape, vec![0.0; shape.elements()]))
    }
}
