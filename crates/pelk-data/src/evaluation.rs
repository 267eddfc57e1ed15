//! Prepares images for evaluation.

use pelk_simd::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resample::{CHANNELS, bicubic};
use crate::resize::LONGEST;
use crate::{DataError, Labeling, Sample};

/// How images of any size are resized. With classes, they become squares: a resize that keeps the aspect
/// ratio (bicubic, as in PIL) and a center crop, as in timm and torchvision: `Resize(int(size / crop_ratio))`
/// and `CenterCrop(size)`. With objects, they keep their aspect ratio and all of their content: `fit`
/// (bilinear, as in training).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationTransform {
    /// Side of the square, in pixels, 1 to 32768.
    pub size: usize,
    /// Side of the square as a share of the resized image's shorter side, above 0 and up to 1; 1 squeezes the
    /// whole image into the square, as ConvNeXt's recipe does from 384 pixels on.
    pub crop_ratio: f64,
    /// Only for images with objects, and instead of a square: limits of the longer and the shorter side, in
    /// pixels, for instance MMDetection's `[1333, 800]`; `[0, 0]` for a square.
    pub fit: [usize; 2],
}

impl Default for EvaluationTransform {
    fn default() -> Self {
        Self { size: 224, crop_ratio: 0.875, fit: [0, 0] }
    }
}

impl EvaluationTransform {
    /// Checks the ranges of the fields, for any dataset.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate(&self) -> Result<(), DataError> {
        if !(1..=LONGEST).contains(&self.size) {
            return Err(DataError::config("evaluation.size", self.size, format!("1 to {LONGEST} pixels")));
        }
        let least = self.size as f64 / LONGEST as f64;
        if !(self.crop_ratio >= least && self.crop_ratio <= 1.0) {
            let expected = format!("a share of at least {least} and up to 1");
            return Err(DataError::config("evaluation.crop_ratio", self.crop_ratio, expected));
        }
        let [long, short] = self.fit;
        if self.fit != [0, 0] && !(1 <= short && short <= long && long <= LONGEST) {
            let expected = format!("two sides, the longer first, from 1 to {LONGEST} pixels, or [0, 0]");
            return Err(DataError::config("evaluation.fit", self.fit, expected));
        }
        Ok(())
    }

    /// Checks the fields for a dataset of these channels and this labeling.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate_for(&self, channels: usize, labeling: Labeling) -> Result<(), DataError> {
        self.validate()?;
        match (labeling, self.fit) {
            (Labeling::Pixels { .. }, _) => {
                let expected =
                    "left out for this dataset, which has labels per pixel: they would not move along";
                return Err(DataError::config("evaluation", self, expected));
            }
            (Labeling::Objects, [0, 0]) => {
                let expected = "two sides for this dataset, which has objects: a square would cut them";
                return Err(DataError::config("evaluation.fit", self.fit, expected));
            }
            (Labeling::Objects, _) => return Ok(()),
            (Labeling::Image, [0, 0]) => {}
            (Labeling::Image, _) => {
                let expected = "[0, 0] for this dataset, whose images have one class each";
                return Err(DataError::config("evaluation.fit", self.fit, expected));
            }
        }
        if !CHANNELS.contains(&channels) {
            let expected = format!("left out for images of {channels} channels: it supports {CHANNELS:?}");
            return Err(DataError::config("evaluation", self, expected));
        }
        Ok(())
    }

    /// A sample with one class, its image changed by [`EvaluationTransform::apply`].
    pub(crate) fn sample<'a>(&self, level: Level, sample: &Sample<'a>, channels: usize) -> Sample<'a> {
        let pixels = self.apply(level, &sample.pixels, sample.size, channels);
        let groups = sample.groups.clone();
        Sample { groups, ..Sample::new([self.size; 2], pixels, sample.labels.clone()) }
    }

    /// Turns an image of bytes, `size` (height, width) x channels, into the square, side x side x channels.
    /// The bytes do not depend on `level`.
    ///
    /// # Panics
    /// If a side is 0, the length does not fit, or [`EvaluationTransform::validate_for`] refuses the
    /// channels.
    pub fn apply(&self, level: Level, image: &[u8], size: [usize; 2], channels: usize) -> Vec<u8> {
        assert_eq!(image.len(), size[0] * size[1] * channels, "bytes of an image of {size:?}");
        let whole = size.map(|side| side as f64);
        let part = match self.crop_ratio {
            1.0 => [0.0, 0.0, whole[0], whole[1]],
            ratio => {
                let short = (self.size as f64 / ratio).floor();
                let shortest = whole[0].min(whole[1]);
                let resized = whole.map(|side| (short * side / shortest).floor());
                // Python's rounding: ties go to the even number.
                let at = resized.map(|side| ((side - self.size as f64) / 2.0).round_ties_even());
                // Only the pixels of the square are computed.
                let scale = [whole[0] / resized[0], whole[1] / resized[1]];
                let length =
                    |axis: usize| (self.size as f64 * scale[axis]).min(whole[axis] - at[axis] * scale[axis]);
                [at[0] * scale[0], at[1] * scale[1], length(0), length(1)]
            }
        };
        bicubic(level, image, size, channels, part, [self.size; 2])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{golden, input};

    fn square(size: usize, crop_ratio: f64) -> EvaluationTransform {
        EvaluationTransform { size, crop_ratio, ..EvaluationTransform::default() }
    }

    #[test]
    fn an_image_is_resized_and_cut_as_by_torchvision_and_pil() {
        for expected in golden("evaluation/") {
            let [_, size, crop_ratio, name] = expected.parts()[..] else { unreachable!() };
            let image = input(name);
            let transform = square(size.parse().unwrap(), crop_ratio.parse().unwrap());
            let out = transform.apply(Level::best(), &image.bytes, [image.shape[0], image.shape[1]], 3);
            assert_eq!(expected.difference(&out), (0, 0.0), "{}", expected.name);
        }
    }

    #[test]
    fn fields_out_of_range_and_unfit_data_are_named() {
        let text = |size, crop_ratio, channels, labeling| {
            square(size, crop_ratio).validate_for(channels, labeling).unwrap_err().to_string()
        };
        let image = Labeling::Image;
        assert!(text(0, 0.875, 3, image).starts_with("evaluation.size is 0, but must be 1 to"));
        assert!(text(1 << 16, 0.875, 3, image).starts_with("evaluation.size is 65536"));
        for ratio in [0.0, -1.0, 1.01, f64::NAN, 1e-9] {
            assert!(text(224, ratio, 3, image).starts_with("evaluation.crop_ratio is"));
        }
        assert!(text(224, 0.875, 5, image).contains("left out for images of 5 channels"));
        assert!(text(224, 0.875, 3, Labeling::Pixels { stride: 1 }).contains("left out for this dataset"));
        assert!(EvaluationTransform::default().validate_for(1, image).is_ok());
        let error = |fit, labeling| {
            let transform = EvaluationTransform { fit, ..EvaluationTransform::default() };
            transform.validate_for(3, labeling).unwrap_err().to_string()
        };
        let objects = Labeling::Objects;
        assert!(error([0, 0], objects).starts_with("evaluation.fit is [0, 0], but must be two sides"));
        assert!(error([1333, 800], image).starts_with("evaluation.fit is [1333, 800], but must be [0, 0]"));
        for fit in [[800, 1333], [8, 0], [1 << 16, 8]] {
            assert!(error(fit, objects).starts_with(&format!("evaluation.fit is {fit:?}, but must be two")));
        }
    }

    proptest! {
        #[test]
        fn images_of_every_size_become_squares(
            size in [1..60_usize, 1..60_usize], side in 1..40_usize, ratio in 0.05..1.0_f64,
            channels in 1..5_usize,
        ) {
            let flat = vec![77; size[0] * size[1] * channels];
            for crop_ratio in [ratio, 1.0] {
                let transform = square(side, crop_ratio);
                let out = transform.apply(Level::best(), &flat, size, channels);
                prop_assert_eq!(out, vec![77; side * side * channels]);
            }
        }
    }
}
