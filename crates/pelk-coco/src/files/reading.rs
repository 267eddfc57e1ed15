//! The parts of an annotation file as they come, in any order.

use super::convert::{Converted, Raw, annotation, wrong};
use super::entries::{Categories, RawCategory, RawImage, categories, images};
use super::entry::Entry;
use super::model::{Annotation, Category, Image};
use super::names::Names;
use super::options::ReadOptions;
use super::parse::Chunks;
use super::problem::{Problem, ProblemKind};
use rayon::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The parts of a file as they come.
#[derive(Default)]
pub(super) struct Reading<'a> {
    options: ReadOptions,
    /// Whether to fill in what follows from other fields.
    repair: bool,
    images: Option<(Vec<Image>, Vec<Problem>)>,
    categories: Option<Categories>,
    sizes: HashMap<u64, [usize; 2]>,
    entries: Option<Vec<Result<Converted, Problem>>>,
    /// Annotations that came before the images.
    waiting: Vec<Entry<Raw<'a>>>,
    /// Ids that are texts: of images, categories and annotations.
    names: [Names; 3],
}

/// What was in a file; `None` where a part is missing.
pub(super) struct Parts {
    pub images: Option<(Vec<Image>, Vec<Problem>)>,
    pub categories: Option<Categories>,
    pub annotations: Option<Vec<Result<Converted, Problem>>>,
    /// Whether images have texts as ids.
    pub named: bool,
}

impl<'a> Reading<'a> {
    pub fn new(options: ReadOptions, repair: bool) -> Self {
        Reading { options, repair, ..Reading::default() }
    }

    fn add_images(&mut self, mut raw: Vec<Entry<RawImage>>) {
        raw.iter_mut().filter_map(Entry::as_mut).for_each(|raw| self.names[0].resolve(&mut raw.id));
        let (images, problems) = images(raw);
        self.sizes = images.iter().map(|image| (image.id, [image.height, image.width])).collect();
        self.images = Some((images, problems));
    }

    fn add_categories(&mut self, mut raw: Vec<Entry<RawCategory>>) {
        raw.iter_mut().filter_map(Entry::as_mut).for_each(|raw| self.names[1].resolve(&mut raw.id));
        self.categories = Some(categories(raw));
    }

    fn add_annotations(&mut self, mut raw: Vec<Entry<Raw<'a>>>) {
        let [images, categories, annotations] = &mut self.names;
        for raw in raw.iter_mut().filter_map(Entry::as_mut) {
            images.resolve(&mut raw.image_id);
            categories.resolve(&mut raw.category_id);
            annotations.resolve(&mut raw.id);
        }
        if self.images.is_some() {
            self.convert(raw);
        } else {
            self.waiting.extend(raw);
        }
    }

    /// Converts entries; the images are known.
    fn convert(&mut self, raw: Vec<Entry<Raw<'a>>>) {
        let entries = self.entries.get_or_insert_default();
        let first = entries.len();
        let (sizes, options, repair) = (&self.sizes, self.options, self.repair);
        let converted = raw
            .into_par_iter()
            .enumerate()
            .map(|(i, raw)| annotation(raw, first + i, sizes, options, repair));
        entries.par_extend(converted);
    }

    pub fn finish(mut self) -> Parts {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.convert(waiting);
        }
        if self.names.iter().any(Names::is_used) {
            self.number();
        }
        let named = self.names[0].is_used();
        Parts { images: self.images, categories: self.categories, annotations: self.entries, named }
    }

    /// Replaces the preliminary numbers of texts by final ones.
    fn number(&mut self) {
        let Reading { names: [image_names, category_names, names], images, categories, entries, .. } = self;
        let mut images: Vec<&mut Image> = images.iter_mut().flat_map(|(images, _)| images).collect();
        let image_ids =
            image_names.numbers(images.iter().map(|image| image.id).collect::<Vec<_>>().into_iter());
        let mut listed: Vec<&mut Category> =
            categories.iter_mut().flatten().flat_map(|(categories, _)| categories).collect();
        let category_ids =
            category_names.numbers(listed.iter().map(|one| one.id).collect::<Vec<_>>().into_iter());
        let ids: Vec<u64> =
            entries.iter().flatten().flatten().map(|converted| converted.annotation.id).collect();
        let ids = names.numbers(ids.into_iter());
        let change = |id: &mut u64, numbers: &HashMap<u64, u64>| *id = *numbers.get(id).unwrap_or(id);
        images.iter_mut().for_each(|image| change(&mut image.id, &image_ids));
        listed.iter_mut().for_each(|category| change(&mut category.id, &category_ids));
        for (index, entry) in entries.iter_mut().flatten().enumerate() {
            match entry {
                Ok(Converted { annotation: Annotation { id, image_id, category_id, .. }, .. }) => {
                    let unknown =
                        category_names.text(*category_id).filter(|_| !category_ids.contains_key(category_id));
                    if let Some(text) = unknown {
                        let kind =
                            wrong("category_id", &format!("the text {text:?}"), "the id of a category");
                        let id = Some(*id).filter(|id| names.text(*id).is_none());
                        *entry = Err(Problem { what: "annotation", index, id, kind });
                        continue;
                    }
                    change(id, &ids);
                    change(image_id, &image_ids);
                    change(category_id, &category_ids);
                }
                Err(problem) => {
                    // The number of an unknown text means nothing to anyone.
                    problem.id = problem.id.filter(|id| names.text(*id).is_none());
                    if let ProblemKind::UnknownImage { image_id } = problem.kind
                        && let Some(text) = image_names.text(image_id)
                    {
                        let found = format!("the text {text:?}");
                        problem.kind = wrong("image_id", &found, "the id of an image");
                    }
                }
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reading<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with images, annotations and categories")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<Cow<'_, str>>()? {
            match &*key {
                "images" => self.add_images(object.next_value()?),
                "categories" => self.add_categories(object.next_value()?),
                "annotations" => {
                    self.entries.get_or_insert_default();
                    object.next_value_seed(Chunks::new(|chunk| self.add_annotations(chunk)))?;
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
