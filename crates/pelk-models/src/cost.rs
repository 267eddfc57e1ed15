//! Counting parameters and multiply-adds, in the papers' way and as truly computed.

use crate::Network;
use crate::error::{ModelError, Result};
use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Role, Shape};
use std::collections::HashMap;
use std::sync::Arc;

/// What a share of the cost is spent on (the parts of the paper's Fig. 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The first convolution.
    Stem,
    /// Convolutions between stages.
    Downsampling,
    /// Large depthwise kernels: peripheral, dense or stripes.
    LargeKernel,
    /// The dense branch beside the large kernel. The paper's way counts nothing here: the branch is merged into the
    /// large kernel for inference, and only so do the printed numbers come out.
    SmallKernel,
    /// Kernel-wise position embedding.
    Position,
    /// The pixel MLPs.
    Mlp,
    /// Normalisation and layer scale.
    Normalization,
    /// The classifier.
    Head,
}

impl Part {
    /// All parts, in the order of the network.
    pub const ALL: [Part; 8] = [
        Part::Stem,
        Part::Downsampling,
        Part::LargeKernel,
        Part::SmallKernel,
        Part::Position,
        Part::Mlp,
        Part::Normalization,
        Part::Head,
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
            Part::Normalization => "normalisation, layer scale",
            Part::Head => "head",
        }
    }

    /// The part that a parameter belongs to, by its name and shape.
    fn of(name: &str, axes: usize) -> Part {
        let has = |part: &str| name.split('.').any(|piece| piece == part);
        if name.starts_with("positions.") {
            Part::Position
        } else if name.starts_with("head.") {
            Part::Head
        } else if has("pwconv1") || has("pwconv2") {
            Part::Mlp
        } else if ["large", "dwconv", "vertical", "horizontal"].into_iter().any(has) {
            Part::LargeKernel
        } else if has("small") || has("small_bn") {
            Part::SmallKernel
        } else if axes == 4 || name.starts_with("downsample_layers.0.0.") || downsampling_bias(name) {
            if name.starts_with("downsample_layers.0.") { Part::Stem } else { Part::Downsampling }
        } else {
            Part::Normalization
        }
    }
}

/// In the downsampling layers after the stem, index 1 is the convolution and index 0 its norm.
fn downsampling_bias(name: &str) -> bool {
    let mut pieces = name.split('.');
    pieces.next() == Some("downsample_layers") && pieces.next() != Some("0") && pieces.next() == Some("1")
}

/// Parameters and multiply-adds of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PartCost {
    /// Trained values (running statistics excluded).
    pub params: u64,
    /// The same as the paper counts them: weights times the density, small kernels not at all, all else in full.
    pub params_paper: f64,
    /// Multiply-adds as computed here, all weights present.
    pub macs_executed: u64,
    /// Multiply-adds as the paper counts them: dense large kernels, padding included, times the density; small kernels
    /// not at all.
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

/// Counts a network for one image of `[height, width]` pixels; `density` is the share of weights that the paper keeps.
///
/// # Errors
/// When the image is too small for the network.
pub fn count(network: &Network, [height, width]: [usize; 2], density: f64) -> Result<NetworkCost> {
    let (size, smallest) = (height.min(width), network.config().smallest_input());
    if size < smallest {
        return Err(ModelError::config("size", format!("is {size}, the network needs at least {smallest}")));
    }
    let mut counter = Counter { cost: NetworkCost::default(), density, seen: HashMap::new() };
    let images =
        Counted { shape: Shape::from([1, height, width, network.config().in_channels]), parameter: None };
    network.logits(&mut counter, &images)?;
    Ok(counter.cost)
}

/// A shape, and the name of the parameter that has it.
#[derive(Clone)]
struct Counted {
    shape: Shape,
    parameter: Option<Arc<ParameterSpec>>,
}

struct Counter {
    cost: NetworkCost,
    density: f64,
    seen: HashMap<String, Counted>,
}

impl Counter {
    /// The share of a parameter, and of the work done with it, that the paper counts.
    fn share_in_paper(&self, spec: &ParameterSpec) -> f64 {
        match (Part::of(&spec.name, spec.shape.len()), spec.role) {
            (Part::SmallKernel, _) => 0.0,
            (_, Role::Weight) => self.density,
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
        if spec.role != Role::Buffer {
            let params = spec.shape.elements() as u64;
            let share = self.share_in_paper(&spec);
            let part = Part::of(&spec.name, spec.shape.len());
            *self.cost.parts.entry(part).or_default() +=
                PartCost { params, params_paper: params as f64 * share, ..PartCost::default() };
        }
        let name = spec.name.clone();
        let counted = Counted { shape: spec.shape.clone(), parameter: Some(Arc::new(spec)) };
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
        if let Some(spec) = parameters.rev().max_by_key(|spec| spec.shape.elements()) {
            let share = self.share_in_paper(spec);
            *self.cost.parts.entry(Part::of(&spec.name, spec.shape.len())).or_default() += PartCost {
                macs_executed: cost.executed,
                macs_paper: cost.dense as f64 * share,
                ..PartCost::default()
            };
        }
        Ok(outputs.into_iter().map(|shape| Counted { shape, parameter: None }).collect())
    }

    fn shape<'v>(&'v self, value: &'v Counted) -> &'v Shape {
        &value.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::model;

    fn total(name: &str, size: usize) -> PartCost {
        let model = model(name).unwrap();
        let config = model.configure(3, 1000).unwrap();
        count(&Network::new(config).unwrap(), [size, size], model.density).unwrap().total()
    }

    /// The bound that the printed digits allow.
    fn close(actual: f64, printed: f64) -> bool {
        (actual / printed - 1.0).abs() < 0.015
    }

    #[test]
    fn parameters_agree_with_the_papers() {
        for model in crate::zoo::models() {
            for printed in model.paper {
                let millions = total(model.name, printed.size).params_paper / 1e6;
                assert!(
                    close(millions, printed.params_m),
                    "{}: {millions} M, printed {}",
                    model.name,
                    printed.params_m
                );
            }
        }
    }

    #[test]
    fn multiply_adds_agree_with_the_papers_but_for_three_cells() {
        for model in crate::zoo::models() {
            for printed in model.paper {
                let thousands = total(model.name, printed.size).macs_paper / 1e9;
                // The papers print for T and S at 224 up to 0.2 less than is counted here (PeLK: 5.6 and 10.7 instead of 5.8
                // and 10.9), while PeLK's own numbers at 2048 x 512 follow from this count; SLaK-S is within the bound.
                let known = ["pelk_t", "pelk_s", "slak_t"].contains(&model.name);
                assert_eq!(
                    close(thousands, printed.macs_g),
                    !known,
                    "{}: {thousands} G, printed {}",
                    model.name,
                    printed.macs_g
                );
            }
        }
    }
}
