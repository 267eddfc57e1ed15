//! Golden cases of whole networks: logits and features, running statistics, all gradients.

use crate::case::{Case, GRADIENTS, VALUES, channels_last, text, upload};
use pelk_autodiff::{Backend, HostParameters, Parameters, Pass, Tape, to_host};
use pelk_models::{Network, NetworkConfig};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attrs {
    config: NetworkConfig,
    training: bool,
}

pub fn network<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let Attrs { config, training } = case.attrs()?;
    let network = Network::new(config).map_err(text)?;
    let mut weights = HostParameters::new();
    for name in case.names("in.") {
        if !["x", "gy"].contains(&name.as_str()) {
            weights.insert(name.clone(), case.get(&format!("in.{name}"))?.clone());
        }
    }
    // Both sides must have the same parameters, or the networks differ.
    let wanted: BTreeSet<_> = network.parameters().map_err(text)?.into_iter().map(|spec| spec.name).collect();
    let given: BTreeSet<_> = weights.keys().cloned().collect();
    if wanted != given {
        return Err(format!("parameters differ: {:?}", wanted.symmetric_difference(&given)));
    }
    let parameters = Parameters::upload(backend, &weights).map_err(text)?;
    let begin = || match training {
        true => Tape::new(backend, &parameters, Pass { seed: 0, index: 0 }),
        false => Tape::evaluating(backend, &parameters),
    };
    let mut tape = begin();
    let images = upload(backend, &channels_last(case.get("in.x")?))?;
    let x = tape.leaf("x", images.clone());
    let logits = network.logits(&mut tape, &x).map_err(text)?;
    let shape = backend.shape(logits.tensor()).clone();
    let expected = case.get("out.logits")?.shape().to_vec();
    if shape[..] != [expected[0], 1, 1, expected[1]] {
        return Err(format!("the logits have shape {shape}"));
    }
    let flat =
        to_host(backend, logits.tensor()).map_err(text)?.into_shape_with_order(expected).map_err(text)?;
    case.compare("out.logits", &flat, VALUES)?;

    let gradient = case.get("in.gy")?.as_standard_layout();
    let gradient = gradient.as_slice().ok_or("not contiguous")?;
    let gy = backend.upload(&shape, gradient).map_err(text)?;
    let backward = tape.backward(&logits, gy).map_err(text)?;
    case.compare_statistics(backend, &backward.buffers, str::to_owned)?;
    for name in case.names("grad.") {
        let gradient = backward.gradients.get(&name).ok_or_else(|| format!("no gradient of {name}"))?;
        let full = format!("grad.{name}");
        match name.as_str() {
            "x" => case.compare_tensor(backend, &full, gradient, GRADIENTS)?,
            _ => case.compare(&full, &to_host(backend, gradient).map_err(text)?, GRADIENTS)?,
        }
    }

    let mut tape = begin();
    let x = tape.leaf("x", images);
    for (i, features) in network.features(&mut tape, &x).map_err(text)?.iter().enumerate() {
        case.compare_tensor(backend, &format!("out.features.{i}"), features.tensor(), VALUES)?;
    }
    Ok(())
}
