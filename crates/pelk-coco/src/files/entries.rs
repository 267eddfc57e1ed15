//! Images and categories, whatever their fields hold.

use super::convert::{ID, wrong};
use super::entry::Entry;
use super::json::Found;
use super::model::{Category, Image};
use super::problem::{Problem, ProblemKind};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// An image as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawImage {
    pub id: Found,
    pub height: Found,
    pub width: Found,
    pub file_name: Found,
}

impl RawImage {
    fn image(&self) -> Result<Image, ProblemKind> {
        let side = |field, found: &Found| {
            let side = found.integer().and_then(|side| usize::try_from(side).ok());
            side.ok_or_else(|| wrong(field, found, "a number of pixels"))
        };
        Ok(Image {
            id: self.id.integer().ok_or_else(|| wrong("id", &self.id, ID))?,
            height: side("height", &self.height)?,
            width: side("width", &self.width)?,
            file_name: self.file_name.text().unwrap_or_default(),
        })
    }
}

/// A category as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCategory {
    pub id: Found,
    pub name: Found,
}

impl RawCategory {
    fn category(&self) -> Result<Category, ProblemKind> {
        Ok(Category {
            id: self.id.integer().ok_or_else(|| wrong("id", &self.id, ID))?,
            name: self.name.text().ok_or_else(|| wrong("name", &self.name, "a text"))?,
        })
    }
}

/// The usable categories and what is wrong with the others, or an id of two with different names.
pub(super) type Categories = Result<(Vec<Category>, Vec<Problem>), u64>;

/// The usable images, and what is wrong with the others. Of equal entries, the first is kept; if entries of
/// the same id differ, none is, because their annotations could belong to either.
pub(super) fn images(raw: Vec<Entry<RawImage>>) -> (Vec<Image>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut images: Vec<(usize, Image)> = Vec::with_capacity(raw.len());
    let (mut places, mut unclear) = (HashMap::with_capacity(raw.len()), HashSet::new());
    for (index, raw) in raw.into_iter().enumerate() {
        let raw = match raw.object() {
            Ok(raw) => raw,
            Err(kind) => {
                problems.push(Problem { what: "image", index, id: None, kind });
                continue;
            }
        };
        let problem = |kind| Problem { what: "image", index, id: raw.id.integer(), kind };
        match raw.image() {
            Ok(image) => match places.get(&image.id) {
                None => {
                    places.insert(image.id, images.len());
                    images.push((index, image));
                }
                Some(&place) => {
                    problems.push(problem(ProblemKind::DuplicateId));
                    if images[place].1 != image {
                        unclear.insert(image.id);
                    }
                }
            },
            Err(kind) => problems.push(problem(kind)),
        }
    }
    if !unclear.is_empty() {
        let first = images.iter().filter(|(_, image)| unclear.contains(&image.id));
        let kind = ProblemKind::DuplicateId;
        let first = first.map(|(index, image)| Problem {
            what: "image",
            index: *index,
            id: Some(image.id),
            kind: kind.clone(),
        });
        problems.extend(first);
        problems.sort_by_key(|problem| problem.index);
    }
    let images = images.into_iter().map(|(_, image)| image);
    (images.filter(|image| !unclear.contains(&image.id)).collect(), problems)
}

/// The usable categories, and what is wrong with the others. Of equal entries, the first is kept.
///
/// # Errors
/// An id of categories with different names.
pub(super) fn categories(raw: Vec<Entry<RawCategory>>) -> Categories {
    let (mut categories, mut problems): (Vec<Category>, _) = (Vec::new(), Vec::new());
    for (index, raw) in raw.into_iter().enumerate() {
        let (id, category) = match raw.object() {
            Ok(raw) => (raw.id.integer(), raw.category()),
            Err(kind) => (None, Err(kind)),
        };
        let kind = match category {
            Ok(category) => match categories.iter().find(|known| known.id == category.id) {
                None => {
                    categories.push(category);
                    continue;
                }
                Some(known) if *known == category => ProblemKind::DuplicateId,
                Some(_) => return Err(category.id),
            },
            Err(kind) => kind,
        };
        problems.push(Problem { what: "category", index, id, kind });
    }
    Ok((categories, problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_same_id_are_kept_once_or_not_at_all() {
        let read = |json: &str| images(serde_json::from_str(json).unwrap());
        let entry = |id: u64, name: &str| {
            format!(r#"{{"id": {id}, "height": 4, "width": 5.0, "file_name": "{name}", "license": null}}"#)
        };
        let [a, b, other] = [entry(1, "a"), entry(2, "b"), entry(1, "other")];
        let (kept, problems) = read(&format!("[{a}, {b}, {a}]"));
        assert_eq!(kept.iter().map(|image| image.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(problems.iter().map(|problem| problem.index).collect::<Vec<_>>(), [2]);
        let (kept, problems) = read(&format!("[{a}, {b}, {other}]"));
        assert_eq!(kept.iter().map(|image| image.id).collect::<Vec<_>>(), [2]);
        assert_eq!(problems.iter().map(|problem| problem.index).collect::<Vec<_>>(), [0, 2]);

        let read = |json: &str| categories(serde_json::from_str(json).unwrap());
        let (kept, problems) = read(r#"[{"id": 1, "name": "a"}, {"id": "1", "name": "a"}]"#).unwrap();
        assert_eq!((kept.len(), problems.len()), (1, 1));
        assert_eq!(read(r#"[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]"#), Err(1));
    }

    #[test]
    fn a_wrong_entry_is_named_with_its_field() {
        for (json, expected) in [
            (r#"{"id": 3, "width": 5}"#, "image 3: `height` is missing, but must be a number of pixels"),
            (r#"{"id": 3, "height": 4, "width": 0.5}"#, "image 3: `width` is 0.5"),
            (r#"{"id": 3, "height": -4, "width": 5}"#, "image 3: `height` is -4.0"),
            (r#"{"height": 4, "width": 5}"#, "image entry 0 (counted from 0): `id` is missing"),
            ("null", "image entry 0 (counted from 0): the entry is null, but must be an object"),
        ] {
            let (kept, problems) = images(vec![serde_json::from_str(json).unwrap()]);
            assert!(kept.is_empty() && problems[0].to_string().contains(expected), "{}", problems[0]);
        }
        let (kept, problems) = categories(vec![
            serde_json::from_str(r#"{"id": 3, "name": null}"#).unwrap(),
            serde_json::from_str(r#"{"id": 4, "name": 7}"#).unwrap(),
        ])
        .unwrap();
        assert_eq!(problems[0].to_string(), "category 3: `name` is null, but must be a text");
        assert_eq!(kept[0].name, "7");
    }
}
