//! Weight decay shrinks weights and nothing else.

mod common;

use common::{config, trainer};
use pelk_autodiff::{Backend, CpuBackend, HostParameters, Parameters, Role};
use pelk_train::{Optimizer, OptimizerConfig};
use std::collections::BTreeMap;

const LEARNING_RATE: f64 = 0.5;
const DECAY: f64 = 0.25;

#[test]
fn only_weights_are_decayed() {
    let specs = trainer(config(&[])).network().parameters().unwrap();
    let backend = CpuBackend::new().unwrap();
    let host: HostParameters = specs
        .iter()
        .map(|spec| (spec.name.clone(), ndarray::ArrayD::from_elem(&spec.shape[..], 2.0)))
        .collect();
    let mut parameters = Parameters::upload(&backend, &host).unwrap();
    // Gradients of zero leave decay as the only thing that moves a parameter.
    let zeros: BTreeMap<_, _> = specs
        .iter()
        .filter(|spec| spec.role != Role::Buffer)
        .map(|spec| (spec.name.clone(), backend.zeros(&spec.shape).unwrap()))
        .collect();
    let settings = OptimizerConfig { weight_decay: DECAY, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(&backend, settings, &specs).unwrap();
    optimizer.step(&backend, &mut parameters, zeros, 1.0, 0.0, LEARNING_RATE, 1).unwrap();

    let after = parameters.download(&backend).unwrap();
    for spec in &specs {
        let wanted = if spec.role == Role::Weight { 2.0 * (1.0 - LEARNING_RATE * DECAY) as f32 } else { 2.0 };
        assert!(after[&spec.name].iter().all(|&value| value == wanted), "{} ({:?})", spec.name, spec.role);
    }
    // What counts as a weight: kernels and matrices, not vectors and not position embeddings.
    for spec in specs.iter().filter(|spec| spec.role != Role::Buffer) {
        let kernel = spec.shape.len() > 1 && !spec.name.starts_with("positions.");
        assert_eq!(spec.role == Role::Weight, kernel, "{}", spec.name);
    }
    assert!(specs.iter().any(|spec| spec.name.starts_with("positions.")));
}
