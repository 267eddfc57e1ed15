//! Reverse-mode differentiation: a list of the operators that ran, walked backwards.

use crate::operators::{Context, Forward};
use crate::{Backend, Error, Executor, Op, Operator, ParameterSpec, Parameters, Result, Role, Shape};
use pelk_random::{Purpose, stream};
use rand::RngExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tensor on the tape. Values that depend on no parameter are not tracked.
#[derive(Debug, Clone)]
pub struct Var<T> {
    tensor: T,
    node: Option<NodeId>,
}

/// The number of a value on its tape. The token identifies the tape.
#[derive(Debug, Clone)]
struct NodeId {
    tape: Arc<()>,
    id: usize,
}

impl<T> Var<T> {
    /// A constant: data, to which no gradient flows.
    pub fn constant(tensor: T) -> Var<T> {
        Var { tensor, node: None }
    }

    /// The values.
    pub fn tensor(&self) -> &T {
        &self.tensor
    }
}

struct Node<T> {
    op: Op,
    inputs: Vec<Option<usize>>,
    outputs: Vec<usize>,
    shapes: Vec<Shape>,
    saved: Vec<T>,
}

/// Identifies a pass of training, so that its random numbers can be drawn again after a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The run's seed.
    pub seed: u64,
    /// The number of the pass in the run; each step of gradient accumulation counts.
    pub index: u64,
}

/// The results of a training pass: gradients of the parameters, and buffers to replace.
pub struct Backward<T> {
    /// The gradients by name; a parameter that was not used has none.
    pub gradients: BTreeMap<String, T>,
    /// New values of buffers by name.
    pub buffers: BTreeMap<String, T>,
}

/// Runs a network and records its operators for [`Tape::backward`].
pub struct Tape<'a, B: Backend> {
    backend: &'a B,
    parameters: &'a Parameters<B>,
    token: Arc<()>,
    nodes: Vec<Node<B::Tensor>>,
    values: usize,
    leaves: BTreeMap<String, Var<B::Tensor>>,
    buffers: BTreeMap<String, B::Tensor>,
    pass: Option<Pass>,
    recompute: bool,
    frozen: bool,
    drops: u64,
}

impl<'a, B: Backend> Tape<'a, B> {
    /// A tape in training mode.
    pub fn new(backend: &'a B, parameters: &'a Parameters<B>, pass: Pass) -> Tape<'a, B> {
        Tape { pass: Some(pass), ..Tape::evaluating(backend, parameters) }
    }

    /// A tape that differentiates the network in evaluation mode: running statistics, nothing dropped.
    pub fn evaluating(backend: &'a B, parameters: &'a Parameters<B>) -> Tape<'a, B> {
        Tape {
            backend,
            parameters,
            token: Arc::new(()),
            nodes: Vec::new(),
            values: 0,
            leaves: BTreeMap::new(),
            buffers: BTreeMap::new(),
            pass: None,
            recompute: false,
            frozen: false,
            drops: 0,
        }
    }

    /// With `recompute`, operators that can do so recompute tensors for their gradients instead of keeping
    /// them: less memory, more time, the same results.
    #[must_use]
    pub fn recomputing(self, recompute: bool) -> Tape<'a, B> {
        Tape { recompute, ..self }
    }

    /// Treats all parameters as constants: gradients flow to leaves only.
    #[must_use]
    pub fn freezing(self) -> Tape<'a, B> {
        Tape { frozen: true, ..self }
    }

    /// A value whose gradient is returned as `name`, such as an input image.
    pub fn leaf(&mut self, name: &str, tensor: B::Tensor) -> Var<B::Tensor> {
        let leaf = self.new_value(tensor);
        self.leaves.insert(name.to_owned(), leaf.clone());
        leaf
    }

    fn new_value(&mut self, tensor: B::Tensor) -> Var<B::Tensor> {
        let node = NodeId { tape: self.token.clone(), id: self.values };
        self.values += 1;
        Var { tensor, node: Some(node) }
    }

    /// The number of a value of this tape; `None` for a constant.
    fn id(&self, value: &Var<B::Tensor>) -> Result<Option<usize>> {
        match &value.node {
            Some(node) if !Arc::ptr_eq(&node.tape, &self.token) => Err(Error::OtherTape),
            node => Ok(node.as_ref().map(|node| node.id)),
        }
    }

    /// The gradients of `sum(seed * value)` with respect to every parameter and leaf. Frees kept tensors on
    /// the way.
    ///
    /// # Errors
    /// When `value` depends on no parameter or is of another tape, the shape of the seed differs from that of
    /// `value`, or the backend returns an error.
    pub fn backward(self, value: &Var<B::Tensor>, seed: B::Tensor) -> Result<Backward<B::Tensor>> {
        self.backward_from([(value, seed)])
    }

    /// As [`Tape::backward`], from several values at once: the gradients of the sum of all
    /// `sum(seed * value)`.
    ///
    /// # Errors
    /// As [`Tape::backward`].
    pub fn backward_from<'v>(
        mut self,
        seeds: impl IntoIterator<Item = (&'v Var<B::Tensor>, B::Tensor)>,
    ) -> Result<Backward<B::Tensor>>
    where
        B::Tensor: 'v,
    {
        let mut gradients: Vec<Option<B::Tensor>> = vec![None; self.values];
        for (value, seed) in seeds {
            let id = self.id(value)?.ok_or(Error::NoGradient)?;
            let (actual, expected) = (self.backend.shape(&seed), self.backend.shape(&value.tensor));
            if actual != expected {
                let reason = format!("the seed has shape {actual}, but the value has {expected}");
                return Err(Error::Shape { operator: "backward", reason });
            }
            add(self.backend, &mut gradients[id], seed)?;
        }
        while let Some(node) = self.nodes.pop() {
            let outputs: Vec<_> = node.outputs.iter().map(|&id| gradients[id].take()).collect();
            if outputs.iter().all(Option::is_none) {
                continue;
            }
            let needs: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
            let context = Context { saved: &node.saved, shapes: &node.shapes, needs: &needs };
            let inputs = node.op.backward(self.backend, &context, &outputs)?;
            drop(outputs);
            for (id, gradient) in node.inputs.iter().zip(inputs) {
                let (Some(id), Some(gradient)) = (*id, gradient) else { continue };
                add(self.backend, &mut gradients[id], gradient)?;
            }
        }
        let named = |(name, leaf): (String, Var<B::Tensor>)| Some((name, gradients[leaf.node?.id].take()?));
        Ok(Backward { gradients: self.leaves.into_iter().filter_map(named).collect(), buffers: self.buffers })
    }

    /// The new buffers of a pass without gradients.
    pub fn into_buffers(self) -> BTreeMap<String, B::Tensor> {
        self.buffers
    }
}

/// Adds a gradient to the sum of those that came before it.
fn add<B: Backend>(backend: &B, sum: &mut Option<B::Tensor>, gradient: B::Tensor) -> Result<()> {
    match sum {
        Some(sum) => backend.add_assign(sum, &gradient),
        empty => {
            *empty = Some(gradient);
            Ok(())
        }
    }
}

impl<B: Backend> Executor for Tape<'_, B> {
    type Value = Var<B::Tensor>;

    fn parameter(&mut self, spec: ParameterSpec) -> Result<Self::Value> {
        if let Some(leaf) = self.leaves.get(&spec.name) {
            return Ok(leaf.clone());
        }
        let tensor = self.parameters.get(self.backend, &spec)?.clone();
        Ok(match spec.role {
            Role::Weight | Role::NoDecay if !self.frozen => self.leaf(&spec.name, tensor),
            Role::Weight | Role::NoDecay | Role::Buffer => Var::constant(tensor),
        })
    }

    fn set_buffer(&mut self, name: &str, value: Self::Value) {
        self.buffers.insert(name.to_owned(), value.tensor);
    }

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Self::Value]) -> Result<Vec<Self::Value>> {
        let op = op.into();
        let ids = inputs.iter().map(|input| self.id(input)).collect::<Result<Vec<_>>>()?;
        let tensors: Vec<&B::Tensor> = inputs.iter().map(|input| &input.tensor).collect();
        let shapes: Vec<&Shape> = tensors.iter().map(|tensor| self.backend.shape(tensor)).collect();
        op.output_shapes(&shapes)?;
        let Forward { outputs, saved } = op.forward(self.backend, &tensors)?;
        if ids.iter().all(Option::is_none) {
            return Ok(outputs.into_iter().map(Var::constant).collect());
        }
        let outputs: Vec<_> = outputs.into_iter().map(|tensor| self.new_value(tensor)).collect();
        self.nodes.push(Node {
            op,
            inputs: ids,
            outputs: outputs.iter().filter_map(|output| Some(output.node.as_ref()?.id)).collect(),
            shapes: shapes.into_iter().cloned().collect(),
            saved,
        });
        Ok(outputs)
    }

    fn shape<'v>(&'v self, value: &'v Self::Value) -> &'v Shape {
        self.backend.shape(&value.tensor)
    }

    fn training(&self) -> bool {
        self.pass.is_some()
    }

    fn keeps_activations(&self) -> bool {
        !self.recompute
    }

    fn drop_factors(&mut self, rate: f32, count: usize) -> Option<Arc<[f32]>> {
        let pass = self.pass.filter(|_| rate > 0.0)?;
        let mut rng = stream(pass.seed, Purpose::DropPath, pass.index, self.drops);
        self.drops += 1;
        let keep = 1.0 - rate;
        Some((0..count).map(|_| if rng.random::<f32>() < keep { 1.0 / keep } else { 0.0 }).collect())
    }
}
