//! Inference: each operator runs at once and nothing is kept.

use crate::{Backend, Executor, Op, Operator, ParameterSpec, Parameters, Result, Shape};
use std::sync::Arc;

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

    /// In evaluation mode no operator makes new statistics.
    fn set_buffer(&mut self, _name: &str, _value: B::Tensor) {}

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&B::Tensor]) -> Result<Vec<B::Tensor>> {
        let op = op.into();
        let shapes: Vec<&Shape> = inputs.iter().map(|tensor| self.backend.shape(tensor)).collect();
        op.output_shapes(&shapes)?;
        Ok(op.forward(self.backend, inputs)?.outputs)
    }

    fn shape<'v>(&'v self, value: &'v B::Tensor) -> &'v Shape {
        self.backend.shape(value)
    }

    fn training(&self) -> bool {
        false
    }

    fn drop_path_factors(&mut self, _rate: f32, _samples: usize) -> Option<Arc<[f32]>> {
        None
    }
}
