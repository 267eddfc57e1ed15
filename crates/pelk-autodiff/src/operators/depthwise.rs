//! Depthwise convolution on sharing grids: peripheral, dense and stripe kernels are one operator.

use super::{
    Context, Cost, Forward, InputGradients, Operator, image_axes, misfit, needs, output_gradient,
    with_optional,
};
use crate::{Backend, Result, Shape};
use pelk_grid::SharingGrid;

/// Depthwise convolution, stride 1, zero padding to the same size. Inputs: x `[N, H, W, C]`, theta `[C, k', l']`
/// (or `[C, 1, k', l']`, as PyTorch stores depthwise weights), optionally a bias, `[C]` or a map `[H, W, C]`.
/// Output: `[N, H, W, C]`.
///
/// The kernel of k x l taps is constant on the regions of the two grids (Eq. 1 of the paper). On dense grids this is the
/// ordinary depthwise convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthwiseConv {
    /// The grid of the kernel's rows: k taps, k' cells.
    pub rows: SharingGrid,
    /// The grid of the kernel's columns: l taps, l' cells.
    pub columns: SharingGrid,
}

impl DepthwiseConv {
    /// The same grid in both directions, as in the paper.
    pub fn square(grid: SharingGrid) -> DepthwiseConv {
        DepthwiseConv { rows: grid.clone(), columns: grid }
    }
}

impl Operator for DepthwiseConv {
    fn name(&self) -> &'static str {
        if self.rows.is_dense() && self.columns.is_dense() { "depthwise_conv" } else { "peripheral_conv" }
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, theta], bias) = with_optional(self.name(), inputs)?;
        let [_, h, w, c] = image_axes(self.name(), x)?;
        let (k, l) = (self.rows.cells(), self.columns.cells());
        if theta[..] != [c, k, l] && theta[..] != [c, 1, k, l] {
            return Err(misfit(
                self.name(),
                format!("theta has shape {theta}, wanted [{c}, {k}, {l}] for x {x}"),
            ));
        }
        match bias {
            Some(bias) if bias[..] != [c] && bias[..] != [h, w, c] => {
                Err(misfit(self.name(), format!("bias has shape {bias}, wanted [{c}] or [{h}, {w}, {c}]")))
            }
            _ => Ok(vec![x.clone()]),
        }
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        let count = |k: usize, l: usize| (inputs[0].elements() * k * l) as u64;
        Cost {
            dense: count(self.rows.kernel(), self.columns.kernel()),
            executed: count(self.rows.cells(), self.columns.cells()),
        }
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, theta], bias) = with_optional(self.name(), inputs)?;
        let y = backend.depthwise_conv(self, x, theta, bias)?;
        Ok(Forward::one(y, vec![x.clone(), theta.clone()]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, theta] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        let [gx, gtheta, gbias] = needs(context);
        let [gx, gtheta] = backend.depthwise_conv_backward(self, x, theta, gy, [gx, gtheta])?;
        let gbias = if gbias { Some(backend.sum_leading(gy, &context.shapes[2])?) } else { None };
        Ok(vec![gx, gtheta, gbias])
    }
}
