//! Arithmetic in place.

use super::{GpuBackend, GpuTensor, expect_shape};
use crate::Result;
use crate::backend::ArithmeticOps;

impl ArithmeticOps for GpuBackend {
    fn add_assign(&self, a: &mut GpuTensor, b: &GpuTensor) -> Result<()> {
        expect_shape("add_assign", b, &a.shape)?;
        Ok(self.gpu.add_assign(self.own(a)?, &b.values)?)
    }

    fn scale_assign(&self, x: &mut GpuTensor, factor: f32) -> Result<()> {
        Ok(self.gpu.scale_assign(self.own(x)?, factor)?)
    }

    fn lerp_assign(&self, average: &mut GpuTensor, x: &GpuTensor, weight: f32) -> Result<()> {
        expect_shape("lerp_assign", x, &average.shape)?;
        Ok(self.gpu.lerp_assign(self.own(average)?, &x.values, weight)?)
    }

    fn sparse_lerp_assign(&self, average: &mut GpuTensor, x: &GpuTensor, weight: f32) -> Result<()> {
        expect_shape("sparse_lerp_assign", x, &average.shape)?;
        Ok(self.gpu.sparse_lerp_assign(self.own(average)?, &x.values, weight)?)
    }

    fn mul_assign(&self, x: &mut GpuTensor, factors: &GpuTensor) -> Result<()> {
        expect_shape("mul_assign", factors, &x.shape)?;
        Ok(self.gpu.mul_assign(self.own(x)?, &factors.values)?)
    }
}
