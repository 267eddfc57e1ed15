//! Counting parameters and multiply-adds, in the papers' way and as truly computed.

use crate::Network;
use crate::error::{ModelError, Result};
use crate::families::Place;
use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Role, Shape};
use std::collections::HashMap;
use std::sync::Arc;

/// What a share of the cost is spent on (the parts of the paper's Fig. 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The convolutions before the first stage.
    Stem,
    /// Convolutions between stages.
    Downsampling,
    /// Large depthwise kernels: peripheral, dense, stripes or bands.
    LargeKernel,
    /// The dense branch beside the large kernel. The paper's way counts no parameters here, since the branch is merged into the
    /// large kernel for inference, and multiply-adds for some tasks only.
    SmallKernel,
    /// Kernel-wise position embedding.
    Position,
    /// The pixel MLPs, and other 1 x 1 convolutions of a block.
    Mlp,
    /// Normalization and layer scale.
    Normalization,
    /// The classifier.
    Head,
    /// UperNet, but for its auxiliary head.
    Decoder,
    /// A head that exists in training only: its parameters count, its multiply-adds do not.
    AuxiliaryHead,
}

impl Part {
    /// All parts, in the order of the network.
    pub const ALL: [Part; 10] = [
        Part::Stem,
        Part::Downsampling,
        Part::LargeKernel,
        Part::SmallKernel,
        Part::Position,
        Part::Mlp,
        Part::Normalization,
        Part::Head,
        Part::Decoder,
        Part::AuxiliaryHead,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Stem => "stem",
            Part::Downsampling => "downsampling",
            Part::LargeKernel => "large kernels",
            Part::SmallKernel => "small kernels",
            Part::Position => "position embedding",
            Part::Mlp => "pixel MLP",
            Part::Normalization => "normalization, layer scale",
            Part::Head => "head",
            Part::Decoder => "UperNet",
            Part::AuxiliaryHead => "auxiliary head",
        }
    }

    /// The part that a parameter belongs to, by its name, and whether it is one of a convolution or linear layer.
    fn of(name: &str, layer: bool) -> Part {
        let is = |parts: &[&str]| name.split('.').any(|piece| parts.contains(&piece));
        let place = Place::of(name);
        if place == Some(Place::Position) {
            Part::Position
        } else if name.starts_with("head.") {
            Part::Head
        } else if name.starts_with("decode_head.") {
            Part::Decoder
        } else if name.starts_with("auxiliary_head.") {
            Part::AuxiliaryHead
        } else if is(&["small", "small_bn"]) {
            Part::SmallKernel
        } else if !layer {
            Part::Normalization
        } else if is(&["large", "dwconv", "vertical", "horizontal", "dwconv_hw", "dwconv_w", "dwconv_h"]) {
            Part::LargeKernel
        } else {
            match place {
                Some(Place::Stem) => Part::Stem,
                Some(Place::Downsampling(_)) => Part::Downsampling,
                _ => Part::Mlp,
            }
        }
    }
}

/// Parameters and multiply-adds of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PartCost {
    /// Trained values (running statistics excluded).
    pub params: u64,
    /// The same as the paper counts them: the backbone's weights times the density, all else in full.
    pub params_paper: f64,
    /// Multiply-adds as computed here, all weights present.
    pub macs_executed: u64,
    /// Multiply-adds as the paper counts them: dense large kernels, padding included; the backbone's times the density.
    pub macs_paper: f64,
}

impl std::ops::AddAssign for PartCost {
    fn add_assign(&mut self, other: PartCost) {
        self.params += other.params;
        self.params_paper += other.params_paper;
        self.macs_executed += other.macs_executed;
        self.macs_paper += other.macs_paper;
    }
}

/// The cost of a network for one image.
#[derive(Debug, Clone, Default)]
pub struct NetworkCost {
    parts: HashMap<Part, PartCost>,
}

impl NetworkCost {
    /// The cost of one part.
    pub fn part(&self, part: Part) -> PartCost {
        self.parts.get(&part).copied().unwrap_or_default()
    }

    /// The sum over all parts.
    pub fn total(&self) -> PartCost {
        let mut total = PartCost::default();
        for part in Part::ALL {
            total += self.part(part);
        }
        total
    }
}

/// How a paper counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperRules {
    /// Share of the backbone's weights that it keeps.
    pub density: f64,
    /// Whether the multiply-adds of small kernels count, as if they were not merged into the large ones; their parameters do
    /// not.
    pub runs_small_kernels: bool,
}

impl PaperRules {
    /// All weights of the network in its inference form.
    pub const PLAIN: PaperRules = PaperRules { density: 1.0, runs_small_kernels: false };
}

/// Counts a network for one image of `[height, width]` pixels, as computed here and by the rules of a paper.
///
/// # Errors
/// When the image is too small for the network.
pub fn count(network: &Network, [height, width]: [usize; 2], rules: PaperRules) -> Result<NetworkCost> {
    let (size, smallest) = (height.min(width), network.config().smallest_input());
    if size < smallest {
        return Err(ModelError::config("size", format!("is {size}, the network needs at least {smallest}")));
    }
    let mut counter = Counter { cost: NetworkCost::default(), rules, seen: HashMap::new() };
    let images =
        Counted { shape: Shape::from([1, height, width, network.config().in_channels]), parameter: None };
    network.outputs(&mut counter, &images)?;
    Ok(counter.cost)
}

/// Every trained parameter of a network, and the part that it belongs to, in the order of the definition.
///
/// # Errors
/// When the configuration makes no network.
pub fn parts(network: &Network) -> Result<Vec<(ParameterSpec, Part)>> {
    let mut counter =
        Counter { cost: NetworkCost::default(), rules: PaperRules::PLAIN, seen: HashMap::new() };
    let side = network.config().smallest_input();
    let shape = Shape::from([1, side, side, network.config().in_channels]);
    network.outputs(&mut counter, &Counted { shape, parameter: None })?;
    let part = |spec: ParameterSpec| {
        let parameter = counter.seen.get(&spec.name)?.parameter.as_ref()?;
        (spec.role != Role::Buffer).then_some((spec, parameter.part))
    };
    Ok(network.parameters()?.into_iter().filter_map(part).collect())
}

/// A shape, and the parameter that has it.
#[derive(Clone)]
struct Counted {
    shape: Shape,
    parameter: Option<Arc<Parameter>>,
}

struct Parameter {
    spec: ParameterSpec,
    part: Part,
}

struct Counter {
    cost: NetworkCost,
    rules: PaperRules,
    seen: HashMap<String, Counted>,
}

impl Counter {
    /// The part that a parameter belongs to. A vector is a layer's bias where the weight beside it is more than a vector.
    fn part(&self, spec: &ParameterSpec) -> Part {
        let is_layer = |shape: &Shape| shape.len() > 1;
        let weight = spec.name.strip_suffix("bias").map(|path| format!("{path}weight"));
        let beside = weight.and_then(|weight| self.seen.get(&weight));
        Part::of(&spec.name, is_layer(&spec.shape) || beside.is_some_and(|weight| is_layer(&weight.shape)))
    }

    /// The share of a parameter that is left when sparsity has taken its part.
    fn density(&self, part: Part, role: Role) -> f64 {
        match (part, role) {
            (Part::Decoder | Part::AuxiliaryHead, _) => 1.0,
            (_, Role::Weight) => self.rules.density,
            _ => 1.0,
        }
    }
}

impl Executor for Counter {
    type Value = Counted;

    fn parameter(&mut self, spec: ParameterSpec) -> pelk_autodiff::Result<Counted> {
        if let Some(counted) = self.seen.get(&spec.name) {
            return Ok(counted.clone());
        }
        let part = self.part(&spec);
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
        // An operator is charged to the largest parameter after its first input: its weight, and for the position
        // term the embedding.
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
        // What is made of a parameter alone is still that parameter.
        let parameter = if let [one] = inputs { one.parameter.clone() } else { None };
        Ok(outputs.into_iter().map(|shape| Counted { shape, parameter: parameter.clone() }).collect())
    }

    fn shape<'v>(&'v self, value: &'v Counted) -> &'v Shape {
        &value.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::{Model, PaperNumbers, Task, configure, models};
    use crate::{ModelSpec, ThetaScale};

    fn total(model: &Model, printed: &PaperNumbers) -> PartCost {
        let PaperNumbers { task, size, .. } = *printed;
        let network = Network::new(model.configure_for(task, 3, task.classes()).unwrap()).unwrap();
        let rules = PaperRules { density: model.density, runs_small_kernels: task.runs_small_kernels() };
        count(&network, size, rules).unwrap().total()
    }

    /// The bound that the printed digits allow.
    fn close(actual: f64, printed: f64) -> bool {
        (actual / printed - 1.0).abs() < 0.015
    }

    #[test]
    fn factors_of_means_cost_what_taps_cost() {
        let [sums, means] = [ThetaScale::Sum, ThetaScale::Mean].map(|theta_scale| {
            let spec = ModelSpec { theta_scale: Some(theta_scale), ..ModelSpec::named("pelk_atto") };
            let network = Network::new(configure(&spec, 3, 10).unwrap()).unwrap();
            count(&network, [28, 28], PaperRules::PLAIN).unwrap()
        });
        assert_eq!(sums.parts, means.parts);
    }

    #[test]
    fn the_parts_hold_every_trained_parameter_as_they_are_counted() {
        for model in models() {
            let network = Network::new(model.configure(3, 10).unwrap()).unwrap();
            let side = network.config().smallest_input();
            let counted = count(&network, [side, side], PaperRules::PLAIN).unwrap();
            let parts = parts(&network).unwrap();
            for part in Part::ALL {
                let values = parts.iter().filter(|(_, of)| *of == part);
                let sum: usize = values.map(|(spec, _)| spec.shape.elements()).sum();
                assert_eq!(sum as u64, counted.part(part).params, "{}: {}", model.name, part.name());
            }
        }
    }

    #[test]
    fn parameters_agree_with_the_papers() {
        for model in models() {
            for printed in model.paper {
                let millions = total(&model, printed).params_paper / 1e6;
                assert!(close(millions, printed.params_m), "{}: {millions} M, not {printed:?}", model.name);
            }
        }
    }

    #[test]
    fn multiply_adds_agree_with_the_papers_but_for_three_cells() {
        for model in models() {
            for printed in model.paper {
                let thousands = total(&model, printed).macs_paper / 1e9;
                // The papers print for T and S at 224 up to 0.2 less than is counted here (PeLK: 5.6 and 10.7 instead of 5.8
                // and 10.9), while PeLK's own numbers at 2048 x 512 follow from this count; SLaK-S is within the bound.
                let known =
                    ["pelk_t", "pelk_s", "slak_t"].contains(&model.name) && printed.task == Task::ImageNet;
                assert_eq!(
                    close(thousands, printed.macs_g),
                    !known,
                    "{}: {thousands} G, {printed:?}",
                    model.name
                );
            }
        }
    }

    #[test]
    fn rivals_with_families_of_their_own_cost_what_the_published_code_costs() {
        // All parameters, and the multiply-adds of all convolutions and linear layers but RepLKNet's small kernels, counted on the
        // published PyTorch code (sail-sg/inceptionnext 3f9769c, DingXiaoH/RepLKNet-pytorch b76808a).
        for (name, size, params, macs) in [
            ("inceptionnext_t", 224, 28_055_680, 4_188_634_272),
            ("inceptionnext_s", 224, 49_374_016, 8_355_682_080),
            ("inceptionnext_b", 224, 86_672_136, 14_841_072_000),
            ("inceptionnext_b", 384, 86_672_136, 43_602_524_160),
            ("replknet_31b", 224, 79_864_168, 15_353_525_248),
            ("replknet_31b", 384, 79_864_168, 45_118_578_688),
        ] {
            let config = configure(&ModelSpec::named(name), 3, 1000).unwrap();
            let total =
                count(&Network::new(config).unwrap(), [size, size], PaperRules::PLAIN).unwrap().total();
            assert_eq!((total.params, total.macs_paper as u64), (params, macs), "{name} at {size}");
        }
    }

    #[test]
    fn every_part_of_a_family_is_counted_as_what_it_is() {
        let parts = |name| {
            let config = configure(&ModelSpec::named(name), 3, 10).unwrap();
            let cost = count(&Network::new(config).unwrap(), [28, 28], PaperRules::PLAIN).unwrap();
            [Part::Stem, Part::Downsampling, Part::LargeKernel, Part::Normalization]
                .map(|part| cost.part(part).params)
        };
        // By hand, from the shapes of three stages of two blocks, 32-64-128 channels.
        let inception_kernels = |band: u64, part: u64| part * (3 * 3 + 1 + 2 * (band + 1));
        assert_eq!(
            parts("inceptionnext_atto"),
            [
                32 * 27 + 32,
                64 * 32 * 4 + 64 + 128 * 64 * 4 + 128,
                2 * (inception_kernels(11, 4) + inception_kernels(11, 8) + inception_kernels(5, 16)),
                // The stem's BatchNorm, those before downsampling, a BatchNorm and a layer scale a block.
                2 * 32 + 2 * (32 + 64) + 2 * 3 * (32 + 64 + 128),
            ]
        );
        assert_eq!(
            parts("replknet_atto"),
            [
                32 * 27 + 32 * 9 + 32 * 32 + 32 * 9,
                64 * 32 + 64 * 9 + 128 * 64 + 128 * 9,
                2 * (27 * 27 * 32 + 13 * 13 * 64 + 5 * 5 * 128),
                // Stem, transitions, ten widths a block (its four times wider one counts as four), the classifier's.
                2 * (4 * 32 + 2 * (64 + 128) + 2 * 10 * (32 + 64 + 128) + 128),
            ]
        );
    }

    #[test]
    fn pelk_with_upernet_agrees_to_the_printed_digit() {
        let pelk = models().into_iter().filter(|model| model.name.starts_with("pelk"));
        let mut compared = 0;
        for model in pelk {
            for printed in model.paper.iter().filter(|printed| printed.task == Task::Ade20k) {
                let total = total(&model, printed);
                assert_eq!((total.macs_paper / 1e9).round(), printed.macs_g, "{}", model.name);
                assert_eq!((total.params_paper / 1e6).round(), printed.params_m, "{}", model.name);
                compared += 1;
            }
        }
        assert_eq!(compared, 4);
    }
}
