//! Reading and writing annotation files.

use super::convert::{Raw, annotation};
use super::json::{Chunks, without_python_numbers};
use super::model::{Annotation, Category, Image, Instances};
use super::options::ReadOptions;
use super::problem::{FileError, Problem, ProblemKind};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

const EXPECTED: &str = "a file of instance annotations in COCO's format";

impl Instances {
    /// Reads an annotation file. All of its entries must be usable.
    ///
    /// # Errors
    /// [`FileError`], with the first wrong entry.
    pub fn read(path: impl AsRef<Path>, options: ReadOptions) -> Result<Instances, FileError> {
        let path = path.as_ref();
        let (instances, problems) = Instances::read_checked(path, options)?;
        first_problem(path, problems).map(|()| instances)
    }

    /// Reads an annotation file, and leaves out the annotations that are not usable: those with missing or
    /// wrong fields, an id of 0 or one that occurred before, an unknown image or category, an empty box, or a
    /// segmentation that is invalid or of another size than its image. They are reported in the file's order.
    ///
    /// # Errors
    /// [`FileError`] if the file as a whole is not usable: no JSON, without images, annotations or
    /// categories, or with two images or categories of the same id.
    pub fn read_checked(
        path: impl AsRef<Path>,
        options: ReadOptions,
    ) -> Result<(Instances, Vec<Problem>), FileError> {
        let path = path.as_ref();
        let (images, categories, entries) = parse(path, EXPECTED, |json| {
            let mut reading = Reading { options, ..Reading::default() };
            let mut deserializer = serde_json::Deserializer::from_slice(json);
            (&mut reading).deserialize(&mut deserializer)?;
            deserializer.end().map(|()| reading.finish())
        })?;
        let missing = |field| FileError::Missing { path: path.to_owned(), field };
        let images = images.ok_or_else(|| missing("images"))?;
        let categories = categories.ok_or_else(|| missing("categories"))?;
        let entries = entries.ok_or_else(|| missing("annotations"))?;
        unique(path, "image", images.iter().map(|image| image.id))?;
        let known = unique(path, "category", categories.iter().map(|category| category.id))?;
        let (mut annotations, mut problems) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut seen = HashSet::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let annotation = match entry {
                Ok(annotation) => annotation,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let category_id = annotation.category_id;
            let kind = if !seen.insert(annotation.id) {
                ProblemKind::DuplicateId
            } else if !known.contains(&category_id) {
                ProblemKind::UnknownCategory { category_id }
            } else {
                annotations.push(annotation);
                continue;
            };
            problems.push(Problem { index, id: Some(annotation.id), kind });
        }
        Ok((Instances { images, annotations, categories }, problems))
    }

    /// Writes an annotation file, which [`Instances::read`] reads back.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write(path.as_ref(), self)
    }
}

/// Reads a file as JSON. Python's additions to JSON are replaced by texts if they are the reason why it
/// cannot be read.
pub(super) fn parse<T>(
    path: &Path,
    expected: &'static str,
    read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<T, FileError> {
    let json = fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    let result = read(&json).or_else(|error| match without_python_numbers(&json) {
        Some(json) => read(&json),
        None => Err(error),
    });
    result.map_err(|source| FileError::Json { path: path.to_owned(), expected, source })
}

pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let error = |source| FileError::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(fs::File::create(path).map_err(error)?);
    serde_json::to_writer(&mut file, value).map_err(|source| error(source.into()))?;
    file.flush().map_err(error)
}

pub(super) fn first_problem(path: &Path, problems: Vec<Problem>) -> Result<(), FileError> {
    match problems.into_iter().next() {
        Some(problem) => Err(FileError::Entry { path: path.to_owned(), problem }),
        None => Ok(()),
    }
}

fn unique(
    path: &Path,
    what: &'static str,
    ids: impl Iterator<Item = u64>,
) -> Result<HashSet<u64>, FileError> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(FileError::Duplicate { path: path.to_owned(), what, id });
        }
    }
    Ok(seen)
}

/// The parts of a file as they come.
#[derive(Default)]
struct Reading<'a> {
    options: ReadOptions,
    images: Option<Vec<Image>>,
    categories: Option<Vec<Category>>,
    sizes: HashMap<u64, [usize; 2]>,
    entries: Option<Vec<Result<Annotation, Problem>>>,
    /// Annotations that came before the images.
    waiting: Vec<Raw<'a>>,
}

/// Images, categories, annotations.
type Parts = (Option<Vec<Image>>, Option<Vec<Category>>, Option<Vec<Result<Annotation, Problem>>>);

impl<'a> Reading<'a> {
    /// Converts entries; the images are known.
    fn convert(&mut self, raw: Vec<Raw<'a>>) {
        let entries = self.entries.get_or_insert_default();
        let first = entries.len();
        let (sizes, options) = (&self.sizes, self.options);
        let converted =
            raw.into_par_iter().enumerate().map(|(i, raw)| annotation(raw, first + i, sizes, options));
        entries.par_extend(converted);
    }

    fn finish(mut self) -> Parts {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.convert(waiting);
        }
        (self.images, self.categories, self.entries)
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
                "images" => {
                    let images: Vec<Image> = object.next_value()?;
                    self.sizes = images.iter().map(|image| (image.id, [image.height, image.width])).collect();
                    self.images = Some(images);
                }
                "categories" => self.categories = Some(object.next_value()?),
                "annotations" => {
                    self.entries.get_or_insert_default();
                    object.next_value_seed(Chunks::new(|chunk: Vec<Raw<'de>>| {
                        if self.images.is_some() {
                            self.convert(chunk);
                        } else {
                            self.waiting.extend(chunk);
                        }
                    }))?;
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
