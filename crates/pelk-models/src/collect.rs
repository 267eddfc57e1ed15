//! An executor that lists a network's parameters.

use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Result, Shape};
use std::collections::HashSet;

/// Runs a definition with shapes as values and records every parameter.
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

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        op.into().output_shapes(inputs)
    }

    fn shape<'v>(&'v self, value: &'v Shape) -> &'v Shape {
        value
    }
}
