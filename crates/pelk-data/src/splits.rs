//! The names under which people store training and test images.

use std::fs;
use std::path::Path;

use crate::Split;

/// Names of the folder of training images, in order of preference.
pub(crate) const TRAIN: [&str; 2] = ["train", "training"];
/// Names of the folder of test images, in order of preference: ImageNet's `test` has no labels.
pub(crate) const TEST: [&str; 5] = ["val", "validation", "valid", "test", "testing"];

/// Names of the folder of a split, in order of preference.
pub(crate) fn names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &TRAIN,
        Split::Test => &TEST,
    }
}

/// A folder of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name as it is spelled there.
    pub name: String,
    /// Folders under other names of the same split, which are not read.
    pub others: Vec<String>,
}

impl Found {
    /// A sentence on the folders that are not read.
    pub fn remark(&self, folder: &Path) -> Option<String> {
        let others = self.others.join(", ");
        let folder = folder.display();
        (!others.is_empty()).then(|| format!("{folder}: reading {}, not {others}", self.name))
    }
}

/// The subfolder with the first of these names that there is, spelled like this or else in any case.
pub(crate) fn find(folder: &Path, names: &[&str]) -> Option<Found> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut there: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .collect();
    let rank = |name: &str| names.iter().position(|known| known.eq_ignore_ascii_case(name));
    there.sort_by_key(|name| (rank(name), !names.contains(&name.as_str()), name.clone()));
    let mut there = there.into_iter();
    Some(Found { name: there.next()?, others: there.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_the_preferred_one_wins() {
        for (folders, expected) in [
            (&["valid"][..], Some(("valid", &[][..]))),
            (&["Val"], Some(("Val", &[]))),
            (&["TESTING", "other"], Some(("TESTING", &[]))),
            (&["test", "valid"], Some(("valid", &["test"]))),
            (&["VAL", "val", "Test"], Some(("val", &["VAL", "Test"]))),
            (&["value", "evaluation"], None),
            (&[], None),
        ] {
            let root = tempfile::tempdir().unwrap();
            folders.iter().for_each(|name| fs::create_dir_all(root.path().join(name)).unwrap());
            let found = find(root.path(), &TEST);
            let found = found.as_ref().map(|it| (it.name.as_str(), it.others.clone()));
            let expected =
                expected.map(|(name, others)| (name, others.iter().map(|it| (*it).to_owned()).collect()));
            assert_eq!(found, expected, "{folders:?}");
        }
    }

    #[test]
    fn files_are_no_folders_of_a_split() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("train"), "").unwrap();
        fs::create_dir(root.path().join("Training")).unwrap();
        let found = find(root.path(), &TRAIN).unwrap();
        assert_eq!((found.name.as_str(), found.remark(root.path())), ("Training", None));
        assert_eq!(find(Path::new("no/where"), &TRAIN), None);
        let both = Found { name: "val".into(), others: vec!["test".into()] };
        assert_eq!(both.remark(Path::new("x")).unwrap(), "x: reading val, not test");
    }
}
