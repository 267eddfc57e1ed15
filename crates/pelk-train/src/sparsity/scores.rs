//! The density of each tensor.

use std::collections::BTreeMap;

/// The densities that keep the `share` of all weights to which the loss is most sensitive, by `|w dL/dw|`
/// (SNIP, Lee et al., 2019, Eq. 5 and 6, over all tensors together). The scores are these absolute products,
/// by tensor.
pub(crate) fn snip(scores: &BTreeMap<String, Vec<f32>>, share: f64) -> BTreeMap<String, f64> {
    let mut all: Vec<f32> = scores.values().flatten().copied().collect();
    let kept = (share * all.len() as f64) as usize;
    let densities = |is_kept: &dyn Fn(f32) -> bool| {
        let density = |scores: &Vec<f32>| {
            scores.iter().filter(|score| is_kept(**score)).count() as f64 / scores.len().max(1) as f64
        };
        scores.iter().map(|(name, scores)| (name.clone(), density(scores))).collect()
    };
    if kept == 0 {
        return densities(&|_| false);
    }
    let (_, &mut threshold, _) = all.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a));
    // A score of zero is never kept, even at a threshold of zero: a tap that no pixel reaches has no effect.
    densities(&|score| score >= threshold && score > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(tensors: &[(&str, &[f32])]) -> BTreeMap<String, Vec<f32>> {
        tensors.iter().map(|(name, scores)| ((*name).to_owned(), scores.to_vec())).collect()
    }

    #[test]
    fn the_most_sensitive_weights_of_all_tensors_decide() {
        let scores = scores(&[("a", &[9.0, 1.0, 8.0, 7.0]), ("b", &[2.0, 6.0, 3.0, 4.0, 5.0, 0.5])]);
        assert_eq!(snip(&scores, 0.4), [("a".to_owned(), 0.75), ("b".to_owned(), 1.0 / 6.0)].into());
        assert_eq!(snip(&scores, 1.0).values().copied().collect::<Vec<_>>(), [1.0, 1.0]);
        assert_eq!(snip(&scores, 0.0).values().copied().collect::<Vec<_>>(), [0.0, 0.0]);
    }

    #[test]
    fn a_weight_that_moves_nothing_is_not_kept() {
        let scores = scores(&[("dead", &[0.0; 8]), ("live", &[1.0, 2.0])]);
        assert_eq!(snip(&scores, 0.6), [("dead".to_owned(), 0.0), ("live".to_owned(), 1.0)].into());
    }
}
