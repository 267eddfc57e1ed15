//! Random brightness and color, like MMSegmentation's `PhotoMetricDistortion`, but without rounding to bytes
//! in between.

use rand::{Rng, RngExt};

use super::steps::happens;

/// The probability of each of the four changes.
const PROBABILITY: f64 = 0.5;
/// The largest change of brightness up or down, on the scale 0 to 1.
const BRIGHTNESS: f32 = 32.0 / 255.0;
/// The smallest and the largest factor of contrast and of saturation.
const FACTOR: [f32; 2] = [0.5, 1.5];
/// The largest turn of the hue to either side, in turns.
const HUE: f32 = 18.0 / 180.0;

/// Changes the brightness, contrast, saturation and hue of pixels in 0..1 of 3 channels, or the first two for
/// other numbers of channels. The contrast changes before the color or after it.
pub(crate) fn distort(rng: &mut impl Rng, channels: usize, pixels: &mut [f32]) {
    if happens(rng, PROBABILITY) {
        let change = uniform(rng, [-BRIGHTNESS, BRIGHTNESS]);
        pixels.iter_mut().for_each(|value| *value = (*value + change).clamp(0.0, 1.0));
    }
    let early = happens(rng, 0.5);
    if early {
        contrast(rng, pixels);
    }
    if channels == 3 {
        let saturation = if happens(rng, PROBABILITY) { uniform(rng, FACTOR) } else { 1.0 };
        let hue = if happens(rng, PROBABILITY) { uniform(rng, [-HUE, HUE]) } else { 0.0 };
        if (saturation, hue) != (1.0, 0.0) {
            for pixel in pixels.as_chunks_mut::<3>().0 {
                let [h, s, v] = hsv(*pixel);
                *pixel = rgb([h + hue, (s * saturation).min(1.0), v]);
            }
        }
    }
    if !early {
        contrast(rng, pixels);
    }
}

fn contrast(rng: &mut impl Rng, pixels: &mut [f32]) {
    if happens(rng, PROBABILITY) {
        let factor = uniform(rng, FACTOR);
        pixels.iter_mut().for_each(|value| *value = (*value * factor).clamp(0.0, 1.0));
    }
}

fn uniform(rng: &mut impl Rng, [least, largest]: [f32; 2]) -> f32 {
    least + (largest - least) * rng.random::<f32>()
}

/// Hue (in turns), saturation and value of an RGB color, all in 0..1.
fn hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let value = r.max(g).max(b);
    let range = value - r.min(g).min(b);
    if range <= 0.0 {
        return [0.0, 0.0, value];
    }
    let sixths = if value == r {
        (g - b) / range
    } else if value == g {
        (b - r) / range + 2.0
    } else {
        (r - g) / range + 4.0
    };
    [sixths / 6.0, range / value, value]
}

/// The inverse of [`hsv`]; the hue may be any number of turns.
fn rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|offset| {
        let place = (offset + hue * 6.0_f32).rem_euclid(6.0);
        value - value * saturation * place.min(4.0 - place).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;

    fn distorted(seed: u64, pixels: &[f32], channels: usize) -> Vec<f32> {
        let mut pixels = pixels.to_vec();
        distort(&mut stream(seed, Purpose::Augment, 0, 0), channels, &mut pixels);
        pixels
    }

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn known_colors_have_their_hue() {
        assert_eq!(hsv([1.0, 0.0, 0.0]), [0.0, 1.0, 1.0]);
        assert_eq!(hsv([0.0, 0.5, 0.0]), [1.0 / 3.0, 1.0, 0.5]);
        assert_eq!(hsv([0.0, 0.0, 0.25]), [2.0 / 3.0, 1.0, 0.25]);
        assert_eq!(hsv([0.25; 3]), [0.0, 0.0, 0.25]);
        assert!(near(&rgb([-1.0 / 3.0, 1.0, 1.0]), &[0.0, 0.0, 1.0]));
    }

    #[test]
    fn every_change_happens_half_of_the_time() {
        // Gray changes by brightness or contrast only.
        let changed = |pixels: &[f32], channels| {
            (0..2000).filter(|&seed| !near(&distorted(seed, pixels, channels), pixels)).count() as f64
                / 2000.0
        };
        let (gray, red) = (changed(&[0.4], 1), changed(&[0.6, 0.4, 0.4], 3));
        assert!((gray - 3.0 / 4.0).abs() < 0.05, "{gray}");
        assert!((changed(&[0.4; 3], 3) - 3.0 / 4.0).abs() < 0.05);
        assert!((red - 15.0 / 16.0).abs() < 0.05, "{red}");
    }

    #[test]
    fn changes_stay_in_their_range() {
        // Of gray 0.4: 0.5 * (0.4 - 32/255) to 1.5 * (0.4 + 32/255).
        let mut range = [f32::MAX, f32::MIN];
        for seed in 0..5000 {
            let value = distorted(seed, &[0.4], 1)[0];
            range = [range[0].min(value), range[1].max(value)];
        }
        assert!((range[0] - 0.137).abs() < 0.02 && (range[1] - 0.788).abs() < 0.02, "{range:?}");
        // The hue of red turns to both sides, a tenth of a turn at most.
        let mut turns = [0.0_f32; 2];
        for seed in 0..1000 {
            let [hue, ..] = hsv(distorted(seed, &[0.6, 0.1, 0.1], 3).try_into().unwrap());
            turns = [turns[0].min(hue), turns[1].max(hue)];
        }
        assert!((turns[0] + 0.1).abs() < 0.005 && (turns[1] - 0.1).abs() < 0.005, "{turns:?}");
    }

    proptest! {
        #[test]
        fn hue_saturation_and_value_lead_back_to_the_color(color in [0.0..=1.0_f32, 0.0..=1.0, 0.0..=1.0]) {
            prop_assert!(near(&rgb(hsv(color)), &color), "{:?}", rgb(hsv(color)));
        }

        #[test]
        fn pixels_stay_in_range_and_equal_ones_stay_equal(
            seed: u64, color in [0.0..=1.0_f32, 0.0..=1.0, 0.0..=1.0],
        ) {
            let out = distorted(seed, &[color, [0.5, 0.25, 0.0], color].concat(), 3);
            prop_assert!(out.iter().all(|value| (0.0..=1.0).contains(value)), "{out:?}");
            prop_assert_eq!(&out[..3], &out[6..]);
        }
    }
}
