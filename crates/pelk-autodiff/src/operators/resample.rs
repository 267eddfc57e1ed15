//! Changes of an image's height and width without weights.

use super::checks::{exactly, image_axes, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};

/// Mean over bins that cover the image, as PyTorch cuts them. Input: `[N, H, W, C]`. Output:
/// `[N, size.., C]`.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveAvgPool {
    /// Height and width of the output.
    pub size: [usize; 2],
}

/// Bilinear interpolation, corners not aligned. Input: `[N, H, W, C]`. Output: `[N, size.., C]`.
#[derive(Debug, Clone, Copy)]
pub struct BilinearResize {
    /// Height and width of the output.
    pub size: [usize; 2],
}

macro_rules! resample {
    ($op:ident, $name:literal, $forward:ident, $backward:ident) => {
        impl Operator for $op {
            fn name(&self) -> &'static str {
                $name
            }
            fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                let [x] = exactly(self.name(), inputs)?;
                let [n, h, w, c] = image_axes(self.name(), x)?;
                if self.size.contains(&0) || h == 0 || w == 0 {
                    return Err(misfit(
                        self.name(),
                        format!("cannot make {:?} pixels out of {x}", self.size),
                    ));
                }
                Ok(vec![Shape::from([n, self.size[0], self.size[1], c])])
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                let [x] = exactly(self.name(), inputs)?;
                Ok(Forward::one(backend.$forward(x, self.size)?, vec![]))
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                let gy = output_gradient(self.name(), gradients)?;
                let [_, h, w, _] = image_axes(self.name(), &context.shapes[0])?;
                Ok(vec![Some(backend.$backward(gy, [h, w])?)])
            }
        }
    };
}

resample!(AdaptiveAvgPool, "adaptive_avg_pool", adaptive_avg_pool, adaptive_avg_pool_backward);
resample!(BilinearResize, "bilinear_resize", bilinear_resize, bilinear_resize_backward);
