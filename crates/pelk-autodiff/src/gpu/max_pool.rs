//! Max pooling.

use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::MaxPoolOps;
use crate::kernels;
use pelk_ops::{ImageShape, MaxPool};

impl MaxPoolOps for GpuBackend {
    fn max_pool(&self, op: MaxPool, x: &GpuTensor) -> Result<[GpuTensor; 2]> {
        let image = kernels::image("max_pool", &x.shape)?;
        let shape = kernels::image_shape(op.output(image)?);
        Ok(self.gpu.max_pool(op, image, &x.values)?.map(|values| GpuTensor::new(&shape, values)))
    }

    fn max_pool_backward(
        &self,
        op: MaxPool,
        places: &GpuTensor,
        gy: &GpuTensor,
        [h, w]: [usize; 2],
    ) -> Result<GpuTensor> {
        let image = ImageShape { h, w, ..kernels::image("max_pool", &gy.shape)? };
        let gx = self.gpu.max_pool_backward(op, image, &places.values, &gy.values)?;
        Ok(GpuTensor::new(&kernels::image_shape(image), gx))
    }
}
