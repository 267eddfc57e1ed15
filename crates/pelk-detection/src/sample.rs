//! Which of the boxes a loss is computed on.

use crate::assign::Assigned;
use crate::error::{Result, check_fraction, check_positive};
use pelk_random::{Purpose, stream};
use rand::Rng;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many boxes of an image a loss is computed on (`RandomSampler` of MMDetection 2.11). The defaults are
/// those of the region proposal network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SampleSettings {
    /// Boxes of an image, positive and negative.
    pub count: usize,
    /// The largest share of positives among them. Negatives fill the rest.
    pub positive_share: f32,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self { count: 256, positive_share: 0.5 }
    }
}

/// What a draw depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleKey {
    /// The seed of the run.
    pub seed: u64,
    /// The forward pass, counted over the run.
    pub pass: u64,
    /// The image in the batch.
    pub image: u32,
    /// Which of the network's samplers: 0 for proposals, then the stages.
    pub stage: u32,
}

/// The boxes that were drawn, as rising indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Boxes that have to find a truth.
    pub positives: Vec<usize>,
    /// Boxes of the background.
    pub negatives: Vec<usize>,
}

/// Draws boxes without replacement: at most `count * positive_share` positives, then negatives up to `count`.
/// If there are fewer, all are taken, and nothing is drawn.
///
/// # Errors
/// When `positive_share` is not in 0..=1, or `count` is 0.
pub fn sample(assigned: &[Assigned], settings: &SampleSettings, key: SampleKey) -> Result<Sampled> {
    settings.check()?;
    let of = |wanted: fn(&Assigned) -> bool| {
        assigned.iter().enumerate().filter(|(_, a)| wanted(a)).map(|(i, _)| i).collect()
    };
    let index = u64::from(key.image) << 32 | u64::from(key.stage);
    let mut rng = stream(key.seed, Purpose::Sample, key.pass, index);
    let most = (settings.count as f64 * f64::from(settings.positive_share)) as usize;
    let positives = draw(of(|a| matches!(a, Assigned::Truth(_))), most, &mut rng);
    let negatives = draw(of(|a| *a == Assigned::Negative), settings.count - positives.len(), &mut rng);
    Ok(Sampled { positives, negatives })
}

/// `count` of the indices in rising order, all where they are not more.
fn draw(mut indices: Vec<usize>, count: usize, rng: &mut impl Rng) -> Vec<usize> {
    if indices.len() > count {
        indices = indices.partial_shuffle(rng, count).0.to_vec();
        indices.sort_unstable();
    }
    indices
}

impl SampleSettings {
    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<()> {
        check_fraction("positive_share", self.positive_share)?;
        check_positive("count", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: SampleKey = SampleKey { seed: 3, pass: 5, image: 1, stage: 2 };

    fn mixed(positives: usize, negatives: usize, ignored: usize) -> Vec<Assigned> {
        let kinds =
            [(Assigned::Truth(4), positives), (Assigned::Negative, negatives), (Assigned::Ignored, ignored)];
        let mut assigned: Vec<_> = kinds.iter().flat_map(|&(kind, n)| vec![kind; n]).collect();
        assigned.shuffle(&mut stream(0, Purpose::Shuffle, 0, 0));
        assigned
    }

    proptest! {
        #[test]
        fn samples_are_as_many_as_there_may_be_in_rising_order(
            positives in 0..60_usize, negatives in 0..90_usize, ignored in 0..20_usize, count in 1..50_usize,
            positive_share in 0.0..=1.0_f32,
        ) {
            let assigned = mixed(positives, negatives, ignored);
            let sampled = sample(&assigned, &SampleSettings { count, positive_share }, KEY).unwrap();
            let most = (count as f64 * f64::from(positive_share)) as usize;
            prop_assert_eq!(sampled.positives.len(), positives.min(most));
            prop_assert_eq!(sampled.negatives.len(), negatives.min(count - sampled.positives.len()));
            prop_assert!(sampled.positives.iter().all(|&i| assigned[i] == Assigned::Truth(4)));
            prop_assert!(sampled.negatives.iter().all(|&i| assigned[i] == Assigned::Negative));
            for indices in [&sampled.positives, &sampled.negatives] {
                prop_assert!(indices.is_sorted_by(|a, b| a < b));
            }
        }
    }

    #[test]
    fn each_part_of_the_key_changes_the_sample() {
        let assigned = mixed(500, 500, 0);
        let draw = |key| sample(&assigned, &SampleSettings::default(), key).unwrap();
        assert_eq!(draw(KEY), draw(KEY));
        for other in [
            SampleKey { seed: 4, ..KEY },
            SampleKey { pass: 6, ..KEY },
            SampleKey { image: 2, ..KEY },
            SampleKey { stage: 1, ..KEY },
        ] {
            assert_ne!(draw(KEY), draw(other));
        }
    }

    #[test]
    fn each_box_is_drawn_equally_often() {
        let assigned = vec![Assigned::Negative; 40];
        let settings = SampleSettings { count: 10, positive_share: 0.25 };
        let mut drawn = [0; 40];
        for pass in 0..4000 {
            for i in sample(&assigned, &settings, SampleKey { pass, ..KEY }).unwrap().negatives {
                drawn[i] += 1;
            }
        }
        // Each 1000 times with a deviation of 27.
        assert!(drawn.iter().all(|n| (850..1150).contains(n)), "{drawn:?}");
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        let text = |settings| sample(&[], &settings, KEY).unwrap_err().to_string();
        let settings = SampleSettings::default();
        assert_eq!(text(SampleSettings { count: 0, ..settings }), "count is 0, and must be at least 1");
        assert!(
            text(SampleSettings { positive_share: 1.5, ..settings }).starts_with("positive_share is 1.5")
        );
    }
}
