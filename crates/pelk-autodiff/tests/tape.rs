//! What the tape promises, on a small network.

use ndarray::ArrayD;
use pelk_autodiff::operators::{Add, BatchNorm, Gelu, Linear, ScaleSamples};
use pelk_autodiff::{
    Backend, CpuBackend, Eager, Error, Executor, GpuBackend, HostParameters, Init, ParameterSpec, Parameters,
    Pass, Place, ReferenceBackend, ReferenceTensor, Result, Role, Session, Shape, Storage, Tape, Var,
};
use pelk_random::{Purpose, name_hash, stream};
use pelk_simd::Level;
use rand::RngExt;

const PASS: Pass = Pass { seed: 7, index: 3 };

fn spec(name: &str, shape: &[usize], role: Role) -> ParameterSpec {
    let (shape, place) = (Shape::from(shape), Place::default());
    ParameterSpec { name: name.into(), shape, init: Init::Constant(0.0), role, place }
}

/// A network that uses its weight twice, a BatchNorm with its buffers, and drop path.
fn network<E: Executor>(executor: &mut E, x: &E::Value) -> Result<E::Value> {
    let weight = executor.parameter(spec("weight", &[5, 5], Role::Weight))?;
    let y = executor.apply_one(Linear, &[x, &weight])?;
    let y = executor.apply_one(Gelu, &[&y])?;
    let again = executor.parameter(spec("weight", &[5, 5], Role::Weight))?;
    let y = executor.apply_one(Linear, &[&y, &again])?;

    let scale = executor.parameter(spec("norm.weight", &[5], Role::NoDecay))?;
    let shift = executor.parameter(spec("norm.bias", &[5], Role::NoDecay))?;
    let mean = executor.parameter(spec("norm.mean", &[5], Role::Buffer))?;
    let variance = executor.parameter(spec("norm.variance", &[5], Role::Buffer))?;
    let norm = BatchNorm { eps: 1e-5, momentum: 0.1, training: executor.training() };
    let mut outputs = executor.apply(norm, &[&y, &scale, &shift, &mean, &variance])?.into_iter();
    let y = outputs.next().expect("BatchNorm has an output");
    for (name, value) in ["norm.mean", "norm.variance"].into_iter().zip(outputs) {
        executor.set_buffer(name, value);
    }
    let samples = executor.shape(x)[0];
    let y = match executor.drop_factors(0.5, samples) {
        Some(factors) => executor.apply_one(ScaleSamples { factors }, &[&y])?,
        None => y,
    };
    executor.apply_one(Add, &[x, &y])
}

fn values(name: &str, len: usize) -> Vec<f32> {
    let mut rng = stream(name_hash(name), Purpose::Init, 0, 0);
    (0..len).map(|_| rng.random_range(0.1..1.0)).collect()
}

fn host() -> HostParameters {
    let array = |(name, shape): (&str, &[usize])| {
        let len = shape.iter().product();
        (name.to_owned(), ArrayD::from_shape_vec(shape, values(name, len)).unwrap())
    };
    let shapes: [(&str, &[usize]); 5] = [
        ("weight", &[5, 5]),
        ("norm.weight", &[5]),
        ("norm.bias", &[5]),
        ("norm.mean", &[5]),
        ("norm.variance", &[5]),
    ];
    shapes.map(array).into()
}

fn images<B: Backend>(backend: &B) -> B::Tensor {
    backend.upload(&Shape::from([16, 3, 5]), &values("images", 16 * 3 * 5)).unwrap()
}

#[test]
fn a_parameter_that_is_used_twice_gets_the_sum_of_its_gradients() {
    let backend = ReferenceBackend;
    let number = |x| ReferenceTensor::from_f64(&Shape::from([1, 1]), &[x]).unwrap();
    let weights = [("w".to_owned(), ArrayD::from_elem(vec![1, 1], 3.0))].into();
    let parameters = Parameters::upload(&backend, &weights).unwrap();
    let mut tape = Tape::new(&backend, &parameters, PASS);
    let mut y = Var::constant(number(2.0));
    for _ in 0..3 {
        let w = tape.parameter(spec("w", &[1, 1], Role::Weight)).unwrap();
        y = tape.apply_one(Linear, &[&y, &w]).unwrap();
    }
    let y = tape.apply_one(Add, &[&y, &y]).unwrap();
    assert_eq!(y.tensor().to_f64(), [108.0]); // 2 x w^3
    let gradients = tape.backward(&y, number(1.0)).unwrap().gradients;
    assert_eq!(gradients["w"].to_f64(), [108.0]); // 6 x w^2
    assert_eq!(number(3.0).to_f64(), parameters.iter().next().unwrap().1.to_f64(), "w is unchanged");
}

/// Runs a test, generic in the backend, on every backend.
macro_rules! on_every_backend {
    ($test:ident) => {
        if pelk_testing::cpu() {
            Level::available().into_iter().for_each(|level| $test(&CpuBackend::with_level(level)));
        }
        if let Some(gpu) = pelk_testing::gpu() {
            $test(&GpuBackend::new(gpu));
        }
    };
}

#[test]
fn buffers_are_replaced_in_training_only() {
    on_every_backend!(buffers_are_replaced);
}

fn buffers_are_replaced<B: Backend>(backend: &B) {
    let mut parameters = Parameters::upload(backend, &host()).unwrap();
    let x = Var::constant(images(backend));
    let mut evaluating = Tape::evaluating(backend, &parameters);
    network(&mut evaluating, &x).unwrap();
    assert!(evaluating.into_buffers().is_empty());

    let mut training = Tape::new(backend, &parameters, PASS);
    let y = network(&mut training, &x).unwrap();
    let seed = y.tensor().clone();
    let backward = training.backward(&y, seed).unwrap();
    assert_eq!(backward.gradients.keys().collect::<Vec<_>>(), ["norm.bias", "norm.weight", "weight"]);
    assert_eq!(backward.buffers.keys().collect::<Vec<_>>(), ["norm.mean", "norm.variance"]);
    let host = host();
    assert_eq!(parameters.download(backend).unwrap(), host, "parameters change when they are replaced");
    parameters.replace(backward.buffers);
    let after = parameters.download(backend).unwrap();
    for (name, before) in &host {
        assert_eq!(*before != after[name], name == "norm.mean" || name == "norm.variance", "{name}");
    }
}

#[test]
fn dropped_branches_depend_on_the_pass_alone() {
    let backend = ReferenceBackend;
    let parameters = Parameters::upload(&backend, &HostParameters::new()).unwrap();
    let factors = |pass: Pass| {
        let mut tape = Tape::new(&backend, &parameters, pass);
        [0; 2].map(|_| tape.drop_factors(0.25, 64).unwrap())
    };
    let here = factors(PASS);
    assert_eq!(here, factors(PASS));
    assert_ne!(here[0], here[1], "two branches of one pass");
    assert_ne!(here, factors(Pass { index: 4, ..PASS }));
    assert_ne!(here, factors(Pass { seed: 8, ..PASS }));
    let kept = here.iter().flat_map(|factors| factors.iter()).filter(|&&factor| factor != 0.0).count();
    assert!(
        here.iter().flat_map(|factors| factors.iter()).all(|&factor| [0.0, 1.0 / 0.75].contains(&factor))
    );
    assert!((76..=116).contains(&kept), "{kept} of 128 kept at a rate of 1/4"); // 96 +- 4 deviations
    assert!(Tape::new(&backend, &parameters, PASS).drop_factors(0.0, 4).is_none());
    assert!(Tape::evaluating(&backend, &parameters).drop_factors(0.5, 4).is_none());
}

#[test]
fn a_constant_has_no_gradient() {
    let backend = ReferenceBackend;
    let parameters = Parameters::upload(&backend, &HostParameters::new()).unwrap();
    let mut tape = Tape::new(&backend, &parameters, PASS);
    let x = Var::constant(images(&backend));
    let y = tape.apply_one(Gelu, &[&x]).unwrap();
    let seed = y.tensor().clone();
    assert!(matches!(tape.backward(&y, seed), Err(Error::NoGradient)));
}

#[test]
fn a_frozen_tape_gives_the_gradient_of_the_leaf_alone() {
    on_every_backend!(frozen);
}

fn frozen<B: Backend>(backend: &B) {
    let parameters = Parameters::upload(backend, &host()).unwrap();
    let gradients = |tape: Tape<'_, B>| {
        let mut tape = tape;
        let x = tape.leaf("x", images(backend));
        let y = network(&mut tape, &x).unwrap();
        let seed = y.tensor().clone();
        let gradients = tape.backward(&y, seed).unwrap().gradients;
        let x = backend.download(&gradients["x"]).unwrap();
        (gradients.into_keys().collect::<Vec<_>>(), x)
    };
    let (names, gradient) = gradients(Tape::evaluating(backend, &parameters));
    assert_eq!(names, ["norm.bias", "norm.weight", "weight", "x"]);
    let (names, frozen) = gradients(Tape::evaluating(backend, &parameters).freezing());
    assert_eq!(names, ["x"]);
    assert_eq!(frozen, gradient);
}

#[test]
fn a_seed_of_another_shape_is_refused() {
    let backend = CpuBackend::with_level(Level::best());
    let parameters = Parameters::upload(&backend, &HostParameters::new()).unwrap();
    let mut tape = Tape::new(&backend, &parameters, PASS);
    let x = tape.leaf("x", images(&backend));
    let y = tape.apply_one(Add, &[&x, &x]).unwrap();
    let seed = backend.zeros(&Shape::from([16 * 3 * 5])).unwrap();
    let error = tape.backward(&y, seed).err().unwrap();
    assert!(error.to_string().contains("the seed has shape [240]"), "{error}");
}

#[test]
fn inference_has_the_bits_of_the_tape_in_evaluation() {
    on_every_backend!(inference);
}

fn inference<B: Backend>(backend: &B) {
    let parameters = Parameters::upload(backend, &host()).unwrap();
    let x = images(backend);
    let eager = network(&mut Eager::new(backend, &parameters), &x).unwrap();
    let tape = network(&mut Tape::evaluating(backend, &parameters), &Var::constant(x.clone())).unwrap();
    let bits = |tensor: &B::Tensor| -> Vec<u32> {
        backend.download(tensor).unwrap().into_iter().map(f32::to_bits).collect()
    };
    assert!(bits(&eager) == bits(tape.tensor()), "{}", backend.name());
    let shape = backend.shape(&x);
    let mut session = Session::record(backend, &parameters, shape, |e, x| network(e, x)).unwrap();
    for run in 0..3 {
        let recorded = session.run(x.clone()).unwrap();
        assert!(bits(&eager) == bits(&recorded), "{}, run {run}", backend.name());
    }
    assert!(session.run(backend.zeros(&Shape::from([1, 3, 5])).unwrap()).is_err(), "another shape");
}

#[test]
fn a_whole_network_meets_the_reference() {
    on_every_backend!(meets_the_reference);
}

fn meets_the_reference<B: Backend>(backend: &B) {
    fn gradients<B: Backend>(backend: &B) -> HostParameters {
        let parameters = Parameters::upload(backend, &host()).unwrap();
        let mut tape = Tape::new(backend, &parameters, PASS);
        let x = tape.leaf("x", images(backend));
        let y = network(&mut tape, &x).unwrap();
        let seed = backend.upload(&Shape::from([16, 3, 5]), &values("seed", 16 * 3 * 5)).unwrap();
        let backward = tape.backward(&y, seed).unwrap();
        let host = |(name, tensor)| (name, pelk_autodiff::to_host(backend, &tensor).unwrap());
        backward.gradients.into_iter().chain(backward.buffers).map(host).collect()
    }
    let (actual, reference) = (gradients(backend), gradients(&ReferenceBackend));
    assert!(actual.keys().eq(reference.keys()));
    for (name, expected) in &reference {
        let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
        let error = actual[name].iter().zip(expected).fold(0f32, |e, (a, b)| e.max((a - b).abs() / largest));
        assert!(error < 1e-4, "{}: {name} is off by {error}", backend.name());
    }
}

#[test]
fn values_of_another_tape_are_refused() -> Result<()> {
    let parameters = Parameters::upload(&ReferenceBackend, &HostParameters::new())?;
    let mut tapes = [(); 2].map(|()| Tape::new(&ReferenceBackend, &parameters, PASS));
    let x = tapes[0].leaf("x", ReferenceBackend.upload(&Shape::from([1]), &[1.0])?);
    let [first, mut second] = tapes;
    assert!(matches!(second.apply(Gelu, &[&x]), Err(Error::OtherTape)));
    let seed = ReferenceBackend.upload(&Shape::from([1]), &[1.0])?;
    assert!(matches!(second.backward(&x, seed.clone()), Err(Error::OtherTape)));
    assert!(first.backward(&x, seed).is_ok());
    Ok(())
}
