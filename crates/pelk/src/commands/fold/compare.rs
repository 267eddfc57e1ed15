//! Compares the outputs and the speed of two forms of a network on the same images.

use super::samples::Samples;
use anyhow::Result;
use ndarray::{Array, ArrayView1, Dimension};
use pelk_autodiff::Backend;
use pelk_train::Trained;
use pelk_train::{InferenceConfig, Predictor};
use std::time::Instant;

/// The differences between two forms.
#[derive(Debug, Default)]
pub struct Comparison {
    pub images: usize,
    /// The largest absolute difference of two outputs; NaN if one of them is NaN.
    pub difference: f64,
    /// The largest absolute output of the first form.
    pub largest: f64,
    /// Images in which the class changes anywhere.
    pub images_changed: usize,
    /// Predicted classes: one per image, per pixel, or per box.
    pub places: usize,
    pub places_changed: usize,
    /// Number of objects that each form of a detector finds.
    pub found: [usize; 2],
    /// Total time of each form for all images.
    pub seconds: [f64; 2],
}

/// Computes the logits of each image with both forms, one image at a time; `on_image` gets the number of
/// images done.
///
/// # Errors
/// When an image cannot be read or does not fit the network.
pub fn compare<B: Backend>(
    backend: &B,
    forms: [&Trained<B>; 2],
    images: &Samples<'_>,
    mut on_image: impl FnMut(usize),
) -> Result<Comparison> {
    // Windows average logits, but scales and mirroring average probabilities, whose logarithms hide
    // differences in unlikely classes.
    let trained = forms[0].description.inference.clone();
    let inference = InferenceConfig { scales: vec![1.0], flip: false, ..trained };
    let [before, after] =
        forms.map(|form| Predictor::new(backend, &form.network, &form.parameters, inference.clone()));
    let mut predictors = [before?, after?];
    let mut compared = Comparison::default();
    for index in 0..images.len() {
        let image = images.image(index)?;
        let mut logits = Vec::with_capacity(2);
        for (predictor, seconds) in predictors.iter_mut().zip(&mut compared.seconds) {
            // The first run records the network for the image's size, which is not part of its speed.
            logits.push(predictor.logits(&image)?);
            let start = Instant::now();
            predictor.logits(&image)?;
            *seconds += start.elapsed().as_secs_f64();
        }
        compared.add(&logits[0], &logits[1]);
        on_image(index + 1);
    }
    Ok(compared)
}

impl Comparison {
    /// Adds an image's logits `[.., classes]`.
    pub fn add<D: Dimension>(&mut self, before: &Array<f32, D>, after: &Array<f32, D>) {
        self.values(before, after);
        let rows = before.rows().into_iter().zip(after.rows());
        let changed = rows.filter(|(before, after)| class(*before) != class(*after)).count();
        self.places += before.rows().into_iter().len();
        self.places_changed += changed;
        self.images_changed += usize::from(changed > 0);
        self.images += 1;
    }

    /// Adds outputs that are not of classes.
    pub fn values<D: Dimension>(&mut self, before: &Array<f32, D>, after: &Array<f32, D>) {
        for (&before, &after) in before.iter().zip(after) {
            self.difference = highest(self.difference, f64::from(before - after).abs());
            self.largest = highest(self.largest, f64::from(before).abs());
        }
    }

    /// The largest difference as a share of the largest output.
    pub fn share(&self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { self.difference / self.largest }
    }

    /// Whether the difference is within this share of the largest output.
    pub fn agrees(&self, tolerance: f64) -> bool {
        self.share() <= tolerance
    }
}

/// The higher of two values; NaN wins and stays.
fn highest(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The class with the highest logit; the first one of equals.
fn class(row: ArrayView1<'_, f32>) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    fn logits(values: &[f32]) -> Array4<f32> {
        Array4::from_shape_vec((1, 1, values.len() / 2, 2), values.to_vec()).unwrap()
    }

    #[test]
    fn the_largest_difference_and_every_change_are_found() {
        let mut compared = Comparison::default();
        compared.add(&logits(&[1.0, -4.0, 2.0, 3.0]), &logits(&[1.0, -4.0, 2.0, 2.5]));
        compared.add(&logits(&[1.0, 1.25, 0.0, 0.0]), &logits(&[1.25, 1.0, 0.0, 0.0]));
        let Comparison { images, difference, largest, images_changed, places, places_changed, .. } = compared;
        assert_eq!((difference, largest), (0.5, 4.0));
        assert_eq!((images, images_changed, places, places_changed), (2, 1, 4, 1));
        assert!(compared.agrees(0.125) && !compared.agrees(0.124));
        compared.values(&logits(&[8.0, 0.0]), &logits(&[7.0, 0.0]));
        let Comparison { images, difference, largest, images_changed, places, .. } = compared;
        assert_eq!((difference, largest, images, images_changed, places), (1.0, 8.0, 2, 1, 4));
    }

    #[test]
    fn what_is_not_a_number_never_agrees() {
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, f32::INFINITY), (0.0, 1e-30)] {
            let mut compared = Comparison::default();
            compared.add(&logits(&[a, 0.0]), &logits(&[b, 0.0]));
            compared.add(&logits(&[0.0, 0.0]), &logits(&[0.0, 0.0]));
            assert!(!compared.agrees(1.0), "{a} and {b}");
        }
        let mut equal = Comparison::default();
        equal.add(&logits(&[0.0, 0.0]), &logits(&[0.0, 0.0]));
        assert!(equal.agrees(0.0));
    }
}
