//! The order in which sums over runs of taps are built from shorter ones.

use std::collections::BTreeSet;

/// The run lengths to sum over, and the two shorter runs that make up each.
///
/// A kernel that is constant on regions is a sum of boxes, so the operator needs sums of the input over runs
/// of every interval length. A run of 9 is a run of 8 and an adjacent run of 1, a run of 8 is two of 4, and
/// so on: one addition per pixel and length. These are sums of neighbors, not differences of long prefix
/// sums, so nothing cancels.
///
/// ```
/// let plan = pelk_grid::SharingGrid::exponential(51, 5, 2)?.box_plan();
/// assert_eq!(plan.sizes(), [1, 2, 4, 8, 9]);
/// assert_eq!(plan.parts(), [(0, 0), (0, 0), (1, 1), (2, 2), (3, 0)]);
/// # Ok::<(), pelk_grid::GridError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoxPlan {
    sizes: Vec<usize>,
    parts: Vec<(usize, usize)>,
    size_index: Vec<usize>,
}

impl BoxPlan {
    /// The plan for intervals of these lengths, none of which is 0.
    pub(crate) fn new(intervals: &[usize]) -> Self {
        let sizes = completed(intervals);
        let parts =
            (0..sizes.len()).map(|index| balanced_pair(&sizes[..index], sizes[index]).unwrap_or((0, 0)));
        let parts = parts.collect();
        let size_index = intervals.iter().map(|length| sizes.partition_point(|size| size < length)).collect();
        Self { sizes, parts, size_index }
    }

    /// The run lengths to build, ascending. The first is 1, the input itself; the others are the intervals of
    /// the grid, and intermediate lengths if an interval is not the sum of two others.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// For each length except the first, the indices `(p, q)`, both smaller than its own, of the two lengths
    /// that add up to it: `run_i[x] = run_p[x] + run_q[x + sizes[p]]`. The first entry is `(0, 0)` and has no
    /// meaning.
    pub fn parts(&self) -> &[(usize, usize)] {
        &self.parts
    }

    /// For each of the k' intervals, the index of its length in [`sizes`](Self::sizes).
    pub fn size_index(&self) -> &[usize] {
        &self.size_index
    }
}

/// The lengths, 1, and intermediate lengths that make each the sum of two shorter ones; ascending.
///
/// From the longest down, a length that is not such a sum gets one intermediate length, at most half as long
/// or one shorter, so a length needs at most twice its binary logarithm of them.
fn completed(lengths: &[usize]) -> Vec<usize> {
    let mut sizes: BTreeSet<usize> = lengths.iter().copied().chain([1]).collect();
    let mut next = sizes.last().copied();
    while let Some(size) = next.filter(|&size| size > 1) {
        let shorter: Vec<usize> = sizes.range(..size).copied().collect();
        if balanced_pair(&shorter, size).is_none() {
            let longest = shorter.last().copied().unwrap_or(1);
            sizes.insert(if size <= 2 * longest {
                size - longest
            } else if size.is_multiple_of(2) {
                size / 2
            } else {
                size - 1 // the other part, 1, always exists
            });
        }
        next = sizes.range(..size).next_back().copied();
    }
    sizes.into_iter().collect()
}

/// The indices, longer part first, of two of the ascending `sizes` with this sum. Of several pairs it is the
/// most balanced one, which rounds least.
fn balanced_pair(sizes: &[usize], sum: usize) -> Option<(usize, usize)> {
    let mut longer = sizes.iter().enumerate().filter(|&(_, &size)| 2 * size >= sum && size < sum);
    longer.find_map(|(index, &size)| Some((index, sizes.binary_search(&(sum - size)).ok()?)))
}

#[cfg(test)]
mod tests {
    use crate::SharingGrid;
    use crate::grid::any_grid;
    use proptest::prelude::*;

    #[test]
    fn sizes_of_the_paper_s_grids() {
        let sizes =
            |kernel, center| SharingGrid::exponential(kernel, center, 2).unwrap().box_plan().sizes().to_vec();
        assert_eq!(sizes(51, 5), [1, 2, 4, 8, 9]);
        assert_eq!(sizes(49, 5), [1, 2, 4, 8]);
        assert_eq!(sizes(47, 5), [1, 2, 3, 4, 7, 8]);
        assert_eq!(sizes(13, 5), [1, 2]);
        assert_eq!(sizes(101, 7), [1, 2, 4, 8, 16, 17]);
        assert_eq!(sizes(69, 7), [1, 2, 4, 8, 16]);
        assert_eq!(sizes(5, 5), [1]);
    }

    #[test]
    fn one_long_run_takes_a_short_chain() {
        let plan = SharingGrid::from_half(&[1000, 1]).unwrap().box_plan();
        assert_eq!(plan.sizes().last(), Some(&1000));
        assert!(plan.sizes().len() <= 20, "{:?}", plan.sizes());
        assert_eq!(plan.size_index()[1], 0);
    }

    proptest! {
        #[test]
        fn runs_by_the_plan_equal_direct_sums(grid in any_grid()) {
            let plan = grid.box_plan();
            prop_assert_eq!(plan.sizes()[0], 1);
            prop_assert_eq!(plan.parts()[0], (0, 0));
            prop_assert!(plan.sizes().is_sorted_by(|a, b| a < b));
            for (&index, &length) in plan.size_index().iter().zip(grid.intervals()) {
                prop_assert_eq!(plan.sizes()[index], length);
            }
            let line: Vec<i64> = (0..100).map(|x| x * x % 31).collect();
            let mut runs = vec![line.clone()];
            for (index, &(p, q)) in plan.parts().iter().enumerate().skip(1) {
                prop_assert!(p < index && q < index);
                prop_assert_eq!(plan.sizes()[p] + plan.sizes()[q], plan.sizes()[index]);
                let places = line.len() + 1 - plan.sizes()[index];
                let run = (0..places).map(|x| runs[p][x] + runs[q][x + plan.sizes()[p]]).collect();
                runs.push(run);
            }
            for (run, &size) in runs.iter().zip(plan.sizes()) {
                let direct: Vec<i64> = line.windows(size).map(|window| window.iter().sum()).collect();
                prop_assert_eq!(run, &direct);
            }
        }
    }
}
