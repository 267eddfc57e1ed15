//! How much the center of a network's last map depends on each pixel.

use crate::error::{ModelError, Result};
use crate::network::Network;
use pelk_autodiff::operators::Relu;
use pelk_autodiff::{Backend, Executor, Parameters, Shape, Tape};

/// The name of the image on the tape; unlike those of parameters, it has no dots.
const IMAGE: &str = "image";

/// The gradient, with respect to the pixels of one image `[1, H, W, C]`, of the sum over the channels of
/// `max(feature, 0)` at position `(h / 2, w / 2)` of the last stage's map `[1, h, w, channels]`, in
/// evaluation mode.
///
/// # Errors
/// When the image does not fit the network, or the backend refuses.
pub fn input_gradient<B: Backend>(
    backend: &B,
    network: &Network,
    parameters: &Parameters<B>,
    image: &Shape,
    pixels: &[f32],
) -> Result<Vec<f32>> {
    let mut tape = Tape::evaluating(backend, parameters).freezing();
    let leaf = tape.leaf(IMAGE, backend.upload(image, pixels)?);
    let map = network.features(&mut tape, &leaf)?.pop().ok_or_else(|| none("the network has no stage"))?;
    let positive = tape.apply_one(Relu, &[&map])?;
    let shape = tape.shape(&positive).clone();
    let (height, width, channels) = (shape[1], shape[2], shape[3]);
    let mut seed = vec![0.0; shape.elements()];
    let center = (height / 2 * width + width / 2) * channels;
    seed[center..center + channels].fill(1.0);
    let seed = backend.upload(&shape, &seed)?;
    let mut backward = tape.backward(&positive, seed)?;
    let gradient = backward
        .gradients
        .remove(IMAGE)
        .ok_or_else(|| none("no path leads from the image to the last map"))?;
    Ok(backend.download(&gradient)?)
}

fn none(reason: &str) -> ModelError {
    ModelError::ReceptiveField { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fold, initialize, zoo};
    use pelk_autodiff::{CpuBackend, Eager, HostParameters, Storage};

    /// A network of three small stages for images of 24 x 24 pixels, in its training form and folded.
    fn networks() -> [(Network, HostParameters); 2] {
        let mut blueprint = zoo::model("pelk_atto").unwrap().blueprint;
        (blueprint.depths, blueprint.widths) = (vec![1; 3], vec![8; 3]);
        let config = blueprint.build("pelk_atto", 1, 10).unwrap();
        let network = Network::new(config.clone()).unwrap();
        let mut weights = initialize(&network, 1).unwrap();
        // Statistics as after training, so that BatchNorm has an effect.
        for (name, values) in &mut weights {
            if name.ends_with("running_var") {
                values.fill(0.01);
            }
        }
        let (folded, merged) = fold(&config, &weights).unwrap();
        [(network, weights), (Network::new(folded).unwrap(), merged)]
    }

    fn image() -> (Shape, Vec<f32>) {
        let shape = Shape::from([1, 24, 24, 1]);
        let pixels = (0..shape.elements()).map(|i| (i * i % 17) as f32 / 8.0 - 1.0).collect();
        (shape, pixels)
    }

    #[test]
    fn the_gradient_meets_finite_differences_in_both_forms() {
        let backend = CpuBackend::new().unwrap();
        let (shape, pixels) = image();
        for (network, weights) in networks() {
            let parameters = Parameters::upload(&backend, &weights).unwrap();
            let objective = |pixels: &[f32]| -> f64 {
                let image = backend.upload(&shape, pixels).unwrap();
                let mut eager = Eager::new(&backend, &parameters);
                let map = network.features(&mut eager, &image).unwrap().pop().unwrap();
                let values = backend.download(&map).unwrap();
                assert_eq!(values.len(), 3 * 3 * 8);
                // The middle of 3 x 3 positions.
                values[4 * 8..5 * 8].iter().map(|&value| f64::from(value.max(0.0))).sum()
            };
            let gradient = input_gradient(&backend, &network, &parameters, &shape, &pixels).unwrap();
            let largest = gradient.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert!(largest > 1e-3, "{largest}");
            for pixel in (0..pixels.len()).step_by(13) {
                const STEP: f32 = 1e-2;
                let at = |step: f32| {
                    let mut pixels = pixels.clone();
                    pixels[pixel] += step;
                    objective(&pixels)
                };
                let difference = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
                let error = (difference - f64::from(gradient[pixel])).abs();
                assert!(
                    error < 0.01 * f64::from(largest),
                    "pixel {pixel}: {difference}, not {}",
                    gradient[pixel]
                );
            }
        }
    }

    #[test]
    fn the_folded_network_has_the_same_gradient() {
        let backend = CpuBackend::new().unwrap();
        let (shape, pixels) = image();
        let [plain, folded] = networks().map(|(network, weights)| {
            let parameters = Parameters::upload(&backend, &weights).unwrap();
            input_gradient(&backend, &network, &parameters, &shape, &pixels).unwrap()
        });
        let largest = plain.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (a, b) in plain.iter().zip(&folded) {
            assert!((a - b).abs() <= 1e-4 * largest, "{a} and {b}");
        }
    }
}
