//! Max pooling.

use crate::check::expect_len;
use crate::kernel::{Call, Each};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use pelk_ops::{ImageShape, MaxPool};

impl Gpu {
    /// The largest value under each window of images of `shape`, and its [`MaxPool::place`] in the window.
    ///
    /// # Errors
    /// As [`MaxPool::output`], when lengths do not fit, or the device is out of memory or has failed.
    pub fn max_pool(&self, op: MaxPool, shape: ImageShape, x: &Buffer) -> Result<[Buffer; 2]> {
        let output = op.output(shape)?;
        expect_len("max_pool", "x", x.len(), shape.len())?;
        let y = self.activation(output.len())?;
        let places = self.empty(output.len(), Element::F32)?;
        let values = image(output);
        self.windows("max_pool", include_str!("max_pool.wgsl"), op, [shape, output])
            .read("x", x, Each(image(shape)))
            .write("y", &y, Each(values))
            .write("places", &places, Each(values))
            .run(shape.n, values, values * op.kernel * op.kernel)?;
        Ok([y, places])
    }

    /// The gradient of x for [`Gpu::max_pool`], from its places.
    ///
    /// # Errors
    /// As [`MaxPool::output`], when lengths do not fit, or the device is out of memory or has failed.
    pub fn max_pool_backward(
        &self,
        op: MaxPool,
        shape: ImageShape,
        places: &Buffer,
        gy: &Buffer,
    ) -> Result<Buffer> {
        let output = op.output(shape)?;
        expect_len("max_pool_backward", "the places", places.len(), output.len())?;
        expect_len("max_pool_backward", "gy", gy.len(), output.len())?;
        let gx = self.activation(shape.len())?;
        let windows = op.kernel.div_ceil(op.stride);
        self.windows("max_pool_backward", include_str!("max_pool_backward.wgsl"), op, [shape, output])
            .read("places", places, Each(image(output)))
            .read("gy", gy, Each(image(output)))
            .write("gx", &gx, Each(image(shape)))
            .run(shape.n, image(shape), image(shape) * windows * windows)?;
        Ok(gx)
    }

    fn windows<'a>(
        &'a self,
        name: &'static str,
        text: &'static str,
        op: MaxPool,
        [input, output]: [ImageShape; 2],
    ) -> Call<'a> {
        let numbers = [
            ("kernel", op.kernel),
            ("stride", op.stride),
            ("padding", op.padding),
            ("c", input.c),
            ("w", input.w),
            ("h", input.h),
            ("out_w", output.w),
            ("out_h", output.h),
        ];
        numbers.into_iter().fold(self.items(name, text), |call, (name, value)| call.scalar(name, value))
    }
}

/// Values of one image.
fn image(shape: ImageShape) -> usize {
    shape.h * shape.w * shape.c
}
