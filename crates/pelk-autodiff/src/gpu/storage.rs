//! Tensors on a device.

use super::{GpuBackend, GpuTensor};
use crate::backend::Storage;
use crate::{Error, Result, Shape};

impl Storage for GpuBackend {
    type Tensor = GpuTensor;

    fn name(&self) -> String {
        format!("gpu ({})", self.gpu.name())
    }

    fn storing_float16(self) -> Result<GpuBackend> {
        Ok(GpuBackend { gpu: self.gpu.storing_float16()? })
    }

    fn shape<'t>(&self, tensor: &'t GpuTensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<GpuTensor> {
        if shape.elements() != values.len() {
            return Err(Error::Length { shape: shape.clone(), actual: values.len() });
        }
        Ok(GpuTensor::new(shape, self.gpu.upload(values)?))
    }

    fn download(&self, tensor: &GpuTensor) -> Result<Vec<f32>> {
        Ok(self.gpu.download(&tensor.values)?)
    }

    fn zeros(&self, shape: &Shape) -> Result<GpuTensor> {
        Ok(GpuTensor::new(shape, self.gpu.zeros(shape.elements())?))
    }
}
