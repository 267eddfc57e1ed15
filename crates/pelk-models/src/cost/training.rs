//! What a pass of training needs: the executor that finds out from shapes alone, before anything is allocated.

use crate::config::Head;
use crate::error::Result;
use crate::network::Network;
use pelk_autodiff::{Executor, Op, Operator, ParameterSpec, Shape};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// What a pass of training needs for each image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrainingPass {
    /// Numbers that the forward pass keeps for the backward pass. There is more at times, such as gradients.
    pub kept: u64,
    /// The BatchNorm with the fewest values per channel of an image: its name and these values. Over a batch,
    /// it needs at least two.
    pub smallest_norm: Option<(String, usize)>,
}

/// Finds what a pass of training needs for an image of `[height, width]` pixels; for a detector, without its
/// box and mask heads, whose inputs depend on what it finds. With `recompute`, pixel MLPs do not keep their
/// hidden layer.
///
/// # Errors
/// When the image is too small for the network.
pub fn training_pass(
    network: &Network,
    [height, width]: [usize; 2],
    recompute: bool,
) -> Result<TrainingPass> {
    let mut counter = PassCounter { recompute, pass: TrainingPass::default(), seen: HashMap::new() };
    let images = Value::new(Shape::from([1, height, width, network.config().in_channels]), None);
    match network.config().head {
        Head::CascadeMaskRcnn(_) => drop(network.trunk(&mut counter, &images)?),
        _ => {
            let outputs = network.outputs(&mut counter, &images)?;
            // The loss keeps the logits.
            counter.keep(&outputs.logits);
            outputs.auxiliary.iter().for_each(|logits| counter.keep(logits));
        }
    }
    Ok(counter.pass)
}

#[derive(Clone)]
struct Value {
    shape: Shape,
    /// The parameter that it is.
    name: Option<Rc<str>>,
    /// Whether it was counted: a tensor is kept once, however many operators need it.
    is_kept: Rc<Cell<bool>>,
}

impl Value {
    fn new(shape: Shape, name: Option<&str>) -> Value {
        Value { shape, name: name.map(Rc::from), is_kept: Rc::default() }
    }
}

struct PassCounter {
    recompute: bool,
    pass: TrainingPass,
    seen: HashMap<String, Value>,
}

impl PassCounter {
    fn keep(&mut self, value: &Value) {
        if !value.is_kept.replace(true) {
            self.add(value.shape.elements());
        }
    }

    fn add(&mut self, numbers: usize) {
        self.pass.kept = self.pass.kept.saturating_add(numbers as u64);
    }

    fn norm(&mut self, x: &Value, weight: &Value) {
        let rows = x.shape.rows();
        if self.pass.smallest_norm.as_ref().is_none_or(|(_, fewest)| rows < *fewest) {
            let name = weight.name.as_deref().unwrap_or("BatchNorm");
            self.pass.smallest_norm = Some((name.trim_end_matches(".weight").to_owned(), rows));
        }
    }
}

impl Executor for PassCounter {
    type Value = Value;

    fn parameter(&mut self, spec: ParameterSpec) -> pelk_autodiff::Result<Value> {
        if let Some(value) = self.seen.get(&spec.name) {
            return Ok(value.clone());
        }
        let value = Value::new(spec.shape, Some(&spec.name));
        // Parameters exist anyway.
        value.is_kept.set(true);
        self.seen.insert(spec.name, value.clone());
        Ok(value)
    }

    fn apply(&mut self, op: impl Into<Op>, inputs: &[&Value]) -> pelk_autodiff::Result<Vec<Value>> {
        let mut op = op.into();
        let shapes: Vec<&Shape> = inputs.iter().map(|input| &input.shape).collect();
        // One image may be too little for a BatchNorm that a batch of them is enough for.
        let in_training = match &mut op {
            Op::BatchNorm(norm) => std::mem::replace(&mut norm.training, false),
            _ => false,
        };
        let mut outputs: Vec<_> =
            op.output_shapes(&shapes)?.into_iter().map(|shape| Value::new(shape, None)).collect();
        match &op {
            Op::Linear(_)
            | Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::DepthwiseConv(_)
            | Op::LayerNorm(_)
            | Op::Gelu(_)
            | Op::ScaleChannels(_) => self.keep(inputs[0]),
            Op::BatchNorm(_) => {
                self.keep(inputs[0]);
                if in_training {
                    self.norm(inputs[0], inputs[1]);
                    // The updated statistics.
                    outputs.extend([inputs[3], inputs[4]].map(|input| Value::new(input.shape.clone(), None)));
                }
            }
            Op::Relu(_) => self.keep(&outputs[0]),
            Op::PixelMlp(_) => {
                self.keep(inputs[0]);
                // Matrices are [hidden, C] and [C, hidden].
                let matrices = shapes.iter().filter(|shape| shape.len() == 2);
                let largest = matrices.map(|shape| shape.elements()).max().unwrap_or_default();
                let hidden = largest / shapes[0].channels().max(1) * shapes[0].rows();
                self.add(if self.recompute { 0 } else { hidden });
            }
            _ => {}
        }
        Ok(outputs)
    }

    fn shape<'v>(&'v self, value: &'v Value) -> &'v Shape {
        &value.shape
    }

    fn training(&self) -> bool {
        true
    }

    fn keeps_activations(&self) -> bool {
        !self.recompute
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    fn network(name: &str) -> Network {
        Network::new(zoo::configure(&crate::ModelSpec::named(name).unwrap(), 3, 10).unwrap()).unwrap()
    }

    #[test]
    fn a_pass_keeps_more_for_larger_images_and_less_if_it_recomputes() {
        let network = network("convnext_atto");
        let kept = |size, recompute| training_pass(&network, [size, size], recompute).unwrap().kept;
        // All but the few values of the classifier.
        assert!(kept(64, false) > 399 * kept(32, false) / 100 && kept(64, false) < 4 * kept(32, false));
        assert!(kept(32, true) < kept(32, false) / 2);
    }

    #[test]
    fn the_smallest_norm_is_named_with_its_values() {
        let network = network("pelk_atto");
        let norm = |size| training_pass(&network, [size, size], false).unwrap().smallest_norm.unwrap();
        let side = network.config().smallest_input();
        let (name, values) = norm(side);
        assert_eq!(values, 1);
        assert!(network.parameters().unwrap().iter().any(|spec| spec.name == format!("{name}.weight")));
        assert_eq!(norm(2 * side).1, 4);
    }
}
