//! Reading and writing annotation files.

use super::convert::Converted;
use super::model::{Annotation, Instances};
use super::options::ReadOptions;
use super::parse::parse;
use super::problem::{FileError, Problem, ProblemKind};
use super::reading::{Parts, Reading};
use serde::Serialize;
use serde::de::DeserializeSeed;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

const EXPECTED: &str = "a file of instance annotations in COCO's format";

/// An annotation file as far as it is usable, see [`Instances::read_repaired`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Repaired {
    /// What can be used.
    pub instances: Instances,
    /// What was left out: images, categories and annotations, each in the file's order.
    pub problems: Vec<Problem>,
    /// Annotations whose box was missing or wrong and is now that of their mask.
    pub boxes: usize,
    /// Annotations whose area was missing or wrong and is now that of their mask.
    pub areas: usize,
    /// Annotations whose id was missing, 0 or that of another one, and which got an unused id.
    pub numbered: usize,
    /// Whether images have texts as ids, which became numbers above all ids that are numbers, in the file's
    /// order.
    pub named_images: bool,
}

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

    /// Reads an annotation file, and leaves out what is not usable: images and categories with missing or
    /// wrong fields, or whose id occurred before; annotations with missing or wrong fields, an id of 0 or one
    /// that occurred before, an unknown image or category, an empty box, or a segmentation that is invalid or
    /// of another size than its image. Different images of the same id are left out, all of them.
    ///
    /// Ids may be floats or texts, see [`Repaired::named_images`].
    ///
    /// # Errors
    /// [`FileError`] if the file as a whole is not usable: no JSON, without images, annotations or
    /// categories, or with two categories of the same id and different names.
    pub fn read_checked(
        path: impl AsRef<Path>,
        options: ReadOptions,
    ) -> Result<(Instances, Vec<Problem>), FileError> {
        let Repaired { instances, problems, .. } = read(path.as_ref(), options, false)?;
        Ok((instances, problems))
    }

    /// [`Instances::read_checked`] for those who need the pixels: a box or an area that is missing or wrong
    /// is taken from the mask, and an annotation without an id of its own gets one. Equal annotations of the
    /// same id count once.
    ///
    /// # Errors
    /// Same as [`Instances::read_checked`].
    pub fn read_repaired(path: impl AsRef<Path>, options: ReadOptions) -> Result<Repaired, FileError> {
        read(path.as_ref(), options, true)
    }

    /// Writes an annotation file, which [`Instances::read`] reads back.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write(path.as_ref(), self)
    }
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

fn read(path: &Path, options: ReadOptions, repair: bool) -> Result<Repaired, FileError> {
    let Parts { images, categories, annotations, named } = parse(path, EXPECTED, |json| {
        let mut reading = Reading::new(options, repair);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        (&mut reading).deserialize(&mut deserializer)?;
        deserializer.end().map(|()| reading.finish())
    })?;
    let missing = |field| FileError::Missing { path: path.to_owned(), field };
    let (images, mut problems) = images.ok_or_else(|| missing("images"))?;
    let categories = categories.ok_or_else(|| missing("categories"))?;
    let entries = annotations.ok_or_else(|| missing("annotations"))?;
    let (categories, more) = categories.map_err(|id| FileError::Duplicate { path: path.to_owned(), id })?;
    problems.extend(more);
    let known: HashSet<u64> = categories.iter().map(|category| category.id).collect();
    let instances = Instances { images, annotations: Vec::with_capacity(entries.len()), categories };
    let mut file = Repaired { instances, problems, boxes: 0, areas: 0, numbered: 0, named_images: named };
    let mut places = HashMap::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let problem = match entry {
            Ok(converted) => file.add(index, converted, &known, &mut places, repair),
            Err(problem) => Some(problem),
        };
        file.problems.extend(problem);
    }
    file.number();
    Ok(file)
}

impl Repaired {
    /// Adds an annotation unless its category is unknown or its id occurred before. With `repair`, only equal
    /// annotations count as the same; another one of the same id gets the id 0.
    fn add(
        &mut self,
        index: usize,
        Converted { mut annotation, box_of_mask, area_of_mask }: Converted,
        known: &HashSet<u64>,
        places: &mut HashMap<u64, usize>,
        repair: bool,
    ) -> Option<Problem> {
        let Annotation { id, category_id, .. } = annotation;
        let problem = |kind| Some(Problem { what: "annotation", index, id: Some(id), kind });
        if !known.contains(&category_id) {
            return problem(ProblemKind::UnknownCategory { category_id });
        }
        let annotations = &mut self.instances.annotations;
        match places.get(&id) {
            Some(&place) if !repair || annotations[place] == annotation => {
                return problem(ProblemKind::DuplicateId);
            }
            Some(_) => annotation.id = 0,
            None if id > 0 => drop(places.insert(id, annotations.len())),
            None => {}
        }
        self.boxes += usize::from(box_of_mask);
        self.areas += usize::from(area_of_mask);
        annotations.push(annotation);
        None
    }

    /// Gives annotations with the id 0 ids above all others.
    fn number(&mut self) {
        let annotations = &mut self.instances.annotations;
        let largest = annotations.iter().map(|annotation| annotation.id).max().unwrap_or(0);
        let unnumbered = annotations.iter_mut().filter(|annotation| annotation.id == 0);
        for (annotation, id) in unnumbered.zip(largest.saturating_add(1)..) {
            annotation.id = id;
            self.numbered += 1;
        }
    }
}
