//! Max pooling.

use super::checks::{expect_shape, output};
use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::MaxPoolOps;
use crate::kernels;
use pelk_cpu::reference::max_pool;
use pelk_ops::{ImageShape, MaxPool};

impl MaxPoolOps for ReferenceBackend {
    fn max_pool(&self, op: MaxPool, x: &Tensor) -> Result<[Tensor; 2]> {
        let (shape, image) = (output(op, [x])?, kernels::image("max_pool", &x.shape)?);
        Ok(max_pool::forward(op, image, &x.values).map(|values| Tensor::new(&shape, values)))
    }

    fn max_pool_backward(
        &self,
        op: MaxPool,
        places: &Tensor,
        gy: &Tensor,
        [h, w]: [usize; 2],
    ) -> Result<Tensor> {
        let image = ImageShape { h, w, ..kernels::image("max_pool", &gy.shape)? };
        let shape = kernels::image_shape(op.output(image)?);
        expect_shape("max_pool", places, &shape)?;
        expect_shape("max_pool", gy, &shape)?;
        let gx = max_pool::backward(op, image, &places.values, &gy.values);
        Ok(Tensor::new(&kernels::image_shape(image), gx))
    }
}
