//! Arithmetic in place.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::ArithmeticOps;
use pelk_cpu::elementwise;

impl ArithmeticOps for CpuBackend {
    fn add_assign(&self, a: &mut CpuTensor, b: &CpuTensor) -> Result<()> {
        Ok(elementwise::add_assign(self.level, a.values_mut(), &b.values)?)
    }

    fn scale_assign(&self, x: &mut CpuTensor, factor: f32) -> Result<()> {
        *x = self.make(x.shape.clone(), |y| elementwise::scale(self.level, &x.values, factor, y))?;
        Ok(())
    }

    fn lerp_assign(&self, average: &mut CpuTensor, x: &CpuTensor, weight: f32) -> Result<()> {
        Ok(elementwise::lerp_assign(self.level, average.values_mut(), &x.values, weight)?)
    }

    fn sparse_lerp_assign(&self, average: &mut CpuTensor, x: &CpuTensor, weight: f32) -> Result<()> {
        Ok(elementwise::sparse_lerp_assign(self.level, average.values_mut(), &x.values, weight)?)
    }

    fn mul_assign(&self, x: &mut CpuTensor, factors: &CpuTensor) -> Result<()> {
        Ok(elementwise::mul_assign(self.level, x.values_mut(), &factors.values)?)
    }
}
