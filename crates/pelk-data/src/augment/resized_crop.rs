//! Crops of any size and shape, resized to one square.

use pelk_simd::Level;
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resample::bicubic;
use crate::resize::LONGEST;
use crate::{DataError, Rectangle, Sample};

/// A random part of an image, resized to a square (bicubic, as in PIL): torchvision's `RandomResizedCrop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResizedCrop {
    /// Side of the square, in pixels, 1 to 32768.
    pub size: usize,
    /// Smallest and largest share of the image's area that the part covers, above 0 and up to 1.
    pub scale: [f64; 2],
    /// Smallest and largest width over height of the part, 1/100 to 100; its logarithm is uniform.
    pub ratio: [f64; 2],
}

impl Default for ResizedCrop {
    fn default() -> Self {
        Self { size: 224, scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

/// Draws before the central part is used, as in torchvision.
const ATTEMPTS: usize = 10;
/// The largest aspect ratio of a part, in either direction.
const LARGEST_RATIO: f64 = 100.0;

impl ResizedCrop {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        if !(1..=LONGEST).contains(&self.size) {
            return Err(DataError::config("resized_crop.size", self.size, format!("1 to {LONGEST} pixels")));
        }
        let [least, largest] = self.scale;
        if !(least > 0.0 && least <= largest && largest <= 1.0) {
            let expected = "two shares of the image, the smaller first, above 0 and up to 1";
            return Err(DataError::config("resized_crop.scale", self.scale, expected));
        }
        let [least, largest] = self.ratio;
        if !(1.0 / LARGEST_RATIO <= least && least <= largest && largest <= LARGEST_RATIO) {
            let expected =
                format!("two ratios, the smaller first, from 1/{LARGEST_RATIO} to {LARGEST_RATIO}");
            return Err(DataError::config("resized_crop.ratio", self.ratio, expected));
        }
        Ok(())
    }

    /// A random part of a sample with one class, resized.
    pub(super) fn apply<'a>(
        &self,
        level: Level,
        rng: &mut impl Rng,
        sample: &Sample<'a>,
        channels: usize,
    ) -> Sample<'a> {
        self.resized(level, self.draw(rng, sample.size), sample, channels)
    }

    fn resized<'a>(&self, level: Level, part: Rectangle, sample: &Sample<'a>, channels: usize) -> Sample<'a> {
        // Cut first, so that the filter does not see pixels outside the part.
        let cut = part.cut(&sample.pixels, sample.size[1], channels);
        let whole = [0.0, 0.0, part.height as f64, part.width as f64];
        let size = [self.size; 2];
        let pixels = bicubic(level, &cut, [part.height, part.width], channels, whole, size);
        Sample { groups: sample.groups.clone(), ..Sample::new(size, pixels, sample.labels.clone()) }
    }

    /// The first of [`ATTEMPTS`] draws that fits into the image, else the largest central part that the
    /// ratios allow.
    fn draw(&self, rng: &mut impl Rng, [height, width]: [usize; 2]) -> Rectangle {
        let uniform = |rng: &mut dyn Rng, [a, b]: [f64; 2]| a + (b - a) * rng.random::<f64>();
        let logarithms = self.ratio.map(f64::ln);
        // Python's rounding: ties go to the even number.
        let side = |length: f64| length.round_ties_even() as usize;
        for _ in 0..ATTEMPTS {
            let area = (height * width) as f64 * uniform(rng, self.scale);
            let ratio = uniform(rng, logarithms).exp();
            let (h, w) = (side((area / ratio).sqrt()), side((area * ratio).sqrt()));
            if (1..=height).contains(&h) && (1..=width).contains(&w) {
                let (top, left) = (rng.random_range(0..=height - h), rng.random_range(0..=width - w));
                return Rectangle { top, left, height: h, width: w };
            }
        }
        let [least, largest] = self.ratio;
        let own = width as f64 / height as f64;
        let (h, w) = if own < least {
            (side(width as f64 / least), width)
        } else if own > largest {
            (height, side(height as f64 * largest))
        } else {
            (height, width)
        };
        let (h, w) = (h.clamp(1, height), w.clamp(1, width));
        Rectangle { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{golden, input};

    #[test]
    fn a_part_is_resized_as_by_pil() {
        let large = input("large");
        for expected in golden("resize/") {
            let numbers =
                |text: &str| -> Vec<usize> { text.split(',').map(|n| n.parse().unwrap()).collect() };
            let [top, left, height, width] = numbers(expected.parts()[1])[..] else { unreachable!() };
            let part = Rectangle { top, left, height, width };
            let size = numbers(expected.parts()[2])[0];
            let sample = Sample::new([large.shape[0], large.shape[1]], large.bytes.as_slice(), vec![0]);
            let out = ResizedCrop { size, ..ResizedCrop::default() }.resized(Level::best(), part, &sample, 3);
            assert_eq!([out.size[0], out.size[1], 3], expected.shape);
            assert_eq!(expected.difference(&out.pixels), (0, 0.0), "{}", expected.name);
        }
    }

    #[test]
    fn areas_are_uniform_and_ratios_in_their_logarithm() {
        let crop = ResizedCrop::default();
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let (mut area, mut ratio, mut ends) = (0.0, 0.0, [usize::MAX, 0]);
        let mut range = [f64::MAX, 0.0_f64];
        for _ in 0..4000 {
            let part = ResizedCrop { scale: [0.08, 0.5], ..crop.clone() }.draw(&mut rng, [1000, 1000]);
            let share = (part.height * part.width) as f64 / 1e6;
            area += share / 4000.0;
            let own = part.width as f64 / part.height as f64;
            ratio += own.ln() / 4000.0;
            range = [range[0].min(own), range[1].max(own)];
            ends = [ends[0].min(part.top), ends[1].max(part.rows().end)];
        }
        assert!((area - 0.29).abs() < 0.01 && ratio.abs() < 0.01, "{area} {ratio}");
        assert!((range[0] - 0.75).abs() < 0.01 && (range[1] - 4.0 / 3.0).abs() < 0.01, "{range:?}");
        assert_eq!(ends, [0, 1000]);
    }

    #[test]
    fn an_image_that_no_part_fits_into_gives_its_middle() {
        let whole = ResizedCrop { scale: [1.0, 1.0], ..ResizedCrop::default() };
        let draw = |size| whole.draw(&mut stream(0, Purpose::Augment, 0, 0), size);
        // Every part of such a long image would be taller or wider than the image.
        assert_eq!(draw([100, 1000]), Rectangle { top: 0, left: 433, height: 100, width: 133 });
        assert_eq!(draw([1000, 90]), Rectangle { top: 440, left: 0, height: 120, width: 90 });
        assert_eq!(draw([1, 9]), Rectangle { top: 0, left: 4, height: 1, width: 1 });
    }

    proptest! {
        #[test]
        fn parts_lie_in_the_image_and_become_squares(
            size in [1..40_usize, 1..40_usize], side in 1..20_usize, channels in 1..5_usize, seed: u64,
        ) {
            let crop = ResizedCrop { size: side, ..ResizedCrop::default() };
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let part = crop.draw(&mut rng, size);
            prop_assert!(part.height > 0 && part.width > 0);
            prop_assert!(part.rows().end <= size[0] && part.columns().end <= size[1]);
            let pixels = vec![9; size[0] * size[1] * channels];
            let sample = Sample::new(size, pixels, vec![3]);
            let out = crop.apply(Level::best(), &mut rng, &sample, channels);
            prop_assert_eq!((out.size, &*out.labels), ([side; 2], &[3][..]));
            prop_assert_eq!(&*out.pixels, &vec![9; side * side * channels][..]);
        }
    }
}
