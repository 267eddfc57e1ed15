//! What pelk-cpu's functions ask for, in the words of this crate: shared by the backends that call them.

use crate::operators::{Conv2d, CrossEntropy};
use crate::{Error, Result, Shape};
use pelk_cpu::conv2d::Conv2dShape;
use pelk_cpu::loss;
use pelk_cpu::shape::ImageShape;

/// The image that a tensor `[N, H, W, C]` is.
pub(crate) fn image(operator: &'static str, shape: &Shape) -> Result<ImageShape> {
    match shape[..] {
        [n, h, w, c] => Ok(ImageShape::checked(operator, n, h, w, c)?),
        _ => {
            Err(Error::Shape { operator, reason: format!("wants an image [N, H, W, C], was given {shape}") })
        }
    }
}

/// The convolution of `x` `[N, H, W, I]` with `weight` `[O, I, kh, kw]`.
pub(crate) fn conv2d(op: Conv2d, x: &Shape, weight: &Shape) -> Result<Conv2dShape> {
    let &[outputs, _, kh, kw] = &weight[..] else {
        let reason = format!("weight has shape {weight}, wanted [O, I, kh, kw]");
        return Err(Error::Shape { operator: "conv2d", reason });
    };
    let image = image("conv2d", x)?;
    Ok(Conv2dShape { image, out_channels: outputs, kernel: [kh, kw], stride: op.stride, padding: op.padding })
}

/// The settings of a loss.
pub(crate) fn cross_entropy(op: &CrossEntropy) -> loss::CrossEntropy<'_> {
    loss::CrossEntropy {
        ignore_index: op.ignore_index,
        label_smoothing: op.label_smoothing,
        class_weights: &op.class_weights,
    }
}
