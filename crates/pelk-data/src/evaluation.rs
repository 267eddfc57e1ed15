//! Prepares images for evaluation.

use pelk_simd::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resample::{CHANNELS, bicubic};
use crate::resize::LONGEST;
use crate::{DataError, Labeling, Sample};

/// Makes a square of an image of any size: a resize that keeps the aspect ratio (bicubic, as in PIL) and a
/// center crop.
///
/// As in timm and torchvision: `Resize(int(size / crop_ratio))` and `CenterCrop(size)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationTransform {
    /// Side of the square, in pixels, 1 to 32768.
    pub size: usize,
    /// Side of the square as a share of the resized image's shorter side, above 0 and up to 1; 1 squeezes the
    /// whole image into the square, as ConvNeXt's recipe does from 384 pixels on.
    pub crop_ratio: f64,
}

impl Default for EvaluationTransform {
    fn default() -> Self {
        Self { size: 224, crop_ratio: 0.875 }
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
        Ok(())
    }

    /// Checks the fields for a dataset of these channels and this labeling.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate_for(&self, channels: usize, labeling: Labeling) -> Result<(), DataError> {
        self.validate()?;
        if labeling != Labeling::Image {
            let expected = "left out for this dataset, which has labels per pixel: they would not move along";
            return Err(DataError::config("evaluation", self, expected));
        }
        if !CHANNELS.contains(&channels) {
            let expected = format!("left out for images of {channels} channels: it supports {CHANNELS:?}");
            return Err(DataError::config("evaluation", self, expected));
        }
        Ok(())
    }

    /// A sample with one class, its image changed by [`EvaluationTransform::apply`].
    pub(crate) fn sample<'a>(&self, level: Level, sample: &Sample<'a>, channels: usize) -> Sample<'a> {
        let pixels = self.apply(level, &sample.pixels, sample.size, channels).into();
        Sample { size: [self.size; 2], pixels, labels: sample.labels.clone(), groups: sample.groups.clone() }
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

    #[test]
    fn an_image_is_resized_and_cut_as_by_torchvision_and_pil() {
        for expected in golden("evaluation/") {
            let [_, size, crop_ratio, name] = expected.parts()[..] else { unreachable!() };
            let image = input(name);
            let transform =
                EvaluationTransform { size: size.parse().unwrap(), crop_ratio: crop_ratio.parse().unwrap() };
            let out = transform.apply(Level::best(), &image.bytes, [image.shape[0], image.shape[1]], 3);
            assert_eq!(expected.difference(&out), (0, 0.0), "{}", expected.name);
        }
    }

    #[test]
    fn fields_out_of_range_and_unfit_data_are_named() {
        let text = |size, crop_ratio, channels, labeling| {
            EvaluationTransform { size, crop_ratio }.validate_for(channels, labeling).unwrap_err().to_string()
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
    }

    proptest! {
        #[test]
        fn images_of_every_size_become_squares(
            size in [1..60_usize, 1..60_usize], side in 1..40_usize, ratio in 0.05..1.0_f64,
            channels in 1..5_usize,
        ) {
            let flat = vec![77; size[0] * size[1] * channels];
            for crop_ratio in [ratio, 1.0] {
                let transform = EvaluationTransform { size: side, crop_ratio };
                let out = transform.apply(Level::best(), &flat, size, channels);
                prop_assert_eq!(out, vec![77; side * side * channels]);
            }
        }
    }
}
