//! The effect of a step on parameters (decay, clipping, layer decay, the two algorithms) and on their
//! average.

use crate::common::{Recorder, config, trainer, up_to};
use ndarray::{ArrayD, arr1};
use pelk_autodiff::{
    CpuBackend, HostParameters, Init, ParameterSpec, Parameters, Place, Role, Section, Shape, Storage,
    from_host,
};
use pelk_train::{Algorithm, Checkpoint, LayerDecay, Optimizer, OptimizerConfig, Update};
use std::collections::BTreeMap;

const LEARNING_RATE: f64 = 0.5;
const DECAY: f64 = 0.25;

#[test]
fn only_weights_are_decayed() {
    let specs = trainer(config(&[])).network().parameters().unwrap();
    let backend = CpuBackend::new().unwrap();
    let host: HostParameters =
        specs.iter().map(|spec| (spec.name.clone(), ArrayD::from_elem(&spec.shape[..], 2.0))).collect();
    let mut parameters = Parameters::upload(&backend, &host).unwrap();
    // With gradients of zero, only decay changes parameters.
    let zeros: BTreeMap<_, _> = specs
        .iter()
        .filter(|spec| spec.role != Role::Buffer)
        .map(|spec| (spec.name.clone(), backend.zeros(&spec.shape).unwrap()))
        .collect();
    let settings = OptimizerConfig { weight_decay: DECAY, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(&backend, settings, &specs).unwrap();
    let update = Update { step: 1, learning_rate: LEARNING_RATE, scale: 1.0, norm: 0.0 };
    optimizer.step(&backend, &mut parameters, zeros, update).unwrap();

    let after = parameters.download(&backend).unwrap();
    for spec in &specs {
        let wanted = if spec.role == Role::Weight { 2.0 * (1.0 - LEARNING_RATE * DECAY) as f32 } else { 2.0 };
        assert!(after[&spec.name].iter().all(|&value| value == wanted), "{} ({:?})", spec.name, spec.role);
    }
    // Weights are kernels and matrices, but not vectors or position embeddings.
    for spec in specs.iter().filter(|spec| spec.role != Role::Buffer) {
        let kernel = spec.shape.len() > 1 && !spec.name.starts_with("positions.");
        assert_eq!(spec.role == Role::Weight, kernel, "{}", spec.name);
    }
    assert!(specs.iter().any(|spec| spec.name.starts_with("positions.")));
}

/// One step of two vectors from zero, one of the classifier and one of the first stage, each with gradient
/// (3, 4).
fn step(settings: OptimizerConfig) -> [ArrayD<f32>; 2] {
    let backend = CpuBackend::new().unwrap();
    let names = ["head.bias", "stages.0.0.gamma"];
    let spec = |name: &str, section| ParameterSpec {
        name: name.to_owned(),
        shape: Shape::from([2]),
        init: Init::Constant(0.0),
        role: Role::NoDecay,
        place: Place { section, ..Place::default() },
    };
    let specs = [spec(names[0], Section::Head), spec(names[1], Section::Block(0, 0))];
    let mut optimizer = Optimizer::new(&backend, settings, &specs).unwrap();
    let host: HostParameters = names.map(|name| (name.to_owned(), ArrayD::zeros(vec![2]))).into();
    let mut parameters = Parameters::upload(&backend, &host).unwrap();
    let gradient = from_host(&backend, &arr1(&[3.0, 4.0])).unwrap();
    let gradients: BTreeMap<_, _> = names.map(|name| (name.to_owned(), gradient.clone())).into();
    let norm = pelk_train::gradient_norm(&backend, &gradients).unwrap();
    let update = Update { step: 1, learning_rate: 0.5, scale: 1.0, norm };
    optimizer.step(&backend, &mut parameters, gradients, update).unwrap();
    let after = parameters.download(&backend).unwrap();
    names.map(|name| after[name].clone())
}

fn assert_near(actual: &ArrayD<f32>, expected: [f32; 2]) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-6, "{actual} instead of {expected}");
    }
}

#[test]
fn gradients_are_clipped_by_the_norm_of_all_together_and_early_layers_are_slow() {
    let sgd = OptimizerConfig { algorithm: Algorithm::Sgd, nesterov: false, ..OptimizerConfig::default() };
    for tensor in step(sgd.clone()) {
        assert_near(&tensor, [-1.5, -2.0]);
    }
    // The norm of both is sqrt(50).
    let clipped = step(OptimizerConfig { clip_norm: 0.5_f64.sqrt(), ..sgd.clone() });
    for tensor in clipped {
        assert_near(&tensor, [-0.15, -0.2]);
    }
    for tensor in step(OptimizerConfig { clip_norm: 8.0, ..sgd.clone() }) {
        assert_near(&tensor, [-1.5, -2.0]);
    }
    let layer_decay = LayerDecay { rate: 0.5, layers: 1, ..LayerDecay::default() };
    let [head, stage] = step(OptimizerConfig { layer_decay, ..sgd });
    assert_near(&head, [-1.5, -2.0]);
    assert_near(&stage, [-0.75, -1.0]);
}

#[test]
fn the_algorithms_differ_as_defined() {
    // Adam's first step has the size of the learning rate for any gradient; Nesterov's looks ahead by the
    // momentum.
    let [adam, _] = step(OptimizerConfig::default());
    assert_near(&adam, [-0.5, -0.5]);
    let [nesterov, _] = step(OptimizerConfig { algorithm: Algorithm::Sgd, ..OptimizerConfig::default() });
    assert_near(&nesterov, [-1.5 * 1.9, -2.0 * 1.9]);
}

#[test]
fn averaged_weights_are_those_of_the_definition() {
    let settings = ["sparsity.sparsity=0", "ema.decay=0.8"];
    let mut trainer = trainer(config(&settings));
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path());
    let mut expected: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let widen = |array: &ArrayD<f32>| array.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    for (name, array) in trainer.checkpoint().unwrap().tensors {
        expected.insert(name, widen(&array));
    }
    for taken in 1..=9 {
        trainer.run(up_to(taken), &mut recorder).unwrap();
        for (name, array) in trainer.checkpoint().unwrap().tensors {
            if let Some(average) = expected.get_mut(&name) {
                average.iter_mut().zip(widen(&array)).for_each(|(a, value)| *a = 0.8 * *a + 0.2 * value);
            }
        }
    }
    let tensors = Checkpoint::read(&recorder.last()).unwrap().tensors;
    let averages = tensors.iter().filter_map(|(name, array)| Some((name.strip_prefix("ema.")?, array)));
    let mut compared = 0;
    for (name, array) in averages {
        for (actual, expected) in array.iter().zip(&expected[name]) {
            let error = (f64::from(*actual) - expected).abs();
            assert!(error <= 1e-5 * expected.abs().max(1e-2), "{name}: {actual} instead of {expected}");
        }
        compared += 1;
    }
    assert!(compared > 30, "{compared} tensors");
    // The second set of scores is that of the average.
    let row = recorder.rows[0];
    assert_ne!(row.ema.unwrap().loss(), row.test.loss());
}
