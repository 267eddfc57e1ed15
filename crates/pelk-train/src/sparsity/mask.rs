//! Which weights of one tensor are present.

use rand::{Rng, RngExt};

/// A random mask: each of `len` weights is present with probability `density`.
pub(crate) fn random(rng: &mut impl Rng, len: usize, density: f64) -> Vec<bool> {
    (0..len).map(|_| rng.random::<f64>() < density).collect()
}

/// Removes the share `rate` of the present weights, rounded up: those of the smallest magnitude. Then adds
/// absent weights, each with the same probability and possibly one just removed, on average as many as were
/// removed. Removed weights become 0, and added ones start from 0. Returns the number of removed weights.
pub(crate) fn prune_and_regrow(
    rng: &mut impl Rng,
    weights: &mut [f32],
    present: &mut [bool],
    rate: f64,
) -> usize {
    let mut ranked: Vec<usize> = (0..present.len()).filter(|&i| present[i]).collect();
    let removed = (rate * ranked.len() as f64).ceil() as usize;
    if removed == 0 {
        return 0;
    }
    // Equal magnitudes go by index, so that the choice is always the same.
    let order = |a: &usize, b: &usize| weights[*a].abs().total_cmp(&weights[*b].abs()).then(a.cmp(b));
    ranked.select_nth_unstable_by(removed - 1, order);
    for &i in &ranked[..removed] {
        (present[i], weights[i]) = (false, 0.0);
    }
    let absent = present.iter().filter(|present| !**present).count();
    let probability = removed as f64 / absent as f64;
    for present in present.iter_mut().filter(|present| !**present) {
        *present = rng.random::<f64>() < probability;
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_random::{Purpose, stream};

    fn rng(index: u64) -> impl Rng {
        stream(1, Purpose::Sparsity, 0, index)
    }

    #[test]
    fn the_smallest_go_and_as_many_come_back_on_average() {
        let weights: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 0.0 } else { i as f32 - 500.0 }).collect();
        let mut back = 0;
        for index in 0..200 {
            let (mut after, mut present) =
                (weights.clone(), (0..1000).map(|i| i % 2 == 1).collect::<Vec<_>>());
            assert_eq!(prune_and_regrow(&mut rng(index), &mut after, &mut present, 0.25), 125);
            for i in 0..1000 {
                // The 125 odd places next to 500; of 375 and 625, as far from it, the first.
                let smallest = i % 2 == 1 && (375..=624).contains(&i);
                match smallest || i % 2 == 0 {
                    true => assert_eq!(after[i], 0.0, "what is removed and what comes back is 0"),
                    false => assert!(present[i] && after[i] == weights[i], "what was large stays"),
                }
            }
            back += present.iter().filter(|present| **present).count() - 375;
        }
        // Of 625 absent ones each comes with probability 1/5: 125 on average, with a deviation of 10 in each
        // of 200 trials.
        let mean = back as f64 / 200.0;
        assert!((mean - 125.0).abs() < 5.0 * 10.0 / 200_f64.sqrt(), "{mean}");
    }

    #[test]
    fn numbers_are_rounded_up_and_ties_go_by_place() {
        let (mut weights, mut present) = (vec![1.0, -1.0, 1.0, 2.0], vec![true; 4]);
        assert_eq!(prune_and_regrow(&mut rng(0), &mut weights, &mut present, 0.3), 2);
        assert_eq!(weights, [0.0, 0.0, 1.0, 2.0]);
        assert!(present[2] && present[3]);
        assert_eq!(prune_and_regrow(&mut rng(0), &mut [1.0], &mut [false], 0.3), 0);
        assert_eq!(prune_and_regrow(&mut rng(0), &mut [1.0], &mut [true], 0.0), 0);
    }

    #[test]
    fn a_random_mask_is_as_dense_as_it_is_asked_for() {
        let count = |density| random(&mut rng(0), 10_000, density).iter().filter(|p| **p).count();
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((count(0.6) as f64 - 6000.0).abs() < 5.0 * 49.0);
    }
}
