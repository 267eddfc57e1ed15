//! The GPU backend: pelk-wgpu's kernels on buffers of a device.

mod activation;
mod arithmetic;
mod channels;
mod conv2d;
mod depthwise;
mod linear;
mod loss;
mod max_pool;
mod normalization;
mod optimizer;
mod pixel_mlp;
mod position;
mod reduce;
mod resample;
mod residual;
mod roi_align;
mod storage;
mod tensors;

use crate::{Error, Result, Shape};
use pelk_wgpu::{Buffer, Gpu};
use std::fmt;
use std::sync::Arc;

/// Runs operators on a GPU; a clone is another handle of the same device.
///
/// Work is recorded and submitted in large batches; only [`Storage::download`](crate::Storage::download) and
/// [`ReduceOps::sum_of_squares`](crate::backend::ReduceOps::sum_of_squares) wait for it.
#[derive(Clone)]
pub struct GpuBackend {
    gpu: Gpu,
}

/// A tensor on the device; a clone shares its values.
#[derive(Clone)]
pub struct GpuTensor {
    shape: Shape,
    values: Arc<Buffer>,
}

impl GpuBackend {
    /// A backend on an open device. Activations are stored as the handle says: float32 or float16.
    pub fn new(gpu: Gpu) -> GpuBackend {
        GpuBackend { gpu }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The values, to be changed; copied first where other tensors share them.
    fn own<'t>(&self, tensor: &'t mut GpuTensor) -> Result<&'t Buffer> {
        if Arc::get_mut(&mut tensor.values).is_none() {
            tensor.values = Arc::new(self.gpu.copy(&tensor.values)?);
        }
        Ok(&tensor.values)
    }
}

impl GpuTensor {
    fn new(shape: &Shape, values: Buffer) -> GpuTensor {
        GpuTensor { shape: shape.clone(), values: Arc::new(values) }
    }
}

/// Checks tensors that no operator has checked.
fn expect_shape(operator: &'static str, actual: &GpuTensor, expected: &Shape) -> Result<()> {
    if actual.shape == *expected {
        return Ok(());
    }
    let reason = format!("a tensor has shape {}, wanted {expected}", actual.shape);
    Err(Error::Shape { operator, reason })
}

impl fmt::Debug for GpuBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuBackend({})", self.gpu.name())
    }
}

impl fmt::Debug for GpuTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuTensor({})", self.shape)
    }
}
