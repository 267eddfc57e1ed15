//! Random brightness, contrast and saturation.

use pelk_simd::Level;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::operations::Operation;

/// Changes brightness, contrast and saturation of an image of bytes, `[height, width, channels]` with 1 or 3
/// channels, in random order, each by a uniform factor of `1 - strength` to `1 + strength`: torchvision's
/// `ColorJitter` without hue.
pub(super) fn jitter(
    level: Level,
    rng: &mut impl Rng,
    strength: f64,
    shape: [usize; 3],
    pixels: &mut Vec<u8>,
) {
    let mut order = [Operation::Brightness, Operation::Contrast, Operation::Color];
    order.shuffle(rng);
    for operation in order {
        let factor = 1.0 + strength * (2.0 * rng.random::<f64>() - 1.0);
        operation(factor).apply(level, shape, pixels, &[]);
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};

    use super::*;

    fn jittered(seed: u64, strength: f64, image: &[u8], channels: usize) -> Vec<u8> {
        let mut pixels = image.to_vec();
        let mut rng = stream(seed, Purpose::Augment, 0, 0);
        jitter(Level::best(), &mut rng, strength, [1, image.len() / channels, channels], &mut pixels);
        pixels
    }

    #[test]
    fn gray_of_one_value_changes_in_brightness_alone() {
        let (mut sum, mut range) = (0.0, [u8::MAX, 0]);
        for seed in 0..4000 {
            let out = jittered(seed, 0.4, &[100; 6], 3);
            assert_eq!(out, [out[0]; 6]);
            range = [range[0].min(out[0]), range[1].max(out[0])];
            sum += f64::from(out[0]) / 4000.0;
        }
        // Uniform in 60..140, truncated to integers.
        assert!(range[0] <= 61 && range[0] >= 59 && (138..=140).contains(&range[1]), "{range:?}");
        assert!((sum - 99.5).abs() < 1.5, "{sum}");
        assert_eq!(jittered(1, 0.0, &[1, 50, 200], 1), [1, 50, 200]);
    }

    #[test]
    fn the_order_matters_and_changes() {
        // Values clipped at 255 are lost to later changes.
        let image = [250, 250, 250, 10, 20, 200, 128, 5, 60];
        let outcomes: std::collections::BTreeSet<_> =
            (0..50).map(|seed| jittered(seed, 1.0, &image, 3)).collect();
        assert!(outcomes.len() > 45, "{}", outcomes.len());
    }
}
