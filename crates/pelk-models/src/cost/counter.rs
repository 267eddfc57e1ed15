//! The executor that counts: values are shapes, and every parameter and operator adds to the cost of its
//! part.

use super::part::Part;
use super::total::{NetworkCost, PartCost};
use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Role, Shape};
use std::collections::HashMap;
use std::sync::Arc;

/// How a paper counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperRules {
    /// Fraction of the backbone's weights that are kept.
    pub density: f64,
    /// Whether to count the multiply-adds of small kernels, as if they were not merged into the large ones;
    /// their parameters do not count.
    pub runs_small_kernels: bool,
}

impl PaperRules {
    /// All weights of the network in its inference form.
    pub const PLAIN: PaperRules = PaperRules { density: 1.0, runs_small_kernels: false };
}

/// A shape, and the parameter that it belongs to.
#[derive(Clone)]
pub(super) struct Counted {
    shape: Shape,
    parameter: Option<Arc<Parameter>>,
}

pub(super) struct Parameter {
    spec: ParameterSpec,
    part: Part,
}

pub(super) struct Counter {
    cost: NetworkCost,
    rules: PaperRules,
    seen: HashMap<String, Counted>,
}

impl Counter {
    pub fn new(rules: PaperRules) -> Counter {
        Counter { cost: NetworkCost::default(), rules, seen: HashMap::new() }
    }

    pub fn into_cost(self) -> NetworkCost {
        self.cost
    }

    /// The fraction of a parameter that sparsity keeps.
    fn density(&self, part: Part, role: Role) -> f64 {
        match (part, role) {
            (Part::Decoder | Part::AuxiliaryHead, _) => 1.0,
            (_, Role::Weight) => self.rules.density,
            _ => 1.0,
        }
    }
}

impl Counted {
    /// An input of the network.
    pub fn input(shape: Shape) -> Counted {
        Counted { shape, parameter: None }
    }
}

impl Executor for Counter {
    type Value = Counted;

    fn parameter(&mut self, spec: ParameterSpec) -> pelk_autodiff::Result<Counted> {
        if let Some(counted) = self.seen.get(&spec.name) {
            return Ok(counted.clone());
        }
        let part = Part::of(spec.place);
        if spec.role != Role::Buffer {
            let params = spec.shape.elements() as u64;
            let share = if part == Part::SmallKernel { 0.0 } else { self.density(part, spec.role) };
            *self.cost.parts.entry(part).or_default() +=
                PartCost { params, params_paper: params as f64 * share, ..PartCost::default() };
        }
        let name = spec.name.clone();
        let counted =
            Counted { shape: spec.shape.clone(), parameter: Some(Arc::new(Parameter { spec, part })) };
        self.seen.insert(name, counted.clone());
        Ok(counted)
    }

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Counted]) -> pelk_autodiff::Result<Vec<Counted>> {
        let op = op.into();
        let shapes: Vec<&Shape> = inputs.iter().map(|input| &input.shape).collect();
        let outputs = op.output_shapes(&shapes)?;
        let cost = op.cost(&shapes);
        // An operator counts toward its largest parameter after the first input: its weight, or the embedding
        // for the position term.
        let parameters = inputs.iter().skip(1).filter_map(|input| input.parameter.as_ref());
        if let Some(parameter) = parameters.rev().max_by_key(|parameter| parameter.spec.shape.elements()) {
            let part = parameter.part;
            let counts = part != Part::SmallKernel || self.rules.runs_small_kernels;
            let share = if counts { self.density(part, parameter.spec.role) } else { 0.0 };
            if part != Part::AuxiliaryHead {
                *self.cost.parts.entry(part).or_default() += PartCost {
                    macs_executed: cost.executed,
                    macs_paper: cost.dense as f64 * share,
                    ..PartCost::default()
                };
            }
        }
        // A value computed from a parameter alone still counts as that parameter.
        let parameter = if let [one] = inputs { one.parameter.clone() } else { None };
        Ok(outputs.into_iter().map(|shape| Counted { shape, parameter: parameter.clone() }).collect())
    }

    fn shape<'v>(&'v self, value: &'v Counted) -> &'v Shape {
        &value.shape
    }
}
