//! The report of `data check`.

use super::Shared;
use super::survey::{Broken, Print, Survey};
use pelk_data::{Labeling, Split, listed};
use pelk_report::table::{Table, number, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Maximum number of files, groups or classes to name in a list; the rest are counted.
const NAMED: usize = 5;
/// Up to this many classes are all listed; otherwise only the smallest and the largest.
const CLASSES: usize = 20;
/// Number of smallest and largest classes to list.
const ENDS: usize = 5;

/// A split and its statistics.
pub struct Part {
    pub split: Split,
    pub data: Shared,
    pub survey: Survey,
}

/// The complete report.
pub fn report(parts: &[Part]) -> String {
    let mut paragraphs = vec![overview(parts), classes(parts)];
    paragraphs.extend(parts.iter().map(without_images));
    paragraphs.push(duplicates(parts));
    paragraphs.extend(parts.iter().map(broken));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n")
}

/// The cells of a row: name and one value per split, `-` for a split that could not be opened.
fn cells(name: &str, parts: &[Part], value: impl Fn(&Part) -> String) -> [String; 3] {
    let of = |split| parts.iter().find(|part| part.split == split).map_or("-".to_owned(), &value);
    [name.to_owned(), of(Split::Train), of(Split::Test)]
}

fn overview(parts: &[Part]) -> String {
    let mut table = Table::new([text("images"), number("train"), number("test")]);
    table.row(cells("all", parts, |part| part.data.len().to_string()));
    table.row(cells("cannot be read", parts, |part| part.survey.broken.len().to_string()));
    let names: BTreeSet<&str> = parts.iter().flat_map(|part| part.survey.kinds.keys().copied()).collect();
    for name in names {
        table.row(cells(name, parts, |part| part.survey.kinds.get(name).unwrap_or(&0).to_string()));
    }
    // The sizes are sorted.
    for (name, halves) in [("smallest, height x width", 0), ("median", 1), ("largest", 2)] {
        table.row(cells(name, parts, |part| {
            let sizes = &part.survey.sizes;
            let size = sizes.len().checked_sub(1).map(|last| sizes[last * halves / 2]);
            size.map_or("-".to_owned(), |[height, width]| format!("{height} x {width}"))
        }));
    }
    table.to_string()
}

fn classes(parts: &[Part]) -> String {
    let Some(first) = parts.first() else { return String::new() };
    let unit = match first.data.labeling() {
        Labeling::Image => "images",
        Labeling::Pixels { .. } => "labeled pixels or squares",
        Labeling::Objects => "objects",
    };
    let names = first.data.classes();
    let mut order: Vec<usize> = (0..names.len()).collect();
    let mut text_above = format!("{} classes, {unit} per class", names.len());
    if names.len() > CLASSES {
        order.sort_by_key(|&class| first.survey.labels[class]);
        order.drain(ENDS..names.len() - ENDS);
        let _ = write!(text_above, "; the {ENDS} smallest and {ENDS} largest in {}", first.split);
    }
    let mut table = Table::new([text("class"), number("train"), number("test")]);
    for class in order {
        table.row(cells(&names[class], parts, |part| part.survey.labels[class].to_string()));
    }
    format!("{text_above}:\n{table}")
}

fn without_images(part: &Part) -> String {
    let labels = part.survey.labels.iter().zip(part.data.classes());
    let empty: Vec<&str> = labels.filter(|(count, _)| **count == 0).map(|(_, name)| name.as_str()).collect();
    match empty.len() {
        0 => String::new(),
        1 => format!("1 class is missing in {}: {}\n", part.split, listed(&empty, NAMED, ", ")),
        count => format!("{count} classes are missing in {}: {}\n", part.split, listed(&empty, NAMED, ", ")),
    }
}

/// One of several images with the same pixels.
struct Twin {
    split: Split,
    name: String,
    labels: u64,
}

fn duplicates(parts: &[Part]) -> String {
    let mut same: BTreeMap<u64, Vec<Twin>> = BTreeMap::new();
    let repeated = repeated(parts);
    for Part { split, data, survey } in parts {
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
        (["is", "are"], "in both train and test, so test results are too good", leaks),
        (["occurs", "occur"], "more than once, with different labels", torn),
        (["occurs", "occur"], "more than once", others),
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

/// The samples that cannot be read, by kind of error.
fn broken(part: &Part) -> String {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Broken { kind, reason, .. } in &part.survey.broken {
        kinds.entry(kind).or_default().push(reason);
    }
    let mut text = String::new();
    for (kind, reasons) in kinds {
        let (count, list) = (reasons.len(), listed(&reasons, NAMED, "\n  "));
        let _ = writeln!(text, "{count} in {} cannot be read ({kind}):\n  {list}", part.split);
    }
    text
}
