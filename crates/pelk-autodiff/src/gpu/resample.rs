//! Changes of an image's height and width.

use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::ResampleOps;
use crate::kernels;
use pelk_ops::resample::{Axis, output};

impl ResampleOps for GpuBackend {
    fn resample(&self, x: &GpuTensor, rows: &Axis, columns: &Axis) -> Result<GpuTensor> {
        let shape = kernels::image("resample", &x.shape)?;
        let y = self.gpu.resample(shape, rows, columns, &x.values)?;
        Ok(GpuTensor::new(&kernels::image_shape(output(shape, rows, columns)?), y))
    }
}
