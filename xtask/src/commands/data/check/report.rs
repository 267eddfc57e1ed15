//! What `data check` prints of what it found.

use super::Shared;
use super::survey::Survey;
use crate::table::{Table, number, text};
use pelk_data::{Labelling, Split};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Files named before "and so many more".
const NAMED: usize = 20;
/// Classes that are listed one by one; of more, the smallest and the largest.
const CLASSES: usize = 20;
/// How many of the smallest and of the largest.
const ENDS: usize = 5;

/// A split and what was found in it.
pub struct Part {
    pub split: Split,
    pub data: Shared,
    pub survey: Survey,
}

/// The report, in paragraphs.
pub fn report(parts: &[Part]) -> String {
    let mut paragraphs = vec![overview(parts), classes(parts)];
    paragraphs.extend(parts.iter().map(without_images));
    paragraphs.push(duplicates(parts));
    paragraphs.extend(parts.iter().map(broken));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n")
}

/// Cells of a row: a name, and a value for each split; a split that could not be opened has none.
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
    let places: [(&str, fn(usize) -> usize); 3] =
        [("smallest, height x width", |_| 0), ("median", |count| count / 2), ("largest", |count| count - 1)];
    for (name, place) in places {
        table.row(cells(name, parts, |part| {
            let sizes = &part.survey.sizes;
            if sizes.is_empty() {
                return "-".to_owned();
            }
            let [height, width] = sizes[place(sizes.len())];
            format!("{height} x {width}")
        }));
    }
    table.to_string()
}

fn classes(parts: &[Part]) -> String {
    let Some(first) = parts.first() else { return String::new() };
    let unit = match first.data.labelling() {
        Labelling::Image => "images",
        Labelling::Places { .. } => "labelled places",
    };
    let names = first.data.classes();
    let mut order: Vec<usize> = (0..names.len()).collect();
    let mut text_above = format!("{} classes, {unit} of each", names.len());
    if names.len() > CLASSES {
        order.sort_by_key(|&class| first.survey.labels[class]);
        order.drain(ENDS..names.len() - ENDS);
        let _ = write!(text_above, ", the smallest and the largest {ENDS} of {}", first.split);
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
        count => format!("{count} classes have nothing in {}: {}\n", part.split, list(&empty, ", ")),
    }
}

/// The first names of a list, and how many more there are.
fn list(names: &[&str], between: &str) -> String {
    let mut text = names[..names.len().min(NAMED)].join(between);
    if names.len() > NAMED {
        let _ = write!(text, "{between}and {} more", names.len() - NAMED);
    }
    text
}

/// Images of the same pixels.
fn duplicates(parts: &[Part]) -> String {
    let mut same: BTreeMap<u64, Vec<(Split, String, Option<u32>)>> = BTreeMap::new();
    let seen: BTreeSet<u64> = repeated(parts);
    for Part { split, data, survey } in parts {
        for &(hash, index) in survey.hashes.iter().filter(|(hash, _)| seen.contains(hash)) {
            let name = data
                .file(index)
                .map_or_else(|| format!("{split} image {index}"), |file| file.display().to_string());
            let label = match data.labelling() {
                Labelling::Image => data.sample(index).ok().and_then(|sample| sample.labels.first().copied()),
                Labelling::Places { .. } => None,
            };
            same.entry(hash).or_default().push((*split, name, label));
        }
    }
    let mut text = String::new();
    let mut say = |what: &str, groups: Vec<&Vec<(Split, String, Option<u32>)>>| {
        if !groups.is_empty() {
            let groups: Vec<String> = groups
                .iter()
                .map(|group| group.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>().join(" = "))
                .collect();
            let names: Vec<&str> = groups.iter().map(String::as_str).collect();
            let _ = writeln!(text, "{} {what}:\n  {}", names.len(), list(&names, "\n  "));
        }
    };
    let both = |group: &&Vec<(Split, String, Option<u32>)>| group.iter().any(|entry| entry.0 != group[0].0);
    let torn = |group: &&Vec<(Split, String, Option<u32>)>| group.iter().any(|entry| entry.2 != group[0].2);
    say(
        "images are in train and in test, so that what is measured was learnt by heart",
        same.values().filter(both).collect(),
    );
    say("images are there more than once, under different classes", same.values().filter(torn).collect());
    let rest = |group: &&Vec<_>| !both(group) && !torn(group);
    say("images are there more than once", same.values().filter(rest).collect());
    text
}

/// The hashes that more than one image has.
fn repeated(parts: &[Part]) -> BTreeSet<u64> {
    let mut hashes: Vec<u64> =
        parts.iter().flat_map(|part| part.survey.hashes.iter().map(|(hash, _)| *hash)).collect();
    hashes.sort_unstable();
    hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

fn broken(part: &Part) -> String {
    let reasons: Vec<&str> = part.survey.broken.iter().map(|(_, reason)| reason.as_str()).collect();
    match reasons.len() {
        0 => String::new(),
        count => format!("{count} of {} cannot be read:\n  {}\n", part.split, list(&reasons, "\n  ")),
    }
}
