//! The nearest known name, for messages about unknown ones.

/// The known name closest to a misspelled one: fewest letters inserted, deleted, changed or swapped. `None`
/// if there are no known names.
pub fn nearest<'k>(misspelled: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known.into_iter().min_by_key(|name| strsim::damerau_levenshtein(name, misspelled))
}
