//! A count of what a file's entries are passed over for.

use std::collections::BTreeMap;

use pelk_coco::{MaskError, Problem, ProblemKind};

use super::select::SMALL;
use crate::counted;

/// Entries to name for each reason.
const NAMED: usize = 5;

/// Entries of an annotation file that are not used: for each kind of entry and each reason their number and
/// the first ones.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeMap<(&'static str, String), Reason>);

#[derive(Debug, Default)]
struct Reason {
    count: usize,
    /// Ids, perhaps with a file, and places of entries that have no id.
    ids: Vec<String>,
    entries: Vec<String>,
}

impl PassedOver {
    /// Counts an entry: an `annotation`, `image` or `category`.
    pub fn add(&mut self, what: &'static str, reason: impl Into<String>, id: impl ToString) {
        let reason = self.0.entry((what, reason.into())).or_default();
        reason.count += 1;
        if reason.ids.len() < NAMED {
            reason.ids.push(id.to_string());
        }
    }

    /// Counts an entry that could not be read.
    pub fn add_problem(&mut self, problem: &Problem) {
        let reason = reason(problem);
        if let Some(id) = problem.id {
            return self.add(problem.what, reason, id);
        }
        let reason = self.0.entry((problem.what, reason)).or_default();
        reason.count += 1;
        if reason.entries.len() < NAMED {
            reason.entries.push(problem.index.to_string());
        }
    }

    /// Whether an entry of this kind was passed over.
    pub fn has(&self, what: &str) -> bool {
        self.0.keys().any(|(kind, _)| *kind == what)
    }

    /// One sentence for each reason, in alphabetical order.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|((what, reason), Reason { count, ids, entries })| {
            let many = if *what == "category" { "categories".to_owned() } else { format!("{what}s") };
            let verb = if *count == 1 { "is" } else { "are" };
            let named = [("id", ids), ("entry", entries)];
            let mut named: Vec<String> = named
                .iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(noun, names)| format!("{noun} {}", names.join(", ")))
                .collect();
            if *count > ids.len() + entries.len() {
                named.push("...".to_owned());
            }
            let counted = counted(*count, what, &many);
            format!("{counted} {verb} passed over because {reason} ({})", named.join(", "))
        })
    }
}

/// Why an entry was left out, without what differs from one to the next.
fn reason(problem: &Problem) -> String {
    let text = match &problem.kind {
        ProblemKind::Field { field, found, .. } => {
            let state = if ["missing", "null"].contains(&&found[..]) { "missing" } else { "wrong" };
            return format!("`{field}` is {state}");
        }
        ProblemKind::NotAnObject { .. } => "an entry must be an object",
        ProblemKind::ZeroId => "the id is 0",
        ProblemKind::DuplicateId => "the id occurs twice",
        ProblemKind::UnknownImage { .. } => "there is no usable image of this id",
        ProblemKind::UnknownCategory { .. } => "there is no such category",
        ProblemKind::EmptyBox { .. } => SMALL,
        ProblemKind::SegmentationSize { .. } => "the mask is for another size than the image's",
        ProblemKind::Segmentation(MaskError::Empty) => "the segmentation has no polygon",
        ProblemKind::Segmentation(MaskError::Corners { found }) if found % 2 == 1 => {
            "a polygon has an odd number of coordinates"
        }
        ProblemKind::Segmentation(MaskError::Corners { .. }) => "a polygon has fewer than three corners",
        ProblemKind::Segmentation(MaskError::Coordinate { .. }) => "a coordinate is not finite or too large",
        ProblemKind::Segmentation(MaskError::Sum { .. }) => "the runs do not cover the image",
        ProblemKind::Segmentation(_) => "the segmentation is invalid",
        other => return other.to_string(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_with_the_first_entries() {
        let mut passed = PassedOver::default();
        assert!(!passed.has("annotation"));
        (1..=7).for_each(|id| passed.add("annotation", "it is bad", id));
        passed.add("annotation", "it is worse", 8);
        assert!(passed.has("annotation") && !passed.has("image"));
        passed.add("image", "its file is missing", "3: a.png");
        let problem = |index, id| {
            let kind = ProblemKind::Segmentation(MaskError::Corners { found: 3 });
            Problem { what: "annotation", index, id, kind }
        };
        passed.add_problem(&problem(4, None));
        passed.add_problem(&problem(5, Some(9)));
        let kind = ProblemKind::Field { field: "name", found: "missing".into(), expected: "a text" };
        (0..7).for_each(|index| {
            passed.add_problem(&Problem { what: "category", index, id: None, kind: kind.clone() });
        });
        assert_eq!(
            passed.remarks().collect::<Vec<_>>(),
            [
                "2 annotations are passed over because a polygon has an odd number of coordinates (id 9, \
                 entry 4)",
                "7 annotations are passed over because it is bad (id 1, 2, 3, 4, 5, ...)",
                "1 annotation is passed over because it is worse (id 8)",
                "7 categories are passed over because `name` is missing (entry 0, 1, 2, 3, 4, ...)",
                "1 image is passed over because its file is missing (id 3: a.png)",
            ]
        );
    }
}
