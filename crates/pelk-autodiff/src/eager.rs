//! Inference: each operator runs immediately and nothing is kept.

use crate::{Backend, Executor, Op, Operator, ParameterSpec, Parameters, Result, Shape};

/// Runs a network in evaluation mode.
pub struct Eager<'a, B: Backend> {
    backend: &'a B,
    parameters: &'a Parameters<B>,
}

impl<'a, B: Backend> Eager<'a, B> {
    /// An executor over these weights.
    pub fn new(backend: &'a B, parameters: &'a Parameters<B>) -> Eager<'a, B> {
        Eager { backend, parameters }
    }
}

impl<B: Backend> Executor for Eager<'_, B> {
    type Value = B::Tensor;

    fn parameter(&mut self, spec: ParameterSpec) -> Result<B::Tensor> {
        self.parameters.get(self.backend, &spec).cloned()
    }

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&B::Tensor]) -> Result<Vec<B::Tensor>> {
        let op = op.into();
        let shapes: Vec<&Shape> = inputs.iter().map(|tensor| self.backend.shape(tensor)).collect();
        op.output_shapes(&shapes)?;
        Ok(op.forward(self.backend, inputs)?.outputs)
    }

    fn shape<'v>(&'v self, value: &'v B::Tensor) -> &'v Shape {
        self.backend.shape(value)
    }
}
