//! Each backend agrees with the reference backend, and gives the same bits however it is run.

use crate::case::{Case, values};
use crate::cases::{Kind, all};
use crate::evaluation::{Evaluation, evaluate};
use pelk_autodiff::{
    AdamW, Backend, CpuBackend, Error, GpuBackend, ReferenceBackend, ReferenceTensor, Sgd, Shape, Storage,
};
use pelk_simd::Level;
use pelk_wgpu::{GpuError, Options};
use rayon::ThreadPoolBuilder;

/// Relative to the largest magnitude in an output.
const OUTPUTS: f64 = 1e-5;
/// Relative to the largest magnitude in a gradient.
const GRADIENTS: f64 = 1e-4;

fn compare<B: Backend>(
    backend: &B,
    what: &str,
    tolerance: f64,
    actual: &B::Tensor,
    expected: &ReferenceTensor,
) {
    assert_eq!(backend.shape(actual), ReferenceBackend.shape(expected), "{what}: shape");
    let (actual, expected) = (backend.download(actual).unwrap(), expected.to_f64());
    let largest = expected.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
    for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let error = (f64::from(*actual) - expected).abs() / largest;
        assert!(error <= tolerance, "{what}: value {i} is {actual}, want {expected} (off by {error:.1e})");
    }
}

/// The bits of all results of a case.
pub fn bits<B: Backend>(backend: &B, evaluation: &Evaluation<B::Tensor>) -> Vec<(String, Vec<u32>)> {
    let bits = |tensor| backend.download(tensor).unwrap().into_iter().map(f32::to_bits).collect();
    evaluation.named().map(|(name, tensor)| (name, bits(tensor))).collect()
}

/// Fails unless `backend` gives the reference's outputs and gradients, with the same bits whichever gradients
/// are requested.
fn meets_the_reference<B: Backend>(backend: &B, case: &Case) {
    meets_the_reference_to(backend, case, [OUTPUTS, GRADIENTS]);
}

/// [`meets_the_reference`] with these tolerances for outputs and gradients.
fn meets_the_reference_to<B: Backend>(backend: &B, case: &Case, tolerances: [f64; 2]) {
    let what = format!("{}: {}", backend.name(), case.name);
    let expected = evaluate(&ReferenceBackend, case, |_| true).unwrap();
    let actual = evaluate(backend, case, |_| true).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(actual.outputs.len(), expected.outputs.len(), "{what}");
    for (i, (actual, expected)) in actual.outputs.iter().zip(&expected.outputs).enumerate() {
        compare(backend, &format!("{what}, output {i}"), tolerances[0], actual, expected);
    }
    for (i, (actual, expected)) in actual.gradients.iter().zip(&expected.gradients).enumerate() {
        match (actual, expected) {
            (Some(actual), Some(expected)) => {
                compare(backend, &format!("{what}, gradient of input {i}"), tolerances[1], actual, expected);
            }
            (actual, expected) => assert_eq!(actual.is_some(), expected.is_some(), "{what}, input {i}"),
        }
    }
    let all = bits(backend, &actual);
    for i in (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable) {
        let alone = evaluate(backend, case, |input| input == i).unwrap();
        let wanted = |(name, _): &&(String, Vec<u32>)| {
            name.starts_with("output") || *name == format!("gradient of input {i}")
        };
        let all: Vec<_> = all.iter().filter(wanted).cloned().collect();
        assert!(bits(backend, &alone) == all, "{what}: the gradient of input {i} depends on the others");
    }
}

/// What training does besides operators: clipping and accumulating gradients, steps, masks and averages.
/// Returns the named results and the gradient's sum of squares.
pub fn train<B: Backend>(backend: &B) -> (Vec<(&'static str, B::Tensor)>, f64) {
    let shape = Shape::from([3, 5, 7]);
    let upload = |index| backend.upload(&shape, &values("training", index, shape.elements())).unwrap();
    let (mut parameter, mut gradient) = (upload(0), upload(1));
    let [mut first, mut second] = [(); 2].map(|()| backend.zeros(&shape).unwrap());
    let mut average = parameter.clone();
    let (mut descended, mut velocity) = (parameter.clone(), backend.zeros(&shape).unwrap());
    let mut sparse_average = backend.zeros(&shape).unwrap();
    for step in 1..=3 {
        backend.scale_assign(&mut gradient, 0.75).unwrap();
        backend.add_assign(&mut gradient, &upload(2)).unwrap();
        let hyper =
            AdamW { learning_rate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.05, step };
        backend.adamw(&hyper, &mut parameter, &gradient, [&mut first, &mut second]).unwrap();
        backend.lerp_assign(&mut average, &parameter, 0.25).unwrap();
        let nesterov = step > 1;
        let hyper = Sgd { learning_rate: 1e-2, momentum: 0.9, weight_decay: 0.05, nesterov };
        backend.sgd(&hyper, &mut descended, &gradient, &mut velocity).unwrap();
        // First every second value is absent, then every third.
        let gap = step as usize + 1;
        let mask: Vec<f32> = (0..105).map(|i| if i % gap == 0 { 0.0 } else { 1.0 }).collect();
        let mut sparse = descended.clone();
        backend.mul_assign(&mut sparse, &backend.upload(&shape, &mask).unwrap()).unwrap();
        backend.sparse_lerp_assign(&mut sparse_average, &sparse, 0.25).unwrap();
    }
    let squares = backend.sum_of_squares(&[&gradient]).unwrap();
    backend.scale_assign(&mut gradient, f32::INFINITY).unwrap();
    assert!(!backend.sum_of_squares(&[&gradient]).unwrap().is_finite());
    let tensors = vec![
        ("parameter", parameter),
        ("mean", first),
        ("variance", second),
        ("average", average),
        ("parameter of SGD", descended),
        ("velocity", velocity),
        ("sparse average", sparse_average),
    ];
    (tensors, squares)
}

fn trains_as_the_reference<B: Backend>(backend: &B) {
    let (actual, actual_squares) = train(backend);
    let (expected, squares) = train(&ReferenceBackend);
    for ((name, actual), (_, expected)) in actual.iter().zip(&expected) {
        compare(backend, &format!("{}, {name}", backend.name()), OUTPUTS, actual, expected);
    }
    assert!((actual_squares - squares).abs() <= OUTPUTS * squares, "{actual_squares}, want {squares}");
}

#[test]
fn the_cpu_meets_the_reference_at_every_level() {
    if !pelk_testing::cpu() {
        return;
    }
    for level in Level::available() {
        let backend = CpuBackend::with_level(level);
        all().iter().for_each(|case| meets_the_reference(&backend, case));
        trains_as_the_reference(&backend);
    }
}

#[test]
fn the_gpu_meets_the_reference() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let backend = GpuBackend::new(gpu);
    all().iter().for_each(|case| meets_the_reference(&backend, case));
    trains_as_the_reference(&backend);
}

#[test]
fn the_gpu_meets_the_reference_without_subgroups() {
    let Some(gpu) = pelk_testing::own_gpu(Options { subgroups: false, ..Options::default() }) else { return };
    assert!(!gpu.uses_subgroups());
    let backend = GpuBackend::new(gpu);
    for case in all() {
        let across_rows = [Kind::LayerNorm, Kind::CrossEntropy, Kind::SoftCrossEntropy, Kind::PixelMlp];
        if across_rows.contains(&Kind::of(&case.op)) {
            meets_the_reference(&backend, &case);
        }
    }
}

/// Fails unless a value that is not a number is seen in the loss and in its gradient.
fn shows_not_a_number<B: Backend>(backend: &B) {
    let losses = [Kind::BinaryCrossEntropy, Kind::SmoothL1, Kind::BoxGiou, Kind::MaskCrossEntropy];
    for kind in losses {
        // The first case has one term.
        for i in 0..kind.cases()[0].inputs[0].values.len() {
            let mut case = kind.cases().swap_remove(0);
            case.inputs[0].values[i] = f32::NAN;
            let evaluation = evaluate(backend, &case, |_| true).unwrap();
            for (name, tensor) in evaluation.named() {
                let values = backend.download(tensor).unwrap();
                let what = format!("{}: {}, value {i}: {name}", backend.name(), case.name);
                assert!(values.iter().any(|value| value.is_nan()), "{what} is {values:?}");
            }
        }
    }
}

#[test]
fn losses_of_a_detector_show_what_is_not_a_number() {
    shows_not_a_number(&ReferenceBackend);
    shows_not_a_number(&CpuBackend::with_level(Level::best()));
    if let Some(gpu) = pelk_testing::gpu() {
        shows_not_a_number(&GpuBackend::new(gpu));
    }
}

/// Relative to the largest magnitude, when outputs are stored with eleven bits: a few roundings of 2^-11.
const FLOAT16: [f64; 2] = [1e-3, 4e-3];

#[test]
fn the_gpu_meets_the_reference_in_16_bits() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let backend = match GpuBackend::new(gpu).storing_float16() {
        Ok(backend) => backend,
        Err(error) => return assert!(error.to_string().contains("SHADER_F16"), "{error}"),
    };
    all().iter().for_each(|case| meets_the_reference_to(&backend, case, FLOAT16));
}

#[test]
fn backends_without_16_bits_say_so() {
    let error = CpuBackend::with_level(Level::best()).storing_float16().unwrap_err().to_string();
    assert!(error.contains("16-bit floats") && error.contains("cpu"), "{error}");
    assert!(ReferenceBackend.storing_float16().is_err());
}

/// Less than the largest tensors of the cases, and not a multiple of their rows.
const SMALL_BINDINGS: u64 = 60 << 10;

#[test]
fn the_gpu_gives_the_same_bits_twice_and_with_tensors_that_it_must_cut() {
    let Some(gpu) = pelk_testing::gpu() else { return };
    let options = Options { binding_bytes: Some(SMALL_BINDINGS), ..Options::default() };
    let Some(small) = pelk_testing::own_gpu(options) else { return };
    let (backend, small) = (GpuBackend::new(gpu), GpuBackend::new(small));
    let mut refused = Vec::new();
    for case in all() {
        let run = |backend| Ok(bits(backend, &evaluate(backend, &case, |_| true)?));
        let once = run(&backend).unwrap();
        assert!(once == run(&backend).unwrap(), "{}: other bits the second time", case.name);
        match run(&small) {
            Ok(in_parts) => assert!(once == in_parts, "{}: other bits in parts", case.name),
            Err(Error::Gpu(GpuError::TooLarge { .. })) => refused.push(case.name),
            Err(error) => panic!("{}: {error}", case.name),
        }
    }
    assert!(refused.is_empty(), "beyond the limits even in parts: {refused:?}");
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let cases = all();
    let run = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let backend = CpuBackend::with_level(Level::best());
        let evaluate = |case| bits(&backend, &evaluate(&backend, case, |_| true).unwrap());
        pool.install(|| cases.iter().map(evaluate).collect::<Vec<_>>())
    };
    let one = run(1);
    for threads in [2, 3] {
        for (case, (one, more)) in cases.iter().zip(one.iter().zip(run(threads))) {
            assert!(*one == more, "{}: other bits with {threads} threads", case.name);
        }
    }
}
