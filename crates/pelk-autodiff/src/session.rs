//! Repeated inference: a network is recorded once for one input shape and replayed for each input.
//!
//! Values that do not depend on the input, such as the bias from a position embedding, are computed while
//! recording, and weights are put into the order in which the backend reads them. A replay looks up no names
//! and checks no shapes. It drops every tensor right after its last
//! use, so a backend that reuses memory allocates nothing from the second run on.

use crate::{Backend, Error, Executor, Op, Operator, ParameterSpec, Parameters, Result, Shape};

/// A recorded network, ready to run.
pub struct Session<B: Backend> {
    backend: B,
    input: Shape,
    steps: Vec<Step>,
    /// A tensor for each recorded value: constants stay, others exist during a run only. The first is the
    /// input.
    values: Vec<Option<B::Tensor>>,
    outputs: Vec<usize>,
}

struct Step {
    op: Op,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    /// Values that no later step uses.
    last_read: Vec<usize>,
}

impl<B: Backend> Session<B> {
    /// Records what `network` does with an input of this shape. `network` returns the value that a run should
    /// return.
    ///
    /// ```
    /// use pelk_autodiff::operators::Gelu;
    /// use pelk_autodiff::{CpuBackend, Executor, HostParameters, Parameters, Session, Shape, Storage};
    ///
    /// let backend = CpuBackend::new()?;
    /// let parameters = Parameters::upload(&backend, &HostParameters::new())?;
    /// let shape = Shape::from([2]);
    /// let mut session = Session::record(&backend, &parameters, &shape, |executor, x| {
    ///     executor.apply_one(Gelu, &[x])
    /// })?;
    /// let y = session.run(backend.upload(&shape, &[0.0, 100.0])?)?;
    /// assert_eq!(backend.download(&y)?, [0.0, 100.0]);
    /// # Ok::<(), pelk_autodiff::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the network does not fit the shape or the parameters, or the backend returns an error.
    pub fn record(
        backend: &B,
        parameters: &Parameters<B>,
        input: &Shape,
        network: impl FnOnce(&mut Recorder<'_, B>, &Recorded) -> Result<Recorded>,
    ) -> Result<Session<B>> {
        Session::record_all(backend, parameters, input, |e, x| Ok(vec![network(e, x)?]))
    }

    /// As [`Session::record`], for a network that returns several values, at least one.
    ///
    /// # Errors
    /// As [`Session::record`].
    pub fn record_all(
        backend: &B,
        parameters: &Parameters<B>,
        input: &Shape,
        network: impl FnOnce(&mut Recorder<'_, B>, &Recorded) -> Result<Vec<Recorded>>,
    ) -> Result<Session<B>> {
        let mut recorder = Recorder { backend, parameters, steps: Vec::new(), values: vec![None] };
        let outputs = network(&mut recorder, &Recorded { id: 0, shape: input.clone() })?;
        let outputs: Vec<usize> = outputs.iter().map(|output| output.id).collect();
        let Recorder { mut steps, values, .. } = recorder;
        if outputs.is_empty() || outputs.iter().any(|&output| output >= values.len()) {
            return Err(Error::OtherTape);
        }
        let mut read: Vec<bool> = values.iter().map(Option::is_some).collect();
        outputs.iter().for_each(|&output| read[output] = true);
        for step in steps.iter_mut().rev() {
            for &id in step.inputs.iter().chain(&step.outputs) {
                if !std::mem::replace(&mut read[id], true) {
                    step.last_read.push(id);
                }
            }
        }
        Ok(Session { backend: backend.clone(), input: input.clone(), steps, values, outputs })
    }

    /// The shape of the recorded input.
    pub fn input(&self) -> &Shape {
        &self.input
    }

    /// Runs the network on one input and returns its first output.
    ///
    /// # Errors
    /// When the shape of the input differs from the recorded one, or the backend returns an error.
    pub fn run(&mut self, input: B::Tensor) -> Result<B::Tensor> {
        Ok(self.run_all(input)?.swap_remove(0))
    }

    /// Runs the network on one input and returns all of its outputs, in their order.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_all(&mut self, input: B::Tensor) -> Result<Vec<B::Tensor>> {
        let actual = self.backend.shape(&input);
        if *actual != self.input {
            let reason = format!("was recorded for an input of shape {}, was given {actual}", self.input);
            return Err(Error::Shape { operator: "session", reason });
        }
        self.values[0] = Some(input);
        for step in &self.steps {
            let inputs: Vec<&B::Tensor> =
                step.inputs.iter().filter_map(|&id| self.values[id].as_ref()).collect();
            let outputs = step.op.forward(&self.backend, &inputs)?.outputs;
            for (&id, output) in step.outputs.iter().zip(outputs) {
                self.values[id] = Some(output);
            }
            for &id in &step.last_read {
                self.values[id] = None;
            }
        }
        let outputs = self.outputs.iter().map(|&id| self.values[id].clone()).collect::<Option<Vec<_>>>();
        for &id in self.steps.iter().flat_map(|step| &step.outputs).chain([&0]) {
            self.values[id] = None;
        }
        outputs.ok_or(Error::OtherTape)
    }
}

/// A value of a network during recording.
#[derive(Debug, Clone)]
pub struct Recorded {
    id: usize,
    shape: Shape,
}

/// Records a network for [`Session::record`].
pub struct Recorder<'a, B: Backend> {
    backend: &'a B,
    parameters: &'a Parameters<B>,
    steps: Vec<Step>,
    /// The constants among the values.
    values: Vec<Option<B::Tensor>>,
}

impl<B: Backend> Recorder<'_, B> {
    fn value(&mut self, shape: Shape, constant: Option<B::Tensor>) -> Recorded {
        self.values.push(constant);
        Recorded { id: self.values.len() - 1, shape }
    }
}

impl<B: Backend> Executor for Recorder<'_, B> {
    type Value = Recorded;

    fn parameter(&mut self, spec: ParameterSpec) -> Result<Recorded> {
        let tensor = self.parameters.get(self.backend, &spec)?.clone();
        Ok(self.value(spec.shape, Some(tensor)))
    }

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Recorded]) -> Result<Vec<Recorded>> {
        let op = op.into();
        let shapes = op.output_shapes(&inputs.iter().map(|input| &input.shape).collect::<Vec<_>>())?;
        if inputs.iter().any(|input| input.id >= self.values.len()) {
            return Err(Error::OtherTape);
        }
        let constants: Vec<_> = inputs.iter().filter_map(|input| self.values[input.id].as_ref()).collect();
        if constants.len() == inputs.len() {
            let outputs = op.forward(self.backend, &constants)?.outputs;
            let pairs = shapes.into_iter().zip(outputs);
            return Ok(pairs.map(|(shape, output)| self.value(shape, Some(output))).collect());
        }
        let weights = op.weights().iter().filter_map(|&index| inputs.get(index));
        for weight in weights.filter_map(|input| self.values[input.id].as_ref()) {
            self.backend.prepare_weight(weight)?;
        }
        let outputs: Vec<_> = shapes.into_iter().map(|shape| self.value(shape, None)).collect();
        self.steps.push(Step {
            op,
            inputs: inputs.iter().map(|input| input.id).collect(),
            outputs: outputs.iter().map(|output| output.id).collect(),
            last_read: Vec::new(),
        });
        Ok(outputs)
    }

    fn shape<'v>(&'v self, value: &'v Recorded) -> &'v Shape {
        &value.shape
    }
}
