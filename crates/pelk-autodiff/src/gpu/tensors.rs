//! Buffers as tensors.

use super::GpuTensor;
use crate::Shape;
use crate::backend::Gradients;
use pelk_wgpu::Buffer;

/// Gradients with the shapes of the tensors that they belong to.
pub(super) fn gradients<const N: usize>(
    buffers: [Option<Buffer>; N],
    shapes: [&Shape; N],
) -> Gradients<GpuTensor, N> {
    let mut shapes = shapes.into_iter();
    buffers.map(|buffer| {
        let shape = shapes.next();
        buffer.zip(shape).map(|(buffer, shape)| GpuTensor::new(shape, buffer))
    })
}

pub(super) fn like(tensor: &GpuTensor, values: Buffer) -> GpuTensor {
    GpuTensor::new(&tensor.shape, values)
}

pub(super) fn vector(len: usize) -> Shape {
    Shape::from([len])
}
