//! One test case: an operator, its inputs with repeatable values, and what is differentiated.

use pelk_autodiff::operators::ConcatChannels;
use pelk_autodiff::{Executor, Op, Operator, Result, Shape};
use pelk_random::{Purpose, name_hash, stream};
use rand::RngExt;

/// An operator with inputs for it.
pub struct Case {
    /// What the case is about, for messages; unique.
    pub name: String,
    pub op: Op,
    pub inputs: Vec<Input>,
    /// Which output is differentiated.
    pub objective: Objective,
}

pub struct Input {
    pub shape: Shape,
    pub values: Vec<f32>,
    pub differentiable: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Objective {
    First,
    Second,
    /// The second output joined with the first.
    Swapped,
}

impl Case {
    pub fn new(what: &str, op: impl Into<Op>, shapes: &[&[usize]]) -> Case {
        let op = op.into();
        let name = format!("{}, {what}", op.name());
        let input = |(index, shape): (usize, &&[usize])| Input {
            shape: Shape::from(shape),
            values: values(&name, index as u64, Shape::from(shape).elements()),
            differentiable: true,
        };
        let inputs = shapes.iter().enumerate().map(input).collect();
        Case { name, op, inputs, objective: Objective::First }
    }

    pub fn differentiating(self, objective: Objective) -> Case {
        Case { name: format!("{}, {objective:?}", self.name), objective, ..self }
    }

    /// The weights of the objective's values: the gradient to start from.
    pub fn seed(&self, len: usize) -> Vec<f32> {
        values(&self.name, u64::MAX, len)
    }

    /// The operator's outputs, and the one to be differentiated.
    pub fn run<E: Executor>(
        &self,
        executor: &mut E,
        inputs: &[E::Value],
    ) -> Result<(Vec<E::Value>, E::Value)> {
        let outputs = executor.apply(self.op.clone(), &inputs.iter().collect::<Vec<_>>())?;
        let objective = match self.objective {
            Objective::First => outputs[0].clone(),
            Objective::Second => outputs[1].clone(),
            Objective::Swapped => executor.apply_one(ConcatChannels, &[&outputs[1], &outputs[0]])?,
        };
        Ok((outputs, objective))
    }
}

/// Repeatable numbers in -1..1.
pub fn values(name: &str, index: u64, len: usize) -> Vec<f32> {
    let mut rng = stream(name_hash(name), Purpose::Init, index, 0);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}
