//! Shapes of tensors as the descriptions of pelk-ops, for the backends that call kernels.

use crate::{Error, Result, Shape};
use pelk_ops::{Conv2d, Conv2dShape, ConvTranspose2d, ImageShape, PixelMlp, PixelMlpShape};

/// The image in a tensor `[N, H, W, C]`.
pub(crate) fn image(operator: &'static str, shape: &Shape) -> Result<ImageShape> {
    match shape[..] {
        [n, h, w, c] => Ok(ImageShape::checked(operator, n, h, w, c)?),
        _ => {
            Err(Error::Shape { operator, reason: format!("wants an image [N, H, W, C], was given {shape}") })
        }
    }
}

/// [`image`] of several tensors.
pub(crate) fn images<'s>(
    operator: &'static str,
    shapes: impl IntoIterator<Item = &'s Shape>,
) -> Result<Vec<ImageShape>> {
    shapes.into_iter().map(|shape| image(operator, shape)).collect()
}

/// The shape of a tensor that holds this image.
pub(crate) fn image_shape(image: ImageShape) -> Shape {
    Shape::from([image.n, image.h, image.w, image.c])
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

/// The convolution that leads back from the output to `x`, for a `weight` `[I, O, kh, kw]`; its image is the
/// output.
pub(crate) fn conv_transpose2d(op: ConvTranspose2d, x: &Shape, weight: &Shape) -> Result<Conv2dShape> {
    const NAME: &str = "conv_transpose2d";
    let sizes = weight[..].try_into().map_err(|_| {
        let reason = format!("weight has shape {weight}, wanted [I, O, kh, kw]");
        Error::Shape { operator: NAME, reason }
    })?;
    Ok(op.shape(image(NAME, x)?, sizes)?)
}

/// The sizes of a pixel MLP on `x` `[.., C]` with a first bias `[H]`.
pub(crate) fn pixel_mlp(op: &PixelMlp, x: &Shape, bias: &Shape) -> PixelMlpShape {
    PixelMlpShape { rows: x.rows(), channels: x.channels(), hidden: bias.channels(), eps: op.eps }
}
