//! The report of `data check`.

use super::duplicates::duplicates;
use super::faults::{Fault, Heading, Place, groups};
use super::survey::Survey;
use pelk_data::{Dataset, Labeling, Split, counted, listed};
use pelk_report::table::{Table, number, text};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Maximum number of classes to name in a list; the rest are counted.
const NAMED: usize = 5;
/// What is in no set that could be opened.
const REST: &str = "neither set";
/// Up to this many classes are all listed; otherwise only the smallest and the largest.
const CLASSES: usize = 20;
/// Number of smallest and largest classes to list.
const ENDS: usize = 5;

/// A split and its statistics.
pub struct Part {
    pub split: Split,
    pub data: Arc<dyn Dataset>,
    pub survey: Survey,
    /// Faults of its folder.
    pub faults: Vec<Fault>,
}

/// Images that belong to no split that could be opened.
pub struct Rest {
    pub files: usize,
    /// Those that cannot be read.
    pub broken: Vec<(PathBuf, Fault)>,
    /// What was passed over.
    pub remark: Option<String>,
}

/// What `data check` found.
pub struct Findings {
    /// The splits that could be opened.
    pub parts: Vec<Part>,
    /// What was read of the folder if a split could not be opened.
    pub rest: Option<Rest>,
}

impl Findings {
    /// The complete report.
    pub fn report(&self) -> String {
        let parts = &self.parts;
        let mut paragraphs = match parts.is_empty() {
            true => vec![],
            false => vec![overview(parts), classes(parts)],
        };
        paragraphs.push(self.remarks());
        paragraphs.push(parts.iter().map(without_images).collect());
        paragraphs.push(duplicates(parts));
        let folders = parts
            .iter()
            .map(|part| Place { name: part.split.to_string(), faults: part.faults.iter().collect() });
        paragraphs.push(groups(&folders.collect::<Vec<_>>(), Heading::Folders));
        let broken = parts.iter().map(|part| {
            let faults = part.survey.broken.iter().map(|broken| &broken.fault).collect();
            Place { name: part.split.to_string(), faults }
        });
        let rest = self.rest.iter().map(|rest| {
            let faults = rest.broken.iter().map(|(_, fault)| fault).collect();
            Place { name: REST.to_owned(), faults }
        });
        paragraphs.push(groups(&broken.chain(rest).collect::<Vec<_>>(), Heading::Unreadable));
        paragraphs.retain(|paragraph| !paragraph.is_empty());
        paragraphs.join("\n")
    }

    /// What the readers decided on their own, under the splits where they did.
    fn remarks(&self) -> String {
        let of_parts = self.parts.iter().flat_map(|part| {
            part.data.remarks().iter().map(|remark| (part.split.to_string(), remark.as_str()))
        });
        let rest = self.rest.iter().filter_map(|rest| Some((REST.to_owned(), rest.remark.as_deref()?)));
        let mut places: Vec<(&str, String)> = Vec::new();
        for (place, remark) in of_parts.chain(rest) {
            match places.iter_mut().find(|(known, _)| *known == remark) {
                Some((_, within)) => *within += &format!(" and {place}"),
                None => places.push((remark, place)),
            }
        }
        let mut text = String::new();
        while let Some((_, place)) = places.first().cloned() {
            let _ = writeln!(text, "Notes on {place}:");
            for (remark, _) in places.extract_if(.., |(_, other)| *other == place) {
                let _ = writeln!(text, "  {remark}");
            }
        }
        text
    }
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
    let mut names: Vec<&str> = Vec::new();
    for name in parts.iter().flat_map(|part| part.data.classes()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let count = |part: &Part, class: usize| {
        let place = part.data.classes().iter().position(|name| *name == names[class]);
        place.map(|place| part.survey.labels[place])
    };
    let mut order: Vec<usize> = (0..names.len()).collect();
    let mut text_above = format!("{}, {unit} per class", counted(names.len(), "class", "classes"));
    if names.len() > CLASSES {
        order.sort_by_key(|&class| count(first, class));
        order.drain(ENDS..names.len() - ENDS);
        let _ = write!(text_above, "; the {ENDS} smallest and {ENDS} largest in {}", first.split);
    }
    let mut table = Table::new([text("class"), number("train"), number("test")]);
    for class in order {
        let number = |part: &Part| count(part, class).map_or("-".to_owned(), |count| count.to_string());
        table.row(cells(names[class], parts, number));
    }
    format!("{text_above}:\n{table}")
}

fn without_images(part: &Part) -> String {
    let labels = part.survey.labels.iter().zip(part.data.classes());
    let empty: Vec<&str> = labels.filter(|(count, _)| **count == 0).map(|(_, name)| name.as_str()).collect();
    let list = listed(&empty, NAMED, ", ");
    match empty.len() {
        0 => String::new(),
        1 => format!("1 class is missing in {}: {list}\n", part.split),
        count => format!("{count} classes are missing in {}: {list}\n", part.split),
    }
}
