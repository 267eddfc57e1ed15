//! Values as tensors.

use super::Tensor;
use crate::Shape;
use crate::backend::Gradients;
use pelk_cpu::reference::linear;

/// The gradients that are needed.
pub(super) fn wanted<const N: usize>(needs: [bool; N], gradients: [Tensor; N]) -> Gradients<Tensor, N> {
    let mut needs = needs.into_iter();
    gradients.map(|gradient| needs.next()?.then_some(gradient))
}

/// The gradients of a layer with a weight and a bias, one value of the bias per row of the weight.
pub(super) fn layer(
    g: linear::Gradients,
    x: &Tensor,
    weight: &Tensor,
    needs: [bool; 3],
) -> Gradients<Tensor, 3> {
    let bias = Tensor::new(&Shape::from([g.bias.len()]), g.bias);
    wanted(needs, [x.with(g.x), weight.with(g.weight), bias])
}

pub(super) fn map(x: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    x.with(x.values.iter().copied().map(f).collect())
}

pub(super) fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}
