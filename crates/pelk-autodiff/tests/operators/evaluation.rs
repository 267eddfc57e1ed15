//! A case's outputs and gradients on a backend.

use crate::case::Case;
use pelk_autodiff::{Backend, HostParameters, Parameters, Pass, Result, Tape, Var};

/// A backend's results for a case.
pub struct Evaluation<T> {
    pub outputs: Vec<T>,
    /// For each input, its gradient, unless the input is not differentiable or the gradient was not wanted.
    pub gradients: Vec<Option<T>>,
}

impl<T> Evaluation<T> {
    /// The tensors with names for messages.
    pub fn named(&self) -> impl Iterator<Item = (String, &T)> {
        let outputs = self.outputs.iter().enumerate().map(|(i, output)| (format!("output {i}"), output));
        let gradients = self.gradients.iter().enumerate();
        outputs.chain(gradients.filter_map(|(i, g)| Some((format!("gradient of input {i}"), g.as_ref()?))))
    }
}

/// Runs a case on the tape; differentiates by the differentiable inputs that `wanted` names.
pub fn evaluate<B: Backend>(
    backend: &B,
    case: &Case,
    wanted: impl Fn(usize) -> bool,
) -> Result<Evaluation<B::Tensor>> {
    let parameters = Parameters::upload(backend, &HostParameters::new())?;
    let mut tape = Tape::new(backend, &parameters, Pass { seed: 0, index: 0 });
    let mut inputs = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        let tensor = backend.upload(&input.shape, &input.values)?;
        let wanted = input.differentiable && wanted(i);
        inputs.push(if wanted { tape.leaf(&i.to_string(), tensor) } else { Var::constant(tensor) });
    }
    let (outputs, objective) = case.run(&mut tape, &inputs)?;
    let shape = backend.shape(objective.tensor()).clone();
    let seed = backend.upload(&shape, &case.seed(shape.elements()))?;
    let mut gradients = tape.backward(&objective, seed)?.gradients;
    Ok(Evaluation {
        outputs: outputs.into_iter().map(|output| output.tensor().clone()).collect(),
        gradients: (0..inputs.len()).map(|i| gradients.remove(&i.to_string())).collect(),
    })
}
