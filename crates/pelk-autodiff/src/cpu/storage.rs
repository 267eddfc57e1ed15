//! Tensors on a device.

use super::{CpuBackend, CpuTensor};
use crate::backend::Storage;
use crate::{Error, Result, Shape};

impl Storage for CpuBackend {
    type Tensor = CpuTensor;

    fn name(&self) -> String {
        format!("cpu ({})", self.level)
    }

    fn storing_float16(self) -> Result<CpuBackend> {
        Err(Error::NoFloat16 { backend: self.name() })
    }

    fn shape<'t>(&self, tensor: &'t CpuTensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<CpuTensor> {
        if shape.elements() != values.len() {
            return Err(Error::Length { shape: shape.clone(), actual: values.len() });
        }
        Ok(self.copy_of(shape.clone(), values))
    }

    fn download(&self, tensor: &CpuTensor) -> Result<Vec<f32>> {
        Ok(tensor.values.to_vec())
    }

    fn zeros(&self, shape: &Shape) -> Result<CpuTensor> {
        let mut values = self.pool.take(shape.elements());
        values.fill(0.0);
        Ok(CpuTensor::new(shape, values))
    }
}
