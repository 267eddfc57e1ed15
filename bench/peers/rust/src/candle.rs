//! candle's depthwise convolution.

use crate::Shape;
use anyhow::Result;
use candle_core::{Device, Tensor, Var};

fn inputs(shape: Shape) -> Result<(Tensor, Tensor)> {
    let Shape { c, h, .. } = shape;
    let k = shape.side();
    let x = Tensor::from_vec(shape.image(), (1, c, h, h), &Device::Cpu)?;
    Ok((x, Tensor::from_vec(shape.weight(), (c, 1, k, k), &Device::Cpu)?))
}

fn convolve(shape: Shape, x: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    x.conv2d(weight, shape.side() / 2, 1, 1, shape.c)
}

pub fn output(shape: Shape) -> Result<Vec<f32>> {
    let (x, weight) = inputs(shape)?;
    Ok(convolve(shape, &x, &weight)?.flatten_all()?.to_vec1()?)
}

pub fn forward(shape: Shape) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let (x, weight) = inputs(shape)?;
    Ok(Box::new(move || {
        std::hint::black_box(convolve(shape, &x, &weight)?);
        Ok(())
    }))
}

/// The gradient that arrives is 1 everywhere: candle's `backward` starts from ones.
pub fn forward_backward(shape: Shape) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let (x, weight) = inputs(shape)?;
    let (x, weight) = (Var::from_tensor(&x)?, Var::from_tensor(&weight)?);
    Ok(Box::new(move || {
        let gradients = convolve(shape, &x, &weight)?.backward()?;
        std::hint::black_box((gradients.get(&x), gradients.get(&weight)));
        Ok(())
    }))
}
