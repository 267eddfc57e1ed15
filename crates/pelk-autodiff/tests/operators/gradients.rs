//! The gradients of the reference backend, which all others are compared with, match finite differences.

use crate::case::Case;
use crate::cases::all;
use crate::evaluation::evaluate;
use pelk_autodiff::{Eager, HostParameters, Parameters, ReferenceBackend, ReferenceTensor, Storage};
use pelk_random::shuffled;

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;
/// Of larger tensors, only this many values are checked.
const SAMPLE: usize = 48;

/// The sum of the objective's values, each times its seed.
fn objective(case: &Case, inputs: &[Vec<f64>]) -> f64 {
    let parameters = Parameters::upload(&ReferenceBackend, &HostParameters::new()).unwrap();
    let tensors: Vec<_> = case
        .inputs
        .iter()
        .zip(inputs)
        .map(|(input, values)| ReferenceTensor::from_f64(&input.shape, values).unwrap())
        .collect();
    let (_, objective) = case.run(&mut Eager::new(&ReferenceBackend, &parameters), &tensors).unwrap();
    let values = objective.to_f64();
    values.iter().zip(case.seed(values.len())).map(|(value, seed)| value * f64::from(seed)).sum()
}

#[test]
fn gradients_are_differences_of_values() {
    for case in all() {
        let gradients = evaluate(&ReferenceBackend, &case, |_| true).unwrap().gradients;
        let mut inputs: Vec<Vec<f64>> =
            case.inputs.iter().map(|input| input.values.iter().copied().map(f64::from).collect()).collect();
        for (i, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.is_some(), case.inputs[i].differentiable, "{}: input {i}", case.name);
            let Some(gradient) = gradient else { continue };
            assert_eq!(ReferenceBackend.shape(gradient), &case.inputs[i].shape, "{}: input {i}", case.name);
            let gradient = gradient.to_f64();
            let largest = gradient.iter().fold(1e-3, |largest: f64, g| largest.max(g.abs()));
            for j in shuffled(0, i as u64, gradient.len()).into_iter().take(SAMPLE) {
                let here = inputs[i][j];
                let mut at = |x: f64| {
                    inputs[i][j] = x;
                    objective(&case, &inputs)
                };
                let slope = (at(here + STEP) - at(here - STEP)) / (2.0 * STEP);
                inputs[i][j] = here;
                let error = (slope - gradient[j]).abs() / largest;
                assert!(
                    error <= TOLERANCE,
                    "{}: the derivative by value {j} of input {i} is {}, differences give {slope}",
                    case.name,
                    gradient[j],
                );
            }
        }
    }
}
