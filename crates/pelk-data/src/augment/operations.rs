//! The operations of RandAugment and color jitter, on bytes, equal to PIL's to the bit.

use pelk_simd::Level;

use super::warp::{Affine, bicubic};

/// An operation on an image of bytes, gray or RGB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    /// Stretches each channel's values to the whole range.
    AutoContrast,
    /// Equalizes each channel's histogram.
    Equalize,
    /// Swaps light and dark.
    Invert,
    /// Rotates about the center, counterclockwise, in degrees.
    Rotate(f64),
    /// Keeps this number of high bits.
    Posterize(u32),
    /// Inverts values from this one on.
    Solarize(u16),
    /// Adds this to values below 128.
    SolarizeAdd(u8),
    /// Saturation: 0 is gray, 1 the image. Does not change a gray image.
    Color(f64),
    /// Contrast: 0 is the mean gray, 1 the image.
    Contrast(f64),
    /// Brightness: 0 is black, 1 the image.
    Brightness(f64),
    /// Sharpness: 0 is a smoothed image, 1 the image.
    Sharpness(f64),
    /// Moves row `y` to the left by this times `y`.
    ShearX(f64),
    /// Moves column `x` up by this times `x`.
    ShearY(f64),
    /// Moves to the left by this share of the width.
    TranslateX(f64),
    /// Moves up by this share of the height.
    TranslateY(f64),
}

impl Operation {
    /// Changes an image, `[height, width, channels]` with 1 or 3 channels; uncovered pixels show `fill`, one
    /// value per channel.
    pub(super) fn apply(self, level: Level, shape: [usize; 3], pixels: &mut Vec<u8>, fill: &[u8]) {
        let [height, width, channels] = shape;
        let mut warp = |map: Affine| *pixels = bicubic(level, pixels, shape, map, fill);
        match self {
            Self::AutoContrast => by_channel(channels, pixels, stretched),
            Self::Equalize => by_channel(channels, pixels, equalized),
            Self::Invert => pixels.iter_mut().for_each(|value| *value = 255 - *value),
            Self::Posterize(bits) => {
                let mask = (0xff00_u32 >> bits.min(8)) as u8;
                pixels.iter_mut().for_each(|value| *value &= mask);
            }
            Self::Solarize(from) => {
                let change = |value: &mut u8| *value = 255 - *value;
                pixels.iter_mut().filter(|value| u16::from(**value) >= from).for_each(change);
            }
            Self::SolarizeAdd(sum) => {
                let change = |value: &mut u8| *value = value.saturating_add(sum);
                pixels.iter_mut().filter(|value| **value < 128).for_each(change);
            }
            Self::Color(factor) if channels == 3 => {
                for pixel in pixels.as_chunks_mut::<3>().0 {
                    let gray = luma(pixel);
                    pixel.iter_mut().for_each(|value| *value = blend(gray, *value, factor));
                }
            }
            Self::Color(_) => {}
            Self::Contrast(factor) => {
                let sum: u64 = pixels.chunks_exact(channels).map(|pixel| u64::from(luma(pixel))).sum();
                let mean = (sum as f64 / (height * width) as f64 + 0.5) as u8;
                pixels.iter_mut().for_each(|value| *value = blend(mean, *value, factor));
            }
            Self::Brightness(factor) => {
                pixels.iter_mut().for_each(|value| *value = blend(0, *value, factor));
            }
            Self::Sharpness(factor) => {
                let smooth = smoothed(shape, pixels);
                let change = |(value, smooth): (&mut u8, u8)| *value = blend(smooth, *value, factor);
                pixels.iter_mut().zip(smooth).for_each(change);
            }
            Self::Rotate(degrees) => {
                let (sin, cos) = degrees.to_radians().sin_cos();
                let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
                warp([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y]);
            }
            Self::ShearX(factor) => warp([1.0, factor, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY(factor) => warp([1.0, 0.0, 0.0, factor, 1.0, 0.0]),
            Self::TranslateX(share) => warp([1.0, 0.0, share * width as f64, 0.0, 1.0, 0.0]),
            Self::TranslateY(share) => warp([1.0, 0.0, 0.0, 0.0, 1.0, share * height as f64]),
        }
    }
}

/// Interpolates from `from` (0) to `to` (1), and extrapolates; truncated, not rounded, in `f32` as PIL.
fn blend(from: u8, to: u8, factor: f64) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    (from + factor as f32 * (to - from)) as u8
}

/// The brightness of a pixel, in PIL's integer arithmetic.
fn luma(pixel: &[u8]) -> u8 {
    match *pixel {
        [red, green, blue] => {
            let [red, green, blue] = [red, green, blue].map(u32::from);
            ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
        }
        _ => pixel[0],
    }
}

/// Maps the values of each channel by a table computed from the channel's histogram.
fn by_channel(channels: usize, pixels: &mut [u8], table: impl Fn(&[u64; 256]) -> [u8; 256]) {
    for channel in 0..channels {
        let mut counts = [0; 256];
        pixels[channel..].iter().step_by(channels).for_each(|&value| counts[usize::from(value)] += 1);
        let table = table(&counts);
        let change = |value: &mut u8| *value = table[usize::from(*value)];
        pixels[channel..].iter_mut().step_by(channels).for_each(change);
    }
}

/// The table that changes nothing.
fn same() -> [u8; 256] {
    std::array::from_fn(|value| value as u8)
}

/// Stretches the values that occur to 0..255.
fn stretched(counts: &[u64; 256]) -> [u8; 256] {
    let occurs = |value: &usize| counts[*value] > 0;
    match ((0..256).find(occurs), (0..256).rev().find(occurs)) {
        (Some(least), Some(largest)) if least < largest => {
            let scale = 255.0 / (largest - least) as f64;
            let offset = -(least as f64) * scale;
            std::array::from_fn(|value| (value as f64 * scale + offset) as u8)
        }
        _ => same(),
    }
}

/// Maps values to their rank. As in PIL, the step ignores the pixels with the largest value.
fn equalized(counts: &[u64; 256]) -> [u8; 256] {
    let largest = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
    let step = (counts.iter().sum::<u64>() - largest) / 255;
    if step == 0 {
        return same();
    }
    let mut rank = step / 2;
    std::array::from_fn(|value| {
        let level = (rank / step).min(255) as u8;
        rank += counts[value];
        level
    })
}

/// PIL's `SMOOTH`: weight 5/13 for the pixel and 1/13 for each of its eight neighbors. The border stays.
fn smoothed([height, width, channels]: [usize; 3], pixels: &[u8]) -> Vec<u8> {
    let mut out = pixels.to_vec();
    let row = width * channels;
    for y in 1..height.saturating_sub(1) {
        for at in y * row + channels..((y + 1) * row).saturating_sub(channels) {
            let line = |at: usize| [at - channels, at, at + channels].map(|at| u32::from(pixels[at]));
            let sum: u32 = [at - row, at, at + row].map(line).as_flattened().iter().sum();
            // Rounds; thirteenths have no ties.
            out[at] = ((2 * (sum + 4 * u32::from(pixels[at])) + 13) / 26) as u8;
        }
    }
    out
}
