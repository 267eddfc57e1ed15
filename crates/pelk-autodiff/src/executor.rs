//! What a network definition talks to.
//!
//! A network is a function over an [`Executor`]: it asks for its parameters by name and applies operators to
//! values. Who runs it decides what a value is. The tape's values are tensors that remember how they were made,
//! the eager executor's are plain tensors, those of a counter are shapes. So a network is written once, and
//! training, inference, counting and initializing all read the same definition.

use crate::{Error, Op, Operator, Result, Shape};
use std::sync::Arc;

/// How the values of a parameter start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with mean 0 and this deviation, cut off at -2 and +2.
    TruncatedNormal(f32),
    /// The weight of a dense layer, normal; the network's configuration decides whether all layers have the same
    /// deviation, or one that follows from the number of inputs that are summed.
    Dense {
        /// Inputs summed for one output.
        fan_in: usize,
    },
}

/// What a named tensor of the network is, which decides how the optimizer treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained, with weight decay.
    Weight,
    /// Trained, without weight decay: biases, normalization, layer scale, position embeddings.
    NoDecay,
    /// Not trained: running statistics.
    Buffer,
}

/// A named tensor that a network asks for.
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
}

/// Runs a network's definition.
pub trait Executor {
    /// What stands for a tensor.
    type Value: Clone;

    /// The named tensor. Asking twice gives the same one, so blocks may share a parameter.
    ///
    /// # Errors
    /// When the weights do not hold it, or hold it with another shape.
    fn parameter(&mut self, spec: ParameterSpec) -> Result<Self::Value>;

    /// Applies an operator; the outputs are in the order that the operator documents.
    ///
    /// # Errors
    /// When the operator cannot take these inputs.
    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Self::Value]) -> Result<Vec<Self::Value>>;

    /// The shape of a value.
    fn shape<'v>(&'v self, value: &'v Self::Value) -> &'v Shape;

    /// Whether BatchNorm uses the batch's statistics and residual branches may be dropped. An executor that trains
    /// implements this, [`Executor::set_buffer`] and [`Executor::drop_factors`]; others evaluate.
    fn training(&self) -> bool {
        false
    }

    /// Whether operators are to keep what their gradients would otherwise compute again.
    fn keeps_activations(&self) -> bool {
        false
    }

    /// Replaces a buffer after this pass, as BatchNorm does with its running statistics in training.
    fn set_buffer(&mut self, name: &str, value: Self::Value) {
        let _ = (name, value);
    }

    /// Factors for things that are each dropped with probability `rate` in training, the residual branch of each sample or
    /// each channel of each sample: 0 or `1 / (1 - rate)`. `None` where nothing is dropped.
    fn drop_factors(&mut self, rate: f32, count: usize) -> Option<Arc<[f32]>> {
        let _ = (rate, count);
        None
    }

    /// Applies an operator with `N` outputs.
    ///
    /// # Errors
    /// When the operator cannot take these inputs or has another number of outputs.
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
    /// As [`Executor::apply_n`].
    fn apply_one(&mut self, op: impl Into<Op>, inputs: &[&Self::Value]) -> Result<Self::Value> {
        let [output] = self.apply_n(op, inputs)?;
        Ok(output)
    }
}
