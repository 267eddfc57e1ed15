//! A test set for datasets that have none: a fifth of each class.

use pelk_random::{Purpose, name_hash, stream};
use rand::Rng;

use super::files::Files;
use crate::Split;

/// One in this many images of a class is held out.
const SHARE: usize = 5;

/// The files of a split. Within each class (its files are adjacent), files are ranked by a random number
/// keyed by their name, and the first fifth, rounded, is the test set; so adding or removing a file moves at
/// most one other.
pub(super) fn part(files: Files, split: Split) -> Files {
    let mut test = vec![false; files.len()];
    let mut start = 0;
    while start < files.len() {
        let end = (start..files.len()).find(|&i| files.label(i) != files.label(start)).unwrap_or(files.len());
        for index in first((start..end).collect(), &|index| files.name(index)) {
            test[index] = true;
        }
        start = end;
    }
    files.filtered(&|index, _| test[index] == (split == Split::Test))
}

/// The first fifth of the files of a class, in the order of the random numbers keyed by their names.
pub(crate) fn first<'a>(mut class: Vec<usize>, name: &dyn Fn(usize) -> &'a str) -> Vec<usize> {
    let count = (class.len() + SHARE / 2) / SHARE;
    class.sort_by_key(|&index| stream(0, Purpose::HoldOut, 0, name_hash(name(index))).next_u64());
    class.truncate(count);
    class
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(sizes: &[usize], split: Split) -> BTreeSet<String> {
        let mut files = Files::default();
        for (label, &size) in sizes.iter().enumerate() {
            for number in 0..size {
                files.push(format!("{label}/IMG_{number:04}.jpg").as_bytes(), label as u32);
            }
        }
        let part = part(files, split);
        (0..part.len()).map(|index| part.name(index).to_owned()).collect()
    }

    #[test]
    fn the_parts_are_disjoint_and_a_fifth_of_each_class_is_held_out() {
        let sizes = [1, 2, 3, 7, 8, 12, 100];
        let (train, test) = (names(&sizes, Split::Train), names(&sizes, Split::Test));
        assert!(train.is_disjoint(&test) && train.len() + test.len() == sizes.iter().sum::<usize>());
        let of = |class: usize| test.iter().filter(|name| name.starts_with(&format!("{class}/"))).count();
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(of), [0, 0, 1, 1, 2, 2, 20]);
        // Alphabetical neighbors, such as images of one series, are not held out together.
        let neighbors = (0..99)
            .filter(|i| [*i, i + 1].iter().all(|number| test.contains(&format!("6/IMG_{number:04}.jpg"))));
        assert!(neighbors.count() <= 9);
    }

    #[test]
    fn one_more_file_moves_at_most_one_other() {
        for size in 3..60 {
            let (before, after) = (names(&[size], Split::Test), names(&[size + 1], Split::Test));
            assert!(before.symmetric_difference(&after).count() <= 2, "{size}");
            let moved = before.difference(&after).count();
            assert!(moved <= 1, "{size}");
        }
    }
}
