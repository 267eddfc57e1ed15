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
    /// The part that computed it.
    origin: Option<Part>,
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
        if part.is_sparse() && role == Role::Weight { self.rules.density } else { 1.0 }
    }
}

impl Counted {
    /// An input of the network.
    pub fn input(shape: Shape) -> Counted {
        Counted { shape, parameter: None, origin: None }
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
        let shape = spec.shape.clone();
        let parameter = Some(Arc::new(Parameter { spec, part }));
        let counted = Counted { shape, parameter, origin: Some(part) };
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
        let parameter = parameters.rev().max_by_key(|parameter| parameter.spec.shape.elements());
        // One without parameters counts for the part that computed its input.
        let origin = match parameter {
            Some(parameter) => Some(parameter.part),
            None => inputs.first().and_then(|input| input.origin),
        };
        if let Some(part) = origin.filter(|part| *part != Part::AuxiliaryHead) {
            let counts = part != Part::SmallKernel || self.rules.runs_small_kernels;
            let role = parameter.map_or(Role::NoDecay, |parameter| parameter.spec.role);
            let share = if counts { self.density(part, role) } else { 0.0 };
            let added = if counts { mmcv_extra(&op, part, inputs, &outputs[0]) } else { 0 };
            *self.cost.parts.entry(part).or_default() += PartCost {
                macs_executed: cost.executed,
                macs_paper: cost.dense as f64 * share,
                mmcv_extra: added as u64,
                ..PartCost::default()
            };
        }
        // A value computed from a parameter alone still counts as that parameter.
        let parameter = if let [one] = inputs { one.parameter.clone() } else { None };
        let counted = |shape| Counted { shape, parameter: parameter.clone(), origin };
        Ok(outputs.into_iter().map(counted).collect())
    }

    fn shape<'v>(&'v self, value: &'v Counted) -> &'v Shape {
        &value.shape
    }
}

/// What MMCV's counter adds to the multiply-adds of an operator (`mmcv/cnn/utils/flops_counter.py`): an
/// operation for each output of a convolution with bias and of a ReLU that is a module. It passes over
/// synchronized BatchNorms, and over the ReLU of the region proposal network, which is a function there. For
/// transposed convolutions it takes the height for the width. With these rules, and not with BatchNorms, all
/// printed numbers come out.
fn mmcv_extra(op: &Op, part: Part, inputs: &[&Counted], output: &Shape) -> usize {
    // The position term of a large kernel is added like a bias, but does not belong to the convolution.
    let has_bias = inputs.get(2).is_some_and(|bias| bias.origin != Some(Part::Position));
    match op {
        Op::Conv2d(_) | Op::DepthwiseConv(_) if has_bias => output.elements(),
        Op::ConvTranspose2d(_) if has_bias => output[0] * output[1] * output[1] * output[3],
        Op::Relu(_) if part != Part::RegionProposal => output.elements(),
        _ => 0,
    }
}
