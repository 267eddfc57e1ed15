//! Changes of an image's height and width.

use super::checks::output;
use super::{ReferenceBackend, Tensor};
use crate::backend::ResampleOps;
use crate::kernels;
use crate::operators::{AdaptiveAvgPool, BilinearResize};
use crate::{Error, Result, Shape};
use pelk_cpu::reference::{pool, resize, subsample};
use pelk_ops::ImageShape;
use pelk_ops::resample::subsampled;

/// Height and width of the image `gy`, and the shape of an image of height and width `input` otherwise like
/// it.
fn resampled(operator: &'static str, gy: &Tensor, [h, w]: [usize; 2]) -> Result<([usize; 2], ImageShape)> {
    let output = kernels::image(operator, &gy.shape)?;
    Ok(([output.h, output.w], ImageShape::checked(operator, output.n, h, w, output.c)?))
}

fn image_tensor(shape: ImageShape, values: Vec<f64>) -> Tensor {
    Tensor::new(&Shape::from([shape.n, shape.h, shape.w, shape.c]), values)
}

impl ResampleOps for ReferenceBackend {
    fn adaptive_avg_pool(&self, x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        let shape = output(AdaptiveAvgPool { size }, [x])?;
        let image = kernels::image("adaptive_avg_pool", &x.shape)?;
        Ok(Tensor::new(&shape, pool::adaptive_average(image, size, &x.values)))
    }

    fn adaptive_avg_pool_backward(&self, gy: &Tensor, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("adaptive_avg_pool", gy, input)?;
        Ok(image_tensor(shape, pool::adaptive_average_backward(shape, size, &gy.values)))
    }

    fn bilinear_resize(&self, x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        let shape = output(BilinearResize { size }, [x])?;
        let image = kernels::image("bilinear_resize", &x.shape)?;
        Ok(Tensor::new(&shape, resize::bilinear(image, size, &x.values)))
    }

    fn bilinear_resize_backward(&self, gy: &Tensor, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("bilinear_resize", gy, input)?;
        Ok(image_tensor(shape, resize::bilinear_backward(shape, size, &gy.values)))
    }

    fn subsample(&self, x: &Tensor, step: usize) -> Result<Tensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let [h, w] = subsampled(shape, step)?;
        Ok(image_tensor(ImageShape { h, w, ..shape }, subsample::forward(shape, step, &x.values)))
    }

    fn subsample_backward(&self, gy: &Tensor, step: usize, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("subsample", gy, input)?;
        if subsampled(shape, step)? != size {
            let reason = format!("every {step} pixels of {input:?} are not those of {}", gy.shape);
            return Err(Error::Shape { operator: "subsample", reason });
        }
        Ok(image_tensor(shape, subsample::backward(shape, step, &gy.values)))
    }
}
