//! Mixup and CutMix: images of a batch mixed with each other.

use ndarray::{Array4, Axis, Slice, Zip};
use pelk_random::{Purpose, stream};
use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DataError, Labeling, Rectangle};

/// How often and how strongly the images of a batch are mixed, like timm's `Mixup` in batch mode: one draw
/// for the whole batch, in which image `i` of `n` is mixed with image `n - 1 - i`. Off by default.
///
/// Mixup (Zhang et al., 2018) is the weighted sum of the two images, with the weights of their labels; CutMix
/// (Yun et al., 2019) pastes a rectangle of the second image into the first, and weights the labels by area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixConfig {
    /// Mixup draws the share of the first image from Beta(alpha, alpha), alpha 0 to 1000; 0 for no mixup, 0.8
    /// in ConvNeXt's recipe.
    pub mixup_alpha: f64,
    /// The same for CutMix, 0 to 1000; 0 for no CutMix, 1 in ConvNeXt's recipe.
    pub cutmix_alpha: f64,
    /// Probability that a batch is mixed, 0 to 1.
    pub probability: f64,
    /// Probability of CutMix instead of mixup if both are on, 0 to 1.
    pub switch_probability: f64,
}

/// The second labels of mixed images.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The second label of each image of the batch.
    pub labels: Vec<u32>,
    /// Share of the second label in the target, above 0 and up to 1; the first label has `1 - share`.
    pub share: f32,
}

/// The largest alpha: Beta(1000, 1000) is already close to constant 1/2.
const LARGEST_ALPHA: f64 = 1000.0;

impl Default for MixConfig {
    fn default() -> Self {
        Self { mixup_alpha: 0.0, cutmix_alpha: 0.0, probability: 1.0, switch_probability: 0.5 }
    }
}

impl MixConfig {
    /// Whether any batch is mixed.
    pub fn is_on(&self) -> bool {
        self.probability > 0.0 && (self.mixup_alpha > 0.0 || self.cutmix_alpha > 0.0)
    }

    /// Checks the ranges of the fields, for any dataset.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate(&self) -> Result<(), DataError> {
        for (field, alpha) in [("mixup_alpha", self.mixup_alpha), ("cutmix_alpha", self.cutmix_alpha)] {
            if !(0.0..=LARGEST_ALPHA).contains(&alpha) {
                return Err(DataError::config(field, alpha, format!("0 (off) to {LARGEST_ALPHA}")));
            }
        }
        for (field, probability) in
            [("probability", self.probability), ("switch_probability", self.switch_probability)]
        {
            if !(0.0..=1.0).contains(&probability) {
                let expected = "a probability, 0 to 1, that images are mixed (`mix`)";
                return Err(DataError::config(field, probability, expected));
            }
        }
        Ok(())
    }

    /// Checks the fields for a batch size and a labeling.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate_for(&self, batch_size: usize, labeling: Labeling) -> Result<(), DataError> {
        self.validate()?;
        if !self.is_on() {
            return Ok(());
        }
        if labeling != Labeling::Image {
            let alphas = [("mixup_alpha", self.mixup_alpha), ("cutmix_alpha", self.cutmix_alpha)];
            let (field, alpha) = alphas[usize::from(self.mixup_alpha == 0.0)];
            let expected = "0 for this dataset: only images with one class each can be mixed";
            return Err(DataError::config(field, alpha, expected));
        }
        if !batch_size.is_multiple_of(2) {
            let expected = "even if images are mixed (`mix`), or the image in the middle has no partner";
            return Err(DataError::config("batch_size", batch_size, expected));
        }
        Ok(())
    }

    /// Mixes the normalized images, `[N, H, W, C]`, of batch `number` of an epoch, or leaves them unchanged
    /// and returns `None`. If N is odd, the image in the middle is not mixed.
    pub(crate) fn apply(
        &self,
        [seed, epoch, number]: [u64; 3],
        images: &mut Array4<f32>,
        labels: &[u32],
    ) -> Option<Mix> {
        let mut rng = stream(seed, Purpose::Mix, epoch, number);
        if !self.is_on() || rng.random::<f64>() >= self.probability {
            return None;
        }
        let cuts = match (self.mixup_alpha > 0.0, self.cutmix_alpha > 0.0) {
            (true, true) => rng.random::<f64>() < self.switch_probability,
            (_, cuts) => cuts,
        };
        let alpha = if cuts { self.cutmix_alpha } else { self.mixup_alpha };
        let first = Beta::new(alpha, alpha).expect("an alpha above 0").sample(&mut rng);
        let (_, height, width, _) = images.dim();
        let whole = Rectangle::whole([height, width]);
        let share = if cuts {
            let part = draw(&mut rng, [height, width], first);
            change(images, part, |a, b| [b, a]);
            (part.height * part.width) as f32 / (height * width) as f32
        } else {
            let share = (1.0 - first) as f32;
            change(images, whole, |a, b| [a + share * (b - a), b + share * (a - b)]);
            share
        };
        (share > 0.0).then(|| Mix { labels: labels.iter().rev().copied().collect(), share })
    }
}

/// CutMix's rectangle: a share of `1 - first` of the image's area in the image's aspect ratio, around a
/// uniform center, clipped to the image. Lengths are truncated as in timm, so the area may be a little less.
fn draw(rng: &mut impl Rng, [height, width]: [usize; 2], first: f64) -> Rectangle {
    let ratio = (1.0 - first).sqrt();
    let mut range = |length: usize| {
        let half = (length as f64 * ratio) as usize / 2;
        let center = rng.random_range(0..length);
        (center.saturating_sub(half), (center + half).min(length))
    };
    let ((top, bottom), (left, right)) = (range(height), range(width));
    Rectangle { top, left, height: bottom - top, width: right - left }
}

/// Applies `change` to each pair of values at the same position of an image and its partner, within `part`.
fn change(images: &mut Array4<f32>, part: Rectangle, change: impl Fn(f32, f32) -> [f32; 2]) {
    let count = images.dim().0;
    let (mut first, rest) = images.view_mut().split_at(Axis(0), count / 2);
    let (_, mut second) = rest.split_at(Axis(0), count % 2);
    second.invert_axis(Axis(0));
    for images in [&mut first, &mut second] {
        images.slice_axis_inplace(Axis(1), Slice::from(part.rows()));
        images.slice_axis_inplace(Axis(2), Slice::from(part.columns()));
    }
    Zip::from(&mut first).and(&mut second).for_each(|a, b| [*a, *b] = change(*a, *b));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: MixConfig =
        MixConfig { mixup_alpha: 0.8, cutmix_alpha: 1.0, probability: 1.0, switch_probability: 0.5 };

    /// Images whose values encode image and position, and their labels.
    fn batch(count: usize, [height, width]: [usize; 2]) -> (Array4<f32>, Vec<u32>) {
        let value = |(n, y, x, c)| (1000 * n + 100 * y + 10 * x + c) as f32;
        let labels = (0..count as u32).map(|label| 7 * label).collect();
        (Array4::from_shape_fn((count, height, width, 2), value), labels)
    }

    #[test]
    fn fields_out_of_range_and_unfit_data_are_named() {
        let text =
            |config: MixConfig, size, labeling| config.validate_for(size, labeling).unwrap_err().to_string();
        for (config, expected) in [
            (MixConfig { mixup_alpha: -0.1, ..BOTH }, "mixup_alpha is -0.1"),
            (MixConfig { mixup_alpha: f64::INFINITY, ..BOTH }, "mixup_alpha is inf"),
            (MixConfig { cutmix_alpha: f64::NAN, ..BOTH }, "cutmix_alpha is NaN"),
            (MixConfig { probability: 1.1, ..BOTH }, "probability is 1.1"),
            (MixConfig { switch_probability: -1.0, ..BOTH }, "switch_probability is -1"),
        ] {
            let error = text(config, 2, Labeling::Image);
            assert!(error.starts_with(expected) && error.contains("must be"), "{error}");
        }
        let pixels = Labeling::Pixels { stride: 1 };
        assert!(text(BOTH, 2, pixels).starts_with("mixup_alpha is 0.8, but must be 0 for this dataset"));
        let cutmix = MixConfig { mixup_alpha: 0.0, ..BOTH };
        assert!(text(cutmix, 2, pixels).starts_with("cutmix_alpha is 1.0, but must be 0 for this dataset"));
        for size in [1, 5] {
            assert!(
                text(BOTH, size, Labeling::Image).starts_with(&format!("batch_size is {size}, but must"))
            );
        }
        assert!(BOTH.validate_for(2, Labeling::Image).is_ok());
        for off in [MixConfig::default(), MixConfig { probability: 0.0, ..BOTH }] {
            assert!(!off.is_on() && off.validate_for(1, pixels).is_ok());
        }
    }

    #[test]
    fn what_is_off_leaves_the_batch_alone() {
        let (mut images, labels) = batch(4, [3, 3]);
        assert_eq!(MixConfig::default().apply([0, 0, 0], &mut images, &labels), None);
        assert_eq!(images, batch(4, [3, 3]).0);
    }

    #[test]
    fn probabilities_and_shares_are_those_of_the_definition() {
        // Mixup uses the share as drawn, with mean 1/2 and variance 1 / (8 alpha + 4).
        let statistics = |config: &MixConfig| {
            let (images, labels) = batch(2, [40, 40]);
            let (mut mixed, mut cut, mut sum, mut squares) = (0, 0, 0.0, 0.0);
            for number in 0..4000 {
                let mut changed = images.clone();
                if let Some(mix) = config.apply([3, 0, number], &mut changed, &labels) {
                    mixed += 1;
                    cut += usize::from(changed.iter().all(|value| value.fract() == 0.0));
                    sum += f64::from(mix.share);
                    squares += f64::from(mix.share).powi(2);
                }
            }
            let mean = sum / f64::from(mixed);
            let shares = [f64::from(mixed) / 4000.0, cut as f64 / f64::from(mixed)];
            (shares, mean, squares / f64::from(mixed) - mean * mean)
        };
        let (shares, ..) = statistics(&MixConfig { probability: 0.7, switch_probability: 0.2, ..BOTH });
        assert!((shares[0] - 0.7).abs() < 0.04 && (shares[1] - 0.2).abs() < 0.04, "{shares:?}");
        let (shares, mean, variance) = statistics(&MixConfig { cutmix_alpha: 0.0, ..BOTH });
        assert_eq!(shares[0], 1.0);
        assert!((mean - 0.5).abs() < 0.03 && (variance - 1.0 / 10.4).abs() < 0.01, "{mean} {variance}");
        let (shares, ..) = statistics(&MixConfig { mixup_alpha: 0.0, ..BOTH });
        assert!(shares[0] > 0.99 && shares[1] == 1.0, "{shares:?}");
    }

    #[test]
    fn a_rectangle_has_a_uniform_center_and_ends_at_the_border() {
        // Of a side of share r, r - r^2 / 4 is left on average. The mean of (r - r^2 / 4)^2 over r^2 uniform
        // in 0..1, as with alpha 1, is 1/2 - 1/5 + 1/48.
        let mut rng = stream(0, Purpose::Mix, 0, 0);
        let mut areas = 0.0;
        let mut ends = [usize::MAX, 0];
        for _ in 0..20_000 {
            let first = rng.random();
            let part = draw(&mut rng, [2000, 1000], first);
            areas += (part.height * part.width) as f64 / 2e6;
            ends = [ends[0].min(part.left), ends[1].max(part.columns().end)];
        }
        let mean = areas / 20_000.0;
        assert!((mean - (0.5 - 0.2 + 1.0 / 48.0)).abs() < 0.01, "{mean}");
        assert_eq!(ends, [0, 1000]);
    }

    proptest! {
        #[test]
        fn mixed_images_are_what_their_share_says(
            count in 1..7_usize, size in [1..9_usize, 1..9_usize], seed: u64, cuts: bool,
        ) {
            let (before, labels) = batch(count, size);
            let mut images = before.clone();
            let config = MixConfig { switch_probability: f64::from(u8::from(cuts)), ..BOTH };
            let Some(Mix { labels: seconds, share }) = config.apply([seed, 1, 2], &mut images, &labels) else {
                prop_assert!(cuts && images == before, "a rectangle without pixels");
                return Ok(());
            };
            prop_assert!(share > 0.0 && share <= 1.0);
            let mut taken = 0;
            for (n, label) in seconds.into_iter().enumerate() {
                let partner = count - 1 - n;
                prop_assert_eq!(label, labels[partner]);
                let (images, before_n) = (images.index_axis(Axis(0), n), before.index_axis(Axis(0), n));
                for ((place, &now), &was) in images.indexed_iter().zip(before_n) {
                    let other = before[(partner, place.0, place.1, place.2)];
                    if cuts {
                        prop_assert!(now == was || now == other);
                        taken += usize::from(now != was);
                    } else {
                        let expected = if n == partner { was } else { (1.0 - share) * was + share * other };
                        prop_assert!((now - expected).abs() < 0.01, "{} {}", now, expected);
                    }
                }
            }
            if cuts {
                let pairs = 2 * (count / 2) * 2 * size[0] * size[1];
                prop_assert!((taken as f32 - share * pairs as f32).abs() < 0.5, "{} of {}", taken, pairs);
            }
        }
    }
}
