//! The mean and standard deviation of each channel, to normalize images with.

use serde::{Deserialize, Serialize};

use crate::DataError;

/// Mean and standard deviation of each channel of pixels in 0..1: a pixel becomes `(pixel - mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// The mean of each channel.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, above 0 when it is used.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The normalization that changes nothing: pixels stay in 0..1.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// The mean and deviation of ImageNet's colors, which networks for photos use.
    pub fn imagenet() -> Self {
        let unit = |values: [f32; 3]| values.map(|value| value / 255.0).to_vec();
        Self { mean: unit([123.675, 116.28, 103.53]), std: unit([58.395, 57.12, 57.375]) }
    }

    /// The mean and (population) standard deviation of bytes; channels are the innermost dimension.
    ///
    /// The sums are exact integers, so the result does not depend on their order. A channel with a single
    /// value has deviation 0, which [`Normalization::validate`] rejects.
    pub(crate) fn of_pixels(pixels: &[u8], channels: usize) -> Self {
        let mut sums = vec![(0_u64, 0_u64); channels];
        for pixel in pixels.chunks_exact(channels) {
            for ((sum, squares), &value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(value);
                *squares += u64::from(value).pow(2);
            }
        }
        let count = (pixels.len() / channels) as f64;
        let moments = sums.iter().map(|&(sum, squares)| {
            let mean = sum as f64 / count;
            let variance = squares as f64 / count - mean * mean;
            ((mean / 255.0) as f32, (variance.max(0.0).sqrt() / 255.0) as f32)
        });
        let (mean, std) = moments.unzip();
        Self { mean, std }
    }

    /// Checks that each of `channels` has a finite mean and a standard deviation above 0.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field `mean` or `std`.
    pub fn validate(&self, channels: usize) -> Result<(), DataError> {
        let expected = |what: &str| format!("{what} for each of {channels} channels");
        if self.mean.len() != channels || !self.mean.iter().all(|mean| mean.is_finite()) {
            return Err(DataError::config("mean", &self.mean, expected("a finite number")));
        }
        if self.std.len() != channels || !self.std.iter().all(|&std| std.is_finite() && std > 0.0) {
            return Err(DataError::config("std", &self.std, expected("a finite number above 0")));
        }
        Ok(())
    }

    /// Normalizes pixels in 0..1 in place; channels are the innermost dimension.
    pub fn apply(&self, pixels: &mut [f32]) {
        for pixel in pixels.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), std) in pixel.iter_mut().zip(&self.mean).zip(&self.std) {
                *value = (*value - mean) / std;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_definition() {
        // Channel 0: 0 and 255, mean 1/2, deviation 1/2. Channel 1: constant.
        let normalization = Normalization::of_pixels(&[0, 51, 255, 51], 2);
        assert_eq!(normalization, Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 0.0] });
    }

    #[test]
    fn normalized_pixels_have_mean_0_and_deviation_1() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut pixels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        Normalization::of_pixels(&bytes, 1).apply(&mut pixels);
        let mean = pixels.iter().sum::<f32>() / 256.0;
        let variance = pixels.iter().map(|pixel| pixel * pixel).sum::<f32>() / 256.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
    }

    #[test]
    fn unusable_values_are_named() {
        for (mean, std, field) in [
            (vec![0.5], vec![0.0], "std is [0.0]"),
            (vec![0.5], vec![f32::NAN], "std is [NaN]"),
            (vec![0.5], vec![1.0, 1.0], "std is [1.0, 1.0]"),
            (vec![], vec![1.0], "mean is []"),
            (vec![f32::INFINITY], vec![1.0], "mean is [inf]"),
        ] {
            let text = Normalization { mean, std }.validate(1).unwrap_err().to_string();
            assert!(text.starts_with(field) && text.contains("each of 1 channels"), "{text}");
        }
        assert!(Normalization::identity(3).validate(3).is_ok());
    }
}
