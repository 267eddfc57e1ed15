//! What is wrong with files and folders, grouped by kind with one remedy each.

use pelk_data::{DataError, PictureError, counted, listed};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

/// Maximum number of files to name in a group; the rest are counted.
const NAMED: usize = 5;

/// Something wrong with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The kind of error, the same for all files with the same cause.
    pub kind: &'static str,
    /// What is wrong, with the name of the file.
    pub problem: String,
    /// What to do about it; empty if the problem says it.
    pub remedy: String,
}

impl Fault {
    /// An error of the reader, with its causes.
    pub fn of(error: &DataError) -> Fault {
        let (mut problem, mut cause) = (error.problem(), error.source());
        while let Some(error) = cause {
            let _ = write!(problem, ": {error}");
            cause = error.source();
        }
        let mut remedy = error.remedy().unwrap_or_default().into_owned();
        if matches!(error, DataError::Picture(PictureError::PartnerSize { turned: true, .. })) {
            remedy += " (--exif apply, data.exif)";
        }
        // A name may have line breaks.
        let problem = problem.replace(|c: char| c.is_control(), "?");
        Fault { kind: error.kind(), problem, remedy }
    }
}

/// Where faults are: a split, or what belongs to none.
pub struct Place<'a> {
    pub name: String,
    pub faults: Vec<&'a Fault>,
}

/// How the heading of a group counts its faults.
#[derive(Debug, Clone, Copy)]
pub enum Heading {
    /// Samples that cannot be read.
    Unreadable,
    /// Faults of folders.
    Folders,
}

/// A problem, and the places that it is in.
type Located<'a> = (&'a str, Vec<usize>);

/// For each kind a heading with where and how often, and for each remedy the first problems and the remedy.
pub fn groups(places: &[Place], heading: Heading) -> String {
    let mut kinds: BTreeMap<&str, BTreeMap<&str, Vec<Located>>> = BTreeMap::new();
    for (place, fault) in (0..).zip(places).flat_map(|(i, it)| it.faults.iter().map(move |fault| (i, fault)))
    {
        let problems = kinds.entry(fault.kind).or_default().entry(&fault.remedy).or_default();
        // Only a fault of a whole folder can be in two places, and there are few of these.
        let known = match heading {
            Heading::Folders => problems.iter_mut().find(|(problem, _)| *problem == fault.problem),
            Heading::Unreadable => None,
        };
        match known {
            Some((_, within)) => within.push(place),
            None => problems.push((&fault.problem, vec![place])),
        }
    }
    let paragraph = |(kind, remedies): (&str, BTreeMap<&str, Vec<Located>>)| {
        let mut counts: BTreeMap<&[usize], usize> = BTreeMap::new();
        for (_, within) in remedies.values().flatten() {
            *counts.entry(within).or_default() += 1;
        }
        let name = |place: &usize| places[*place].name.as_str();
        let counts = counts.iter().map(|(within, count)| {
            let within = within.iter().map(name).collect::<Vec<_>>().join(" and ");
            match heading {
                Heading::Unreadable => format!("{count} in {within}"),
                Heading::Folders => format!("{} of {within}", counted(*count, "fault", "faults")),
            }
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        let mut text = match heading {
            Heading::Unreadable => format!("{counts} cannot be read ({kind}):\n"),
            Heading::Folders => format!("{counts} ({kind}):\n"),
        };
        for (remedy, problems) in remedies {
            let problems: Vec<&str> = problems.iter().map(|(problem, _)| *problem).collect();
            let before = if problems.len() == 1 { ": " } else { "\n  To fix: " };
            let _ = match remedy {
                "" => writeln!(text, "  {}", listed(&problems, NAMED, "\n  ")),
                _ => writeln!(text, "  {}{before}{remedy}", listed(&problems, NAMED, "\n  ")),
            };
        }
        text
    };
    kinds.into_iter().map(paragraph).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn fault(problem: &str, remedy: &str) -> Fault {
        Fault { kind: "damaged", problem: problem.into(), remedy: remedy.into() }
    }

    fn text(places: &[(&str, &[Fault])], heading: Heading) -> String {
        let place = |(name, faults): &(&str, &'_ [Fault])| (name.to_string(), faults.to_vec());
        let owned: Vec<(String, Vec<Fault>)> = places.iter().map(place).collect();
        let places: Vec<Place> = owned
            .iter()
            .map(|(name, faults)| Place { name: name.clone(), faults: faults.iter().collect() })
            .collect();
        groups(&places, heading)
    }

    #[test]
    fn files_of_one_kind_share_a_remedy_and_are_counted_by_split() {
        let many: Vec<Fault> = (0..8).map(|number| fault(&format!("{number} is cut"), "mend it")).collect();
        let others = [fault("x is cut", "mend it"), fault("y is a page", "load it")];
        let text = text(&[("train", &many), ("test", &others)], Heading::Unreadable);
        assert_eq!(
            text,
            "8 in train, 2 in test cannot be read (damaged):\n  y is a page: load it\n  0 is cut\n  \
             1 is cut\n  2 is cut\n  3 is cut\n  4 is cut\n  and 4 more\n  To fix: mend it\n"
        );
    }

    #[test]
    fn a_fault_of_both_splits_is_named_once() {
        let (both, one) = (fault("all is flat", "sort it"), fault("val is bare", "sort it"));
        let (train, test) = ([both.clone()], [both, one]);
        let places: [(&str, &[Fault]); 2] = [("train", &train), ("test", &test)];
        assert_eq!(
            text(&places, Heading::Folders),
            "1 fault of train and test, 1 fault of test (damaged):\n  all is flat\n  val is bare\n  \
             To fix: sort it\n"
        );
        assert_eq!(text(&[], Heading::Folders), "");
    }

    #[test]
    fn causes_and_options_are_told() {
        let path = || "a.png".into();
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let cause = source.to_string();
        let fault = Fault::of(&DataError::Io { path: path(), source });
        assert_eq!(fault.problem, format!("cannot read a.png: {cause}"));
        assert!(fault.remedy.starts_with("make it readable"));
        let (partner, found, expected) = (String::new(), [1, 2], [2, 1]);
        let error = PictureError::PartnerSize { path: path(), found, partner, expected, turned: true };
        assert!(Fault::of(&error.into()).remedy.ends_with("(--exif apply, data.exif)"));
    }
}
