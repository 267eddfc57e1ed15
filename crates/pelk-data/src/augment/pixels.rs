//! The pixels of an image during an augmentation.

use super::steps::{Padding, flip, shift};
use crate::Normalization;
use crate::resize::View;

/// Bytes until a step needs fractions: they take a quarter of the memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pixels {
    /// As they were stored.
    Bytes(Vec<u8>),
    /// On the scale 0 to 1.
    Values(Vec<f32>),
}

impl Pixels {
    /// The part of an image of bytes that `view` shows.
    pub(super) fn seen(view: &View, image: &[u8], channels: usize) -> Pixels {
        if view.from == view.to {
            Pixels::Bytes(view.part.cut(image, view.from[1], channels))
        } else {
            Pixels::Values(view.bilinear(image, channels))
        }
    }

    /// [`shift`], black outside.
    pub(super) fn shifted(
        &self,
        shape: [usize; 3],
        padding: Padding,
        pad: usize,
        corner: [usize; 2],
    ) -> Pixels {
        match self {
            Pixels::Bytes(bytes) => Pixels::Bytes(shift(bytes, shape, padding, pad, corner, 0)),
            Pixels::Values(values) => Pixels::Values(shift(values, shape, padding, pad, corner, 0.0)),
        }
    }

    /// [`flip`].
    pub(super) fn flip(&mut self, shape: [usize; 3]) {
        match self {
            Pixels::Bytes(bytes) => flip(shape, bytes),
            Pixels::Values(values) => flip(shape, values),
        }
    }

    /// Bytes, rounded.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Pixels::Bytes(bytes) => bytes,
            Pixels::Values(values) => to_bytes(&values),
        }
    }

    /// Values in 0..1.
    pub(super) fn into_values(self) -> Vec<f32> {
        match self {
            Pixels::Bytes(bytes) => bytes.into_iter().map(to_value).collect(),
            Pixels::Values(values) => values,
        }
    }

    /// Normalized values.
    pub(super) fn normalized(self, normalization: &Normalization) -> Vec<f32> {
        match self {
            Pixels::Bytes(bytes) => {
                // With a table: 256 values per channel are less work than an image.
                let channels = normalization.mean.len();
                let mut table: Vec<f32> =
                    (0..256 * channels).map(|i| to_value((i / channels) as u8)).collect();
                normalization.apply(&mut table);
                let mut values = vec![0.0; bytes.len()];
                for (values, pixel) in values.chunks_exact_mut(channels).zip(bytes.chunks_exact(channels)) {
                    for (channel, (value, &byte)) in values.iter_mut().zip(pixel).enumerate() {
                        *value = table[usize::from(byte) * channels + channel];
                    }
                }
                values
            }
            Pixels::Values(mut values) => {
                normalization.apply(&mut values);
                values
            }
        }
    }
}

fn to_value(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// Values in 0..1 as bytes, rounded.
pub(super) fn to_bytes(values: &[f32]) -> Vec<u8> {
    // Conversion to a byte truncates, and unlike `round` is vectorized.
    values.iter().map(|value| (255.0 * value + 0.5) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rectangle;

    #[test]
    fn bytes_survive_the_way_to_values_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let values = Pixels::Bytes(bytes.clone()).into_values();
        assert_eq!(Pixels::Values(values).into_bytes(), bytes);
        assert_eq!(to_bytes(&[-0.1, 0.499 / 255.0, 0.501 / 255.0, 1.2]), [0, 0, 1, 255]);
    }

    #[test]
    fn both_forms_move_and_are_normalized_alike() {
        let image: Vec<u8> = (0..60).map(|i| (i * 83 % 256) as u8).collect();
        let part = Rectangle { top: 1, left: 1, height: 3, width: 2 };
        let bytes = Pixels::seen(&View { from: [5, 4], to: [5, 4], part }, &image, 3);
        assert!(matches!(bytes, Pixels::Bytes(_)));
        let values = Pixels::Values(bytes.clone().into_values());
        let normalization = Normalization { mean: vec![0.4, 0.5, 0.6], std: vec![0.3, 0.2, 0.1] };
        let moved = |pixels: &Pixels| {
            let mut pixels = pixels.shifted([3, 2, 3], Padding::Zero, 1, [0, 2]);
            pixels.flip([3, 2, 3]);
            pixels.normalized(&normalization)
        };
        assert_eq!(moved(&bytes), moved(&values));
        let row = |y: usize| image[(y * 4 + 1) * 3..][..6].to_vec();
        assert_eq!(bytes.into_bytes(), [row(1), row(2), row(3)].concat());
    }
}
