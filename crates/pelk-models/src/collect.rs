//! The executor that only looks: which parameters does a network ask for?

use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Result, Shape};
use std::collections::HashSet;
use std::sync::Arc;

/// Walks a definition with shapes for values and notes every parameter.
#[derive(Default)]
pub(crate) struct Collect {
    specs: Vec<ParameterSpec>,
    names: HashSet<String>,
}

impl Collect {
    pub fn into_specs(self) -> Vec<ParameterSpec> {
        self.specs
    }
}

impl Executor for Collect {
    type Value = Shape;

    fn parameter(&mut self, spec: ParameterSpec) -> Result<Shape> {
        let shape = spec.shape.clone();
        if self.names.insert(spec.name.clone()) {
            self.specs.push(spec);
        }
        Ok(shape)
    }

    fn set_buffer(&mut self, _name: &str, _value: Shape) {}

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        op.into().output_shapes(inputs)
    }

    fn shape<'v>(&'v self, value: &'v Shape) -> &'v Shape {
        value
    }

    fn training(&self) -> bool {
        false
    }

    fn drop_path_factors(&mut self, _rate: f32, _samples: usize) -> Option<Arc<[f32]>> {
        None
    }
}
