//! The interface of an operator.

use crate::{Backend, Result, Shape};

/// Multiply-adds of one call of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// As papers count them: every tap of a dense kernel, including those on the padding.
    pub dense: u64,
    /// As computed here: one multiply-add per region of the sharing grid.
    pub executed: u64,
}

impl Cost {
    /// A cost that sharing does not change.
    pub fn plain(multiply_adds: usize) -> Cost {
        Cost { dense: multiply_adds as u64, executed: multiply_adds as u64 }
    }
}

/// The outputs of an operator, and the tensors that its gradient needs.
pub struct Forward<T> {
    /// The outputs, in the operator's documented order.
    pub outputs: Vec<T>,
    /// Tensors kept for [`Operator::backward`]; inputs are among them only where the gradient needs them.
    pub saved: Vec<T>,
}

impl<T> Forward<T> {
    /// One output.
    pub fn one(output: T, saved: Vec<T>) -> Forward<T> {
        Forward { outputs: vec![output], saved }
    }
}

/// The inputs of [`Operator::backward`].
pub struct Context<'a, T> {
    /// The tensors that the forward kept.
    pub saved: &'a [T],
    /// The shapes of the forward's inputs.
    pub shapes: &'a [Shape],
    /// For each input, whether its gradient is needed.
    pub needs: &'a [bool],
}

/// The gradients of an operator's inputs, in their order; `None` where it is not needed or does not exist.
pub type InputGradients<T> = Vec<Option<T>>;

/// An operator, with its gradient.
pub trait Operator {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// The shapes of the outputs.
    ///
    /// # Errors
    /// When the operator cannot take inputs of these shapes.
    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>>;

    /// The multiply-adds of one call; element-wise work is not counted, as in papers.
    fn cost(&self, inputs: &[&Shape]) -> Cost {
        let _ = inputs;
        Cost::default()
    }

    /// The inputs that are weights of linear layers, `[outputs, inputs]`, counted from zero. A backend may
    /// prepare those that many calls will use unchanged.
    fn weights(&self) -> &'static [usize] {
        &[]
    }

    /// Computes the outputs, and keeps what the gradient needs.
    ///
    /// # Errors
    /// When the backend returns an error.
    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>>;

    /// The gradients of the inputs, given those of the outputs. Only the first output of an operator is ever
    /// differentiated, except for [`SplitChannels`](super::SplitChannels), where the gradient of one part may
    /// be missing.
    ///
    /// # Errors
    /// When the backend returns an error.
    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>>;
}
