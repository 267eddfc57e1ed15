//! Changes of an image's height and width.

use super::{CpuBackend, CpuTensor};
use crate::backend::ResampleOps;
use crate::kernels;
use crate::{Result, Shape};
use pelk_cpu::{pool, resize, subsample};
use pelk_ops::ImageShape;

impl ResampleOps for CpuBackend {
    fn adaptive_avg_pool(&self, x: &CpuTensor, size: [usize; 2]) -> Result<CpuTensor> {
        let shape = kernels::image("adaptive_avg_pool", &x.shape)?;
        self.make(Shape::from([shape.n, size[0], size[1], shape.c]), |y| {
            pool::adaptive_average(self.level, shape, size, &x.values, y)
        })
    }

    fn adaptive_avg_pool_backward(&self, gy: &CpuTensor, input: [usize; 2]) -> Result<CpuTensor> {
        let output = kernels::image("adaptive_avg_pool", &gy.shape)?;
        let shape = ImageShape { h: input[0], w: input[1], ..output };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            pool::adaptive_average_backward(self.level, shape, [output.h, output.w], &gy.values, gx)
        })
    }

    fn bilinear_resize(&self, x: &CpuTensor, size: [usize; 2]) -> Result<CpuTensor> {
        let shape = kernels::image("bilinear_resize", &x.shape)?;
        self.make(Shape::from([shape.n, size[0], size[1], shape.c]), |y| {
            resize::bilinear(self.level, shape, size, &x.values, y)
        })
    }

    fn bilinear_resize_backward(&self, gy: &CpuTensor, input: [usize; 2]) -> Result<CpuTensor> {
        let output = kernels::image("bilinear_resize", &gy.shape)?;
        let shape = ImageShape { h: input[0], w: input[1], ..output };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            resize::bilinear_backward(self.level, shape, [output.h, output.w], &gy.values, gx)
        })
    }

    fn subsample(&self, x: &CpuTensor, step: usize) -> Result<CpuTensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let [h, w] = subsample::size(shape, step)?;
        self.make(Shape::from([shape.n, h, w, shape.c]), |y| {
            subsample::forward(self.level, shape, step, &x.values, y)
        })
    }

    fn subsample_backward(&self, gy: &CpuTensor, step: usize, input: [usize; 2]) -> Result<CpuTensor> {
        let shape = ImageShape { h: input[0], w: input[1], ..kernels::image("subsample", &gy.shape)? };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            subsample::backward(self.level, shape, step, &gy.values, gx)
        })
    }
}
