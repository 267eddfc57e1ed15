//! RandAugment: a few random operations of random strength.

use pelk_simd::Level;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operations::Operation;
use super::steps::happens;
use crate::DataError;

/// Random operations out of fifteen (Cubuk et al., 2020) with timm's strengths. The default is timm's
/// `rand-m9-mstd0.5-inc1`, as in ConvNeXt's recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Mean strength of an operation, 0 to 10.
    pub magnitude: f64,
    /// Standard deviation of the strength, 0 to 10; strengths are clipped to 0 to 10.
    pub deviation: f64,
    /// Number of operations per image, 0 to 10.
    pub layers: usize,
    /// Whether all operations grow with the strength; if not, posterizing and solarizing weaken with it, and
    /// color, contrast, brightness and sharpness go from 0.1 to 1.9 times the image's own.
    pub increasing: bool,
    /// Probability that a drawn operation is applied, 0 to 1.
    pub probability: f64,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { magnitude: 9.0, deviation: 0.5, layers: 2, increasing: true, probability: 0.5 }
    }
}

/// The largest strength, timm's denominator.
const STRONGEST: f64 = 10.0;
/// The largest number of operations: after ten, too little is left of an image.
const MOST_LAYERS: usize = 10;

/// The kinds of operations, in timm's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

const KINDS: [Kind; 15] = [
    Kind::AutoContrast,
    Kind::Equalize,
    Kind::Invert,
    Kind::Rotate,
    Kind::Posterize,
    Kind::Solarize,
    Kind::SolarizeAdd,
    Kind::Color,
    Kind::Contrast,
    Kind::Brightness,
    Kind::Sharpness,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
];

impl RandAugment {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        if !(0.0..=STRONGEST).contains(&self.magnitude) {
            let expected = format!("a strength, 0 to {STRONGEST}");
            return Err(DataError::config("rand_augment.magnitude", self.magnitude, expected));
        }
        if !(0.0..=STRONGEST).contains(&self.deviation) {
            let expected = format!("a deviation, 0 to {STRONGEST}");
            return Err(DataError::config("rand_augment.deviation", self.deviation, expected));
        }
        if self.layers > MOST_LAYERS {
            let expected = format!("at most {MOST_LAYERS}");
            return Err(DataError::config("rand_augment.layers", self.layers, expected));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            let expected = "a probability, 0 to 1";
            return Err(DataError::config("rand_augment.probability", self.probability, expected));
        }
        Ok(())
    }

    /// Changes an image, `[height, width, channels]` with 1 or 3 channels; uncovered pixels show `fill`.
    pub(super) fn apply(
        &self,
        level: Level,
        rng: &mut impl Rng,
        shape: [usize; 3],
        pixels: &mut Vec<u8>,
        fill: &[u8],
    ) {
        for _ in 0..self.layers {
            if let Some(operation) = self.draw(rng) {
                operation.apply(level, shape, pixels, fill);
            }
        }
    }

    /// The operation of one layer, if one is applied.
    fn draw(&self, rng: &mut impl Rng) -> Option<Operation> {
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        if !happens(rng, self.probability) {
            return None;
        }
        let normal: f64 = rng.sample(StandardNormal);
        let level = (self.magnitude + self.deviation * normal).clamp(0.0, STRONGEST);
        Some(self.operation(kind, level, happens(rng, 0.5)))
    }

    /// The operation of a kind at this level; `negative` reverses operations that have two directions.
    fn operation(&self, kind: Kind, level: f64, negative: bool) -> Operation {
        let share = level / STRONGEST;
        let signed = |value: f64| if negative { -value } else { value };
        let factor = || match self.increasing {
            true => (1.0 + signed(share * 0.9)).max(0.1),
            false => share * 1.8 + 0.1,
        };
        // Conversions to integers truncate.
        match kind {
            Kind::AutoContrast => Operation::AutoContrast,
            Kind::Equalize => Operation::Equalize,
            Kind::Invert => Operation::Invert,
            Kind::Rotate => Operation::Rotate(signed(share * 30.0)),
            Kind::Posterize => {
                let bits = (share * 4.0) as u32;
                Operation::Posterize(if self.increasing { 4 - bits } else { bits })
            }
            Kind::Solarize => {
                let from = (share * 256.0) as u16;
                Operation::Solarize(if self.increasing { 256 - from } else { from })
            }
            Kind::SolarizeAdd => Operation::SolarizeAdd((share * 110.0) as u8),
            Kind::Color => Operation::Color(factor()),
            Kind::Contrast => Operation::Contrast(factor()),
            Kind::Brightness => Operation::Brightness(factor()),
            Kind::Sharpness => Operation::Sharpness(factor()),
            Kind::ShearX => Operation::ShearX(signed(share * 0.3)),
            Kind::ShearY => Operation::ShearY(signed(share * 0.3)),
            Kind::TranslateX => Operation::TranslateX(signed(share * 0.45)),
            Kind::TranslateY => Operation::TranslateY(signed(share * 0.45)),
        }
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{golden, input};

    /// The mean color of the golden images.
    const FILL: [u8; 3] = [124, 116, 104];

    #[test]
    fn operations_and_strengths_are_those_of_timm_and_pil() {
        for (name, count) in [("rgb", 60), ("gray", 60)] {
            let image = input(name);
            let mut checked = 0;
            for expected in golden(&format!("{name}/")) {
                let [_, kind, level, sign, order] = expected.parts()[..] else { unreachable!() };
                let kind = kind.trim_end_matches("Rel");
                let kind = *KINDS.iter().find(|known| format!("{known:?}") == kind).unwrap();
                let rand_augment = RandAugment { increasing: order == "inc", ..RandAugment::default() };
                let operation = rand_augment.operation(kind, level.parse().unwrap(), sign == "-");
                let mut pixels = image.bytes.clone();
                operation.apply(Level::best(), image.shape, &mut pixels, &FILL[..image.shape[2]]);
                assert_eq!(expected.difference(&pixels), (0, 0.0), "{}: {operation:?}", expected.name);
                checked += 1;
            }
            assert_eq!(checked, count);
        }
    }

    #[test]
    fn kinds_are_equally_frequent_and_strengths_normal() {
        let rand_augment = RandAugment { magnitude: 8.0, probability: 0.75, ..RandAugment::default() };
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        let (mut levels, mut negative, mut none) = (vec![], 0, 0);
        const DRAWS: u32 = 30_000;
        for _ in 0..DRAWS {
            let Some(operation) = rand_augment.draw(&mut rng) else {
                none += 1;
                continue;
            };
            if let Operation::Rotate(degrees) = operation {
                levels.push(degrees.abs() / 3.0);
                negative += u32::from(degrees < 0.0);
            }
            let name = format!("{operation:?}");
            *counts.entry(name.split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        assert!((f64::from(none) / f64::from(DRAWS) - 0.25).abs() < 0.015, "{none}");
        assert_eq!(counts.len(), 15);
        // Five standard deviations of a count of mean 1500.
        assert!(counts.values().all(|&count| count.abs_diff(1500) < 190), "{counts:?}");
        let mean = levels.iter().sum::<f64>() / levels.len() as f64;
        let variance = levels.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / levels.len() as f64;
        assert!((mean - 8.0).abs() < 0.07 && (variance.sqrt() - 0.5).abs() < 0.05, "{mean} {variance}");
        assert!((f64::from(negative) / levels.len() as f64 - 0.5).abs() < 0.07, "{negative}");
    }

    #[test]
    fn strengths_end_at_0_and_10_and_layers_and_probability_are_kept() {
        let mut rng = stream(0, Purpose::Augment, 0, 0);
        let wide = RandAugment { deviation: 10.0, probability: 1.0, ..RandAugment::default() };
        let mut range = [f64::MAX, f64::MIN];
        for _ in 0..2000 {
            if let Some(Operation::ShearX(factor)) = wide.draw(&mut rng) {
                range = [range[0].min(factor), range[1].max(factor)];
            }
        }
        assert!((range[0] + 0.3).abs() < 1e-12 && (range[1] - 0.3).abs() < 1e-12, "{range:?}");
        let before: Vec<u8> = (0..252_u32).map(|i| (i * i % 241) as u8).collect();
        let changed = |layers, probability| {
            let rand_augment = RandAugment { layers, probability, ..RandAugment::default() };
            let differs = |seed| {
                let mut pixels = before.clone();
                let mut rng = stream(seed, Purpose::Augment, 0, 0);
                rand_augment.apply(Level::best(), &mut rng, [12, 7, 3], &mut pixels, &FILL);
                pixels != before
            };
            (0..500).filter(|&seed| differs(seed)).count()
        };
        assert_eq!((changed(0, 1.0), changed(2, 0.0)), (0, 0));
        // One layer is applied half of the time; at least one of two, three quarters of the time.
        let counts = (changed(1, 0.5), changed(2, 0.5), changed(1, 1.0));
        assert!(
            (200..290).contains(&counts.0) && (320..410).contains(&counts.1) && counts.2 > 450,
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn images_of_every_size_survive_every_operation(
            height in 1..8_usize, width in 1..8_usize, gray: bool, level in 0.0..=10.0_f64, negative: bool,
            seed: u64,
        ) {
            let shape = [height, width, if gray { 1 } else { 3 }];
            let mut rng = stream(seed, Purpose::Augment, 0, 0);
            let image: Vec<u8> = (0..shape.iter().product()).map(|_| rng.random()).collect();
            for kind in KINDS {
                for increasing in [false, true] {
                    let rand_augment = RandAugment { increasing, ..RandAugment::default() };
                    let operation = rand_augment.operation(kind, level, negative);
                    let mut pixels = image.clone();
                    operation.apply(Level::best(), shape, &mut pixels, &FILL[..shape[2]]);
                    prop_assert_eq!(pixels.len(), image.len());
                }
            }
        }
    }
}
