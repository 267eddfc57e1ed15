//! burn's depthwise convolution, on two of its backends for the CPU.

use crate::Shape;
use anyhow::Result;
use burn_tensor::module::conv2d;
use burn_tensor::ops::ConvOptions;
use burn_tensor::{Device, Tensor, TensorData};

/// Deprecated since burn 0.22, and still what many programs use.
#[allow(deprecated)]
pub fn ndarray() -> Device {
    Device::ndarray()
}

pub fn flex() -> Device {
    Device::flex()
}

fn inputs(shape: Shape, device: &Device) -> (Tensor<4>, Tensor<4>) {
    let Shape { c, h, .. } = shape;
    let k = shape.side();
    let x = Tensor::from_data(TensorData::new(shape.image(), [1, c, h, h]), device);
    (x, Tensor::from_data(TensorData::new(shape.weight(), [c, 1, k, k]), device))
}

fn convolve(shape: Shape, x: &Tensor<4>, weight: &Tensor<4>) -> Tensor<4> {
    let padding = shape.side() / 2;
    let options = ConvOptions::new([1, 1], [padding, padding], [1, 1], shape.c);
    conv2d(x.clone(), weight.clone(), None, options)
}

pub fn output(shape: Shape, device: &Device) -> Result<Vec<f32>> {
    let (x, weight) = inputs(shape, device);
    Ok(convolve(shape, &x, &weight).into_data().try_to_vec::<f32>()?)
}

pub fn forward(shape: Shape, device: &Device) -> Box<dyn FnMut() -> Result<()>> {
    let (x, weight) = inputs(shape, device);
    Box::new(move || {
        std::hint::black_box(convolve(shape, &x, &weight));
        Ok(())
    })
}

/// The gradient that arrives is 1 everywhere: that of the sum of the output.
pub fn forward_backward(shape: Shape, device: &Device) -> Box<dyn FnMut() -> Result<()>> {
    let (x, weight) = inputs(shape, &device.clone().autodiff());
    Box::new(move || {
        let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
        let gradients = convolve(shape, &x, &weight).sum().backward();
        std::hint::black_box((x.grad(&gradients), weight.grad(&gradients)));
        Ok(())
    })
}
