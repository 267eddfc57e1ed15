//! Random streams keyed by (seed, purpose, epoch, index).
//!
//! Everything random in training draws from its own stream, named by its purpose: the shuffle of an epoch,
//! the augmentation of one image, the initial values of one parameter. No generator is passed from one draw
//! to the next, so results depend neither on the number of workers nor on where a run was resumed.
//!
//! ```
//! use pelk_random::{Purpose, shuffled, stream};
//! use rand::RngExt;
//!
//! let mut rng = stream(1, Purpose::Augment, 3, 17); // image 17 in epoch 3 of the run with seed 1
//! let shift: i32 = rng.random_range(-2..=2);
//! assert!((-2..=2).contains(&shift));
//! assert_eq!(shuffled(1, 3, 100), shuffled(1, 3, 100));
//! ```
#![forbid(unsafe_code)]

use chacha20::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// The purpose of a stream. Streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The order of the samples in an epoch.
    Shuffle = 1,
    /// The augmentation of one sample; the index is that of the sample.
    Augment = 2,
    /// The initial values of one parameter; the index is a hash of its name.
    Init = 3,
    /// Which residual branches are dropped; the index counts forward passes.
    DropPath = 4,
    /// The composition of one canvas; the index is that of the canvas.
    Compose = 5,
    /// How the images of one batch are mixed; the index is that of the batch in its epoch.
    Mix = 6,
    /// Which weights of one tensor are present in dynamic sparsity; the epoch counts steps, the index is a
    /// hash of the tensor's name.
    Sparsity = 7,
    /// Which files are held out as a test set; the index is a hash of a file's name.
    HoldOut = 8,
    /// Which boxes of an image a detector's loss is computed on; the epoch counts forward passes, the index
    /// holds the image in its batch and the sampler.
    Sample = 9,
}

/// The stream for `purpose`, `epoch` and `index` in the run with this `seed`.
pub fn stream(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// The numbers `0..len` in the random order of this epoch.
pub fn shuffled(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut stream(seed, Purpose::Shuffle, epoch, 0));
    order
}

/// A stable 64-bit hash of a name (FNV-1a), to key a parameter's stream.
pub fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A draw from the uniform distribution between `-limit` and `limit`.
pub fn uniform(rng: &mut impl Rng, limit: f32) -> f32 {
    rng.random_range(-limit..=limit)
}

/// A draw from the normal distribution of mean 0 and standard deviation `std`.
pub fn normal(rng: &mut impl Rng, std: f32) -> f32 {
    let draw: f32 = StandardNormal.sample(rng);
    draw * std
}

/// A draw from the normal distribution of mean 0 and standard deviation `std`, truncated at -2 and +2 as in
/// timm's initializer (absolute values, not standard deviations).
pub fn truncated_normal(rng: &mut impl Rng, std: f32) -> f32 {
    loop {
        let draw = normal(rng, std);
        if draw.abs() <= 2.0 {
            return draw;
        }
    }
}

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_key_changes_the_stream() {
        let draw = |seed, purpose, epoch, index| stream(seed, purpose, epoch, index).next_u64();
        let base = draw(0, Purpose::Shuffle, 0, 0);
        assert_eq!(base, draw(0, Purpose::Shuffle, 0, 0));
        for other in [
            draw(1, Purpose::Shuffle, 0, 0),
            draw(0, Purpose::Augment, 0, 0),
            draw(0, Purpose::Shuffle, 1, 0),
            draw(0, Purpose::Shuffle, 0, 1),
        ] {
            assert_ne!(base, other);
        }
    }

    // Another generator would make old runs end differently when they are resumed.
    #[test]
    fn a_stream_is_the_same_in_every_version() {
        let mut rng = stream(1, Purpose::Augment, 3, 17);
        let draws = [rng.next_u64(), rng.next_u32().into(), rng.next_u64(), rng.next_u32().into()];
        assert_eq!(draws, [0x03c5_1d7e_74c8_e0c2, 0x0d7b_315f, 0x45f4_af37_a8eb_a1eb, 0x729d_d52c]);
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_changes_with_the_epoch() {
        let mut order = shuffled(7, 0, 1000);
        assert_ne!(order, shuffled(7, 1, 1000));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_truncated_normal_has_its_deviation_and_its_bounds() {
        let mut rng = stream(0, Purpose::Init, 0, 0);
        let draws: Vec<f32> = (0..20_000).map(|_| truncated_normal(&mut rng, 0.5)).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.02 && (variance.sqrt() - 0.5).abs() < 0.02, "{mean} {variance}");
        assert!(draws.iter().all(|d| d.abs() <= 2.0));
    }
}
