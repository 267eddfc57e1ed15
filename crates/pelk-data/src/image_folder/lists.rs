//! Lists that come with ImageNet: the classes of validation images, and the names of classes.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::files::Files;
use crate::{DataError, read_text};

/// Kaggle's list: `ImageId,PredictionString`, then a name without its ending, a class folder, and boxes.
const SOLUTION: &str = "LOC_val_solution.csv";
/// A class folder for each image in the order of the images' names, as in many archives.
const SYNSETS: &str = "imagenet_2012_validation_synset_labels.txt";
/// Caffe's list: a name, and the index of the class among the sorted folders, from 0.
const NUMBERS: &str = "val.txt";
/// Files with lines `n01440764 tench, Tinca tinca`.
const WORDS: [&str; 2] = ["LOC_synset_mapping.txt", "synset_words.txt"];

const REMEDY: &str = "put LOC_val_solution.csv (from Kaggle), imagenet_2012_validation_synset_labels.txt or \
                      Caffe's val.txt into the folder, or move the images into class folders as in train";

/// A text file.
struct Text {
    path: PathBuf,
    text: String,
}

impl Text {
    /// The first of these files that exists in one of the folders.
    fn find(folders: &[&Path], names: &[&str]) -> Result<Option<Text>, DataError> {
        for path in names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))) {
            match read_text(&path) {
                Ok(text) => return Ok(Some(Text { path, text })),
                Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The lines that are not empty, with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty())
    }

    fn error(&self, line: usize, found: &str, expected: impl Into<String>) -> DataError {
        DataError::Line { path: self.path.clone(), line, found: found.into(), expected: expected.into() }
    }

    fn layout(&self, problem: String) -> DataError {
        DataError::layout(
            &self.path,
            problem,
            "use the complete list and the complete images of the same set",
        )
    }
}

/// The images of a flat folder, `names` sorted, with their labels from a list in one of `folders`; `classes`
/// are the names of the class folders.
pub(super) fn label(
    flat: &Path,
    names: &[String],
    folders: &[&Path],
    classes: &[String],
) -> Result<Files, DataError> {
    let numbers: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut labels: Vec<Option<u32>> = vec![None; names.len()];
    let class = |text: &Text, line: usize, found: &str, name: &str| {
        let expected = || format!("a name and one of the {} classes of train", classes.len());
        numbers.get(name).copied().ok_or_else(|| text.error(line, found, expected()))
    };
    let places = |stems: bool| -> HashMap<&str, usize> {
        let stem = |name| Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
        names.iter().map(|name| if stems { stem(name) } else { name.as_str() }).zip(0..).collect()
    };
    let missing = |text: &Text, line: usize, found: &str| {
        text.error(line, found, format!("a name of an image in {}", flat.display()))
    };

    let text = if let Some(text) = Text::find(folders, &[SOLUTION])? {
        let places = places(true);
        for (line, found) in text.lines().skip(1) {
            let (name, rest) = found.split_once(',').unwrap_or((found, ""));
            let place = *places.get(name).ok_or_else(|| missing(&text, line, found))?;
            labels[place] = Some(class(&text, line, found, rest.split(' ').next().unwrap_or(""))?);
        }
        text
    } else if let Some(text) = Text::find(folders, &[SYNSETS])? {
        let count = text.lines().count();
        if count != names.len() {
            let found = format!("has {count} lines, but {} has {} images", flat.display(), names.len());
            return Err(text.layout(found));
        }
        for (place, (line, found)) in text.lines().enumerate() {
            labels[place] = Some(class(&text, line, found, found)?);
        }
        text
    } else if let Some(text) = Text::find(folders, &[NUMBERS])? {
        let places = places(false);
        for (line, found) in text.lines() {
            let (name, number) = found.rsplit_once(' ').unwrap_or((found, ""));
            let place = *places.get(name.trim_end()).ok_or_else(|| missing(&text, line, found))?;
            let number = number.parse().ok().filter(|&number: &u32| (number as usize) < classes.len());
            let expected =
                || format!("a name and a number below {}, the number of classes of train", classes.len());
            labels[place] = Some(number.ok_or_else(|| text.error(line, found, expected()))?);
        }
        text
    } else {
        return Err(DataError::layout(
            flat,
            "has images without class folders, and no list of their classes",
            REMEDY,
        ));
    };

    let mut files = Files::default();
    for (name, label) in names.iter().zip(labels) {
        let label = label.ok_or_else(|| {
            text.layout(format!("does not have the class of {}", flat.join(name).display()))
        })?;
        files.push(name.as_bytes(), label);
    }
    Ok(files)
}

/// The names of the classes: from a list in one of `folders`, up to the first comma, else those of their
/// folders. Classes with equal names in the list get their folders' names added.
pub(super) fn class_names(folders: &[&Path], classes: Vec<String>) -> Result<Vec<String>, DataError> {
    let Some(text) = Text::find(folders, &WORDS)? else { return Ok(classes) };
    let mut words = HashMap::new();
    for (line, found) in text.lines() {
        let name = found.split_once(char::is_whitespace);
        let name = name.map(|(class, names)| (class, names.split(',').next().unwrap_or("").trim()));
        let Some((class, name)) = name.filter(|(_, name)| !name.is_empty()) else {
            return Err(text.error(line, found, "a class folder and its name in words"));
        };
        words.insert(class, name);
    }
    let named =
        |class: &String| words.get(class.as_str()).map_or_else(|| class.clone(), |&name| name.to_owned());
    let mut names: Vec<String> = classes.iter().map(named).collect();
    let mut counts = HashMap::new();
    for name in &names {
        *counts.entry(name.clone()).or_insert(0) += 1;
    }
    for (name, class) in names.iter_mut().zip(&classes) {
        if counts[name] > 1 {
            *name = format!("{name} ({class})");
        }
    }
    Ok(names)
}
