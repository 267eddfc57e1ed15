//! Changes of an image's height and width.

use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::ResampleOps;
use crate::kernels;
use pelk_cpu::reference::resample;
use pelk_ops::resample::{Axis, output};

impl ResampleOps for ReferenceBackend {
    fn resample(&self, x: &Tensor, rows: &Axis, columns: &Axis) -> Result<Tensor> {
        let shape = kernels::image("resample", &x.shape)?;
        let output = kernels::image_shape(output(shape, rows, columns)?);
        Ok(Tensor::new(&output, resample::resample(shape, rows, columns, &x.values)))
    }
}
