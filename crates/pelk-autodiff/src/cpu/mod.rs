//! The CPU backend: pelk-cpu's kernels on pooled buffers.

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
mod pool;
mod position;
mod reduce;
mod resample;
mod residual;
mod roi_align;
mod storage;

use crate::{Error, Result, Shape};
use pelk_cpu::Rows;
use pelk_cpu::shape::ShapeError;
use pelk_simd::Level;
use pool::{Buffer, Pool};
use std::fmt;
use std::sync::Arc;

/// Runs operators on the processor, with rayon's current threads.
#[derive(Clone)]
pub struct CpuBackend {
    level: Level,
    pool: Pool,
}

/// A tensor in memory; a clone shares its values.
#[derive(Clone)]
pub struct CpuTensor {
    shape: Shape,
    values: Arc<Buffer>,
}

impl CpuBackend {
    /// A backend with the instructions that `PELK_SIMD` names, or the best of this processor.
    ///
    /// # Errors
    /// When `PELK_SIMD` names a level that does not exist or that the processor lacks.
    pub fn new() -> Result<CpuBackend> {
        Ok(CpuBackend::with_level(Level::from_env()?))
    }

    /// A backend with the instructions of `level`.
    pub fn with_level(level: Level) -> CpuBackend {
        CpuBackend { level, pool: Pool::default() }
    }

    /// The instructions in use.
    pub fn level(&self) -> Level {
        self.level
    }

    /// A new tensor whose values `fill` writes; they may hold anything before.
    fn make<E>(
        &self,
        shape: Shape,
        fill: impl FnOnce(&mut [f32]) -> std::result::Result<(), E>,
    ) -> Result<CpuTensor>
    where
        Error: From<E>,
    {
        let mut values = self.pool.take(shape.elements());
        fill(&mut values)?;
        Ok(CpuTensor::new(&shape, values))
    }

    /// A new tensor with these values.
    fn copy_of(&self, shape: Shape, values: &[f32]) -> CpuTensor {
        CpuTensor::new(&shape, self.pool.take_copy(values))
    }

    /// A place for the gradient of a vector, if it is needed.
    fn vector_slot(&self, wanted: bool, len: usize) -> GradientSlot {
        GradientSlot { shape: Shape::from([len]), values: wanted.then(|| self.pool.take(len)) }
    }

    /// A place for a gradient, if it is needed.
    fn slot(&self, wanted: bool, like: &CpuTensor) -> GradientSlot {
        GradientSlot { shape: like.shape.clone(), values: wanted.then(|| self.pool.take(like.values.len())) }
    }
}

/// The buffer of a gradient, if it is needed.
struct GradientSlot {
    shape: Shape,
    values: Option<Buffer>,
}

impl GradientSlot {
    fn slice(&mut self) -> Option<&mut [f32]> {
        self.values.as_deref_mut()
    }

    fn done(self) -> Option<CpuTensor> {
        Some(CpuTensor::new(&self.shape, self.values?))
    }
}

impl CpuTensor {
    fn new(shape: &Shape, values: Buffer) -> CpuTensor {
        CpuTensor { shape: shape.clone(), values: Arc::new(values) }
    }

    /// The values as a matrix of all other dimensions by channels.
    fn rows(&self) -> std::result::Result<Rows<'_>, ShapeError> {
        Rows::new(&self.values, self.shape.channels())
    }

    /// The values, to be changed; copied first where other tensors share them.
    fn values_mut(&mut self) -> &mut [f32] {
        Arc::<Buffer>::make_mut(&mut self.values)
    }
}

impl fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuBackend({})", self.level)
    }
}

impl fmt::Debug for CpuTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuTensor({})", self.shape)
    }
}
