//! The interface between a network's definition and what runs it.
//!
//! A network is a function over an [`Executor`]: it gets its parameters by name and applies operators to
//! values. The executor decides what a value is: a tensor that remembers how it was computed (tape), a plain
//! tensor (eager), or a shape (counter). So a network is written once, and training, inference, counting and
//! initialization all use the same definition.

use crate::{Error, Op, Operator, Result, Shape};
use std::sync::Arc;

/// The initial values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation, truncated at -2 and +2.
    TruncatedNormal(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Uniform between minus this limit and this limit.
    Uniform(f32),
    /// The weight of a dense layer, normal; the network's configuration decides whether all layers have the
    /// same standard deviation, or one that follows from the number of inputs that are summed.
    Dense {
        /// Number of inputs that are summed for one output.
        fan_in: usize,
    },
}

/// The role of a named tensor in the network, which decides how the optimizer treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained, with weight decay.
    Weight,
    /// Trained, without weight decay: biases, normalization, layer scale, position embeddings.
    NoDecay,
    /// Not trained: running statistics.
    Buffer,
}

/// Where in a network a named tensor stands, and in what kind of layer. An executor ignores it; it is for
/// whoever lists the parameters: learning rates by depth, the weights of a backbone taken over, costs by
/// part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// The section of the network.
    pub section: Section,
    /// The kind of layer.
    pub layer: Layer,
}

/// A section of a network with stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Section {
    /// None of the sections below, as in a network without stages.
    #[default]
    Other,
    /// Before the first stage.
    Stem,
    /// Before this stage, counted from 0, which is not the first.
    Downsampling(usize),
    /// In a block of a stage, both counted from 0. A network whose names count the halves of a block
    /// separately counts halves here too.
    Block(usize, usize),
    /// A position embedding, which the blocks of this stage share.
    Position(usize),
    /// A normalization between the backbone and its head.
    Norm,
    /// The classifier.
    Head,
    /// The decoder of a segmentation network.
    Decoder,
    /// A head that exists in training only.
    AuxiliaryHead,
    /// A detector's feature pyramid.
    Pyramid,
    /// What proposes boxes in a detector.
    RegionProposal,
    /// The box head of this stage of a detector's cascade, counted from 0.
    BoxHead(usize),
    /// The mask head of this stage of a detector's cascade, counted from 0.
    MaskHead(usize),
}

impl Section {
    /// Whether it belongs to the backbone, which has the same parameters under any head.
    pub fn is_backbone(self) -> bool {
        matches!(self, Section::Stem | Section::Downsampling(_) | Section::Block(..) | Section::Position(_))
    }
}

/// The kind of layer that a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layer {
    /// Linear layers and convolutions other than those below.
    #[default]
    Dense,
    /// The large kernel of a block.
    LargeKernel,
    /// The small kernel beside a large one, with its normalization.
    SmallKernel,
    /// Normalization and layer scale.
    Normalization,
}

/// A named tensor of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Stable dotted name, for instance `stages.0.1.large.weight`.
    pub name: String,
    /// Shape in PyTorch's order (convolutions `[O, I, kh, kw]`, linear `[O, I]`).
    pub shape: Shape,
    /// Values before training.
    pub init: Init,
    /// Weight, weight without decay, or buffer.
    pub role: Role,
    /// Where it stands.
    pub place: Place,
}

/// Runs the definition of a network.
pub trait Executor {
    /// The type that stands for a tensor.
    type Value: Clone;

    /// The named tensor. The same name gives the same tensor, so blocks can share a parameter.
    ///
    /// # Errors
    /// When the weights do not have it, or have it with another shape.
    fn parameter(&mut self, spec: ParameterSpec) -> Result<Self::Value>;

    /// Applies an operator; the outputs are in the order that the operator documents.
    ///
    /// # Errors
    /// When the inputs do not fit the operator.
    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Self::Value]) -> Result<Vec<Self::Value>>;

    /// The shape of a value.
    fn shape<'v>(&'v self, value: &'v Self::Value) -> &'v Shape;

    /// Whether BatchNorm uses the statistics of the batch and residual branches may be dropped. An executor
    /// for training implements this, [`Executor::set_buffer`] and [`Executor::drop_factors`]; the defaults
    /// are for evaluation.
    fn training(&self) -> bool {
        false
    }

    /// Whether operators should keep tensors that their gradients would otherwise recompute.
    fn keeps_activations(&self) -> bool {
        false
    }

    /// Replaces a buffer after this pass: BatchNorm updates its running statistics this way in training.
    fn set_buffer(&mut self, name: &str, value: Self::Value) {
        let _ = (name, value);
    }

    /// `count` random factors, each 0 with probability `rate` and else `1 / (1 - rate)`: for dropping the
    /// residual branch of samples, or channels of samples, in training. `None` if nothing is dropped.
    fn drop_factors(&mut self, rate: f32, count: usize) -> Option<Arc<[f32]>> {
        let _ = (rate, count);
        None
    }

    /// Applies an operator with `N` outputs.
    ///
    /// # Errors
    /// When the inputs do not fit the operator, or it has another number of outputs.
    fn apply_n<const N: usize>(
        &mut self,
        op: impl Into<Op>,
        inputs: &[&Self::Value],
    ) -> Result<[Self::Value; N]> {
        let op = op.into();
        let operator = op.name();
        self.apply(op, inputs)?.try_into().map_err(|outputs: Vec<_>| Error::Shape {
            operator,
            reason: format!("has {} outputs, {N} were expected", outputs.len()),
        })
    }

    /// Applies an operator with one output.
    ///
    /// # Errors
    /// Same as [`Executor::apply_n`].
    fn apply_one(&mut self, op: impl Into<Op>, inputs: &[&Self::Value]) -> Result<Self::Value> {
        let [output] = self.apply_n(op, inputs)?;
        Ok(output)
    }
}
