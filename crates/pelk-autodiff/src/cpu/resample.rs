//! Changes of an image's height and width.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::ResampleOps;
use crate::kernels;
use pelk_cpu::separable;
use pelk_ops::resample::{Axis, output};

impl ResampleOps for CpuBackend {
    fn resample(&self, x: &CpuTensor, rows: &Axis, columns: &Axis) -> Result<CpuTensor> {
        let shape = kernels::image("resample", &x.shape)?;
        self.make(kernels::image_shape(output(shape, rows, columns)?), |y| {
            separable::resample(self.level, shape, rows, columns, &x.values, y)
        })
    }
}
