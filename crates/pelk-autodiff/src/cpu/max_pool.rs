//! Max pooling.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::MaxPoolOps;
use crate::kernels;
use pelk_cpu::max_pool;
use pelk_ops::{ImageShape, MaxPool};

impl MaxPoolOps for CpuBackend {
    fn max_pool(&self, op: MaxPool, x: &CpuTensor) -> Result<[CpuTensor; 2]> {
        let image = kernels::image("max_pool", &x.shape)?;
        let shape = kernels::image_shape(op.output(image)?);
        let mut places = self.pool.take(shape.elements());
        let y = self
            .make(shape.clone(), |y| max_pool::forward(self.level, op, image, &x.values, y, &mut places))?;
        Ok([y, CpuTensor::new(&shape, places)])
    }

    fn max_pool_backward(
        &self,
        op: MaxPool,
        places: &CpuTensor,
        gy: &CpuTensor,
        [h, w]: [usize; 2],
    ) -> Result<CpuTensor> {
        let image = ImageShape { h, w, ..kernels::image("max_pool", &gy.shape)? };
        self.make(kernels::image_shape(image), |gx| {
            max_pool::backward(self.level, op, image, &places.values, &gy.values, gx)
        })
    }
}
