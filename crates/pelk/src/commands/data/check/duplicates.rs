//! Images that a dataset has more than once.

use super::report::Part;
use super::survey::Print;
use pelk_data::{Split, listed};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Maximum number of files and groups to name in a list; the rest are counted.
const NAMED: usize = 5;

/// One of several images with the same pixels.
struct Twin {
    split: Split,
    name: String,
    labels: u64,
}

/// The images that are there more than once, by what that does.
pub fn duplicates(parts: &[Part]) -> String {
    let mut same: BTreeMap<u64, Vec<Twin>> = BTreeMap::new();
    let repeated = repeated(parts);
    for Part { split, data, survey, .. } in parts {
        for &Print { pixels, index, labels } in
            survey.prints.iter().filter(|it| repeated.contains(&it.pixels))
        {
            let file = data.file(index).map(|file| file.display().to_string());
            let name = file.unwrap_or_else(|| format!("{split} image {index}"));
            same.entry(pixels).or_default().push(Twin { split: *split, name, labels });
        }
    }
    let (mut leaks, mut torn, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for twins in same.values() {
        let names: Vec<&str> = twins.iter().map(|twin| twin.name.as_str()).collect();
        let kind = if twins.iter().any(|twin| twin.split != twins[0].split) {
            &mut leaks
        } else if twins.iter().any(|twin| twin.labels != twins[0].labels) {
            &mut torn
        } else {
            &mut others
        };
        kind.push(listed(&names, NAMED, " = "));
    }
    let mut text = String::new();
    for (verbs, what, groups) in [
        (["is", "are"], "in both train and test, so test results are too good: remove from one", leaks),
        (["occurs", "occur"], "more than once, with different labels: keep the right ones", torn),
        (["occurs", "occur"], "more than once: keep one of each", others),
    ] {
        if !groups.is_empty() {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let (noun, verb) = if groups.len() == 1 { ("image", verbs[0]) } else { ("images", verbs[1]) };
            let list = listed(&groups, NAMED, "\n  ");
            let _ = writeln!(text, "{} {noun} {verb} {what}:\n  {list}", groups.len());
        }
    }
    text
}

/// Pixel hashes shared by more than one image.
fn repeated(parts: &[Part]) -> BTreeSet<u64> {
    let mut hashes: Vec<u64> =
        parts.iter().flat_map(|part| part.survey.prints.iter().map(|print| print.pixels)).collect();
    hashes.sort_unstable();
    hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}
