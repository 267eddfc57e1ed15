//! Changes of an image's height and width without weights.

use super::checks::{exactly, image_axes, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::resample::{Axis, bins, nearest, neighbors};

/// An operator that brings images to `size` pixels along the axes that `$axis(inputs, outputs)` makes.
macro_rules! resample {
    ($(#[$doc:meta])* $op:ident, $name:literal, $axis:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $op {
            /// Height and width of the output.
            pub size: [usize; 2],
        }

        impl $op {
            fn axes(self, x: &Shape) -> Result<[Axis; 2]> {
                let [_, h, w, _] = image_axes($name, x)?;
                Ok([$axis(h, self.size[0]), $axis(w, self.size[1])])
            }
        }

        impl Operator for $op {
            fn name(&self) -> &'static str {
                $name
            }
            fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
                let [x] = exactly($name, inputs)?;
                let ([n, h, w, c], size) = (image_axes($name, x)?, self.size);
                if size.contains(&0) || h == 0 || w == 0 {
                    return Err(misfit($name, format!("cannot make {size:?} pixels out of {x}")));
                }
                Ok(vec![Shape::from([n, size[0], size[1], c])])
            }
            fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
                let [x] = exactly($name, inputs)?;
                let [rows, columns] = self.axes(backend.shape(x))?;
                Ok(Forward::one(backend.resample(x, &rows, &columns)?, vec![]))
            }
            fn backward<B: Backend>(
                &self,
                backend: &B,
                context: &Context<'_, B::Tensor>,
                gradients: &[Option<B::Tensor>],
            ) -> Result<InputGradients<B::Tensor>> {
                let gy = output_gradient($name, gradients)?;
                let [rows, columns] = self.axes(&context.shapes[0])?;
                Ok(vec![Some(backend.resample(gy, &rows.transposed(), &columns.transposed())?)])
            }
        }
    };
}

resample! {
    /// Mean over bins that cover the image, as PyTorch cuts them; see [`bins`]. Input: `[N, H, W, C]`.
    /// Output: `[N, size.., C]`.
    AdaptiveAvgPool, "adaptive_avg_pool", bins
}
resample! {
    /// Bilinear interpolation, corners not aligned; see [`neighbors`]. Input: `[N, H, W, C]`. Output:
    /// `[N, size.., C]`.
    BilinearResize, "bilinear_resize", neighbors
}
resample! {
    /// The nearest pixel above and left of each place; see [`nearest`]. Input: `[N, H, W, C]`. Output:
    /// `[N, size.., C]`.
    NearestResize, "nearest_resize", nearest
}
