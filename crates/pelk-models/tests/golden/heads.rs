//! Golden cases of UperNet: both heads, their loss, all gradients.

use crate::case::{Case, GRADIENTS, VALUES, channels_last, text, upload};
use pelk_autodiff::operators::{Add, CrossEntropy, ScaleSamples};
use pelk_autodiff::{Backend, Executor, HostParameters, Parameters, Pass, Shape, Tape, to_host};
use pelk_models::UperNetConfig;
use pelk_models::heads::upernet;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attrs {
    channels: usize,
    auxiliary_channels: usize,
    pools: Vec<usize>,
    classes: usize,
    image: [usize; 2],
    auxiliary_weight: f32,
    ignore_index: i64,
    training: bool,
}

pub fn upernet<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: Attrs = case.attrs()?;
    let config = UperNetConfig {
        channels: attrs.channels,
        pools: attrs.pools,
        auxiliary_channels: attrs.auxiliary_channels,
        dropout: 0.0,
    };
    let (mut weights, mut features) = (HostParameters::new(), Vec::new());
    for name in case.names("in.") {
        let array = case.get(&format!("in.{name}"))?;
        match name.starts_with("features.") {
            true => features.push((name, channels_last(array))),
            false => _ = weights.insert(name, array.clone()),
        }
    }
    let parameters = Parameters::upload(backend, &weights).map_err(text)?;
    let mut tape = match attrs.training {
        true => Tape::new(backend, &parameters, Pass { seed: 0, index: 0 }),
        false => Tape::evaluating(backend, &parameters),
    };
    let leaf = |(name, array)| Ok(tape.leaf(name, upload(backend, array)?));
    let features = features.iter().map(|(name, array)| (name.as_str(), array)).map(leaf);
    let features = features.collect::<Result<Vec<_>, String>>()?;

    let normalized = upernet::normalize(&mut tape, &features).map_err(text)?;
    let (classes, image) = (attrs.classes, attrs.image);
    let logits = upernet::logits(&mut tape, &config, classes, false, &normalized, image).map_err(text)?;
    let auxiliary =
        upernet::auxiliary(&mut tape, &config, classes, false, &normalized, image).map_err(text)?;
    let auxiliary = auxiliary.ok_or("there is no auxiliary head")?;
    case.compare_tensor(backend, "out.logits", logits.tensor(), VALUES)?;
    case.compare_tensor(backend, "out.auxiliary", auxiliary.tensor(), VALUES)?;

    let op = CrossEntropy {
        labels: case.labels()?.into(),
        ignore_index: Some(attrs.ignore_index),
        ..CrossEntropy::default()
    };
    let one = tape.apply_one(op.clone(), &[&logits]).map_err(text)?;
    let other = tape.apply_one(op, &[&auxiliary]).map_err(text)?;
    let factors = [attrs.auxiliary_weight].into();
    let other = tape.apply_one(ScaleSamples { factors }, &[&other]).map_err(text)?;
    let loss = tape.apply_one(Add, &[&one, &other]).map_err(text)?;
    case.compare_tensor(backend, "out.loss", loss.tensor(), VALUES)?;

    let seed = backend.upload(&Shape::from([1]), &[1.0]).map_err(text)?;
    let backward = tape.backward(&loss, seed).map_err(text)?;
    case.compare_statistics(backend, &backward.buffers, str::to_owned)?;
    for name in case.names("grad.") {
        let gradient = backward.gradients.get(&name).ok_or_else(|| format!("no gradient of {name}"))?;
        let full = format!("grad.{name}");
        match name.starts_with("features.") {
            true => case.compare_tensor(backend, &full, gradient, GRADIENTS)?,
            false => case.compare(&full, &to_host(backend, gradient).map_err(text)?, GRADIENTS)?,
        }
    }
    Ok(())
}
