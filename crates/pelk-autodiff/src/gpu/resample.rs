//! Changes of an image's height and width.

use super::tensors::image_tensor;
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::ResampleOps;
use crate::kernels;
use pelk_ops::ImageShape;
use pelk_ops::resample::subsampled;

/// The shape of the input, whose height and width are `input`, and the height and width of `gy`.
fn resampled(operator: &'static str, gy: &GpuTensor, input: [usize; 2]) -> Result<(ImageShape, [usize; 2])> {
    let output = kernels::image(operator, &gy.shape)?;
    Ok((ImageShape { h: input[0], w: input[1], ..output }, [output.h, output.w]))
}

impl ResampleOps for GpuBackend {
    fn adaptive_avg_pool(&self, x: &GpuTensor, size: [usize; 2]) -> Result<GpuTensor> {
        let shape = kernels::image("adaptive_avg_pool", &x.shape)?;
        Ok(image_tensor(shape, size, self.gpu.adaptive_average(shape, size, &x.values)?))
    }

    fn adaptive_avg_pool_backward(&self, gy: &GpuTensor, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, size) = resampled("adaptive_avg_pool", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.adaptive_average_backward(shape, size, &gy.values)?))
    }

    fn bilinear_resize(&self, x: &GpuTensor, size: [usize; 2]) -> Result<GpuTensor> {
        let shape = kernels::image("bilinear_resize", &x.shape)?;
        Ok(image_tensor(shape, size, self.gpu.bilinear(shape, size, &x.values)?))
    }

    fn bilinear_resize_backward(&self, gy: &GpuTensor, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, size) = resampled("bilinear_resize", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.bilinear_backward(shape, size, &gy.values)?))
    }

    fn subsample(&self, x: &GpuTensor, step: usize) -> Result<GpuTensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let size = subsampled(shape, step)?;
        Ok(image_tensor(shape, size, self.gpu.subsample(shape, step, &x.values)?))
    }

    fn subsample_backward(&self, gy: &GpuTensor, step: usize, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, _) = resampled("subsample", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.subsample_backward(shape, step, &gy.values)?))
    }
}
