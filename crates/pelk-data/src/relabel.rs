//! A dataset whose classes have the numbers that a network gives them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{DataError, Dataset, IGNORED, Object, Properties, Sample};

/// A dataset with its labels renumbered by the names of its classes, so that it can be compared with a
/// network that knows more classes, or the same ones in another order.
///
/// Its [`Dataset::category_id`] takes the new numbers. Classes that the original does not have get ids above
/// all of the original's.
pub struct Relabeled {
    inner: Arc<dyn Dataset>,
    /// The new number of each of the original's classes.
    map: Vec<u32>,
    /// The id of each new class in files of results.
    categories: Vec<u64>,
    properties: Properties,
}

impl Relabeled {
    /// `dataset` with the class numbers of the list `classes`.
    ///
    /// # Errors
    /// The names of the dataset's classes that are not in `classes`, or not exactly once in both.
    pub fn by_name(dataset: Arc<dyn Dataset>, classes: &[String]) -> Result<Self, Vec<String>> {
        let theirs = dataset.classes();
        let once = |names: &[String], name: &String| names.iter().filter(|other| *other == name).count() == 1;
        let position = |name: &String| {
            let found = classes.iter().position(|class| class == name);
            found.filter(|_| once(classes, name) && once(theirs, name)).map(|class| class as u32)
        };
        let unknown: Vec<String> = theirs.iter().filter(|name| position(name).is_none()).cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let map: Vec<u32> = theirs.iter().filter_map(position).collect();
        let ids: Vec<u64> = (0..).zip(&map).map(|(class, _)| dataset.category_id(class)).collect();
        let above = ids.iter().max().map_or(1, |id| id.saturating_add(1));
        let category = |class: u32| match map.iter().position(|&new| new == class) {
            Some(old) => ids[old],
            None => above.saturating_add(u64::from(class)),
        };
        let categories = (0..classes.len() as u32).map(category).collect();
        let background = dataset.background().map(|class| map[class as usize]);
        let properties = Properties { classes: classes.to_vec(), background, ..dataset.properties().clone() };
        Ok(Self { inner: dataset, map, categories, properties })
    }

    /// The same with this class as the background, by its new number.
    #[must_use]
    pub fn with_background(mut self, background: Option<u32>) -> Self {
        self.properties.background = background;
        self
    }

    /// The new number of a class of sample `index`.
    fn new_label(&self, index: usize, label: u32) -> Result<u32, DataError> {
        self.map.get(label as usize).copied().ok_or_else(|| outside(&*self.inner, index, label))
    }

    fn relabeled<'a>(
        &self,
        index: usize,
        mut objects: Cow<'a, [Object]>,
    ) -> Result<Cow<'a, [Object]>, DataError> {
        if !objects.is_empty() {
            for object in objects.to_mut() {
                object.class = self.new_label(index, object.class)?;
            }
        }
        Ok(objects)
    }
}

/// The error that sample `index` has a label that is not a class.
pub(crate) fn outside(dataset: &dyn Dataset, index: usize, label: u32) -> DataError {
    let origin =
        dataset.file(index).map_or_else(|| "the dataset".to_owned(), |file| file.display().to_string());
    DataError::LabelOutsideClasses { origin, index, label, classes: dataset.classes().len() }
}

impl Dataset for Relabeled {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let mut sample = self.inner.sample(index)?;
        for label in sample.labels.to_mut().iter_mut().filter(|label| **label != IGNORED) {
            *label = self.new_label(index, *label)?;
        }
        sample.objects = self.relabeled(index, sample.objects)?;
        Ok(sample)
    }

    fn sample_size(&self, index: usize) -> Option<[usize; 2]> {
        self.inner.sample_size(index)
    }

    fn objects(&self, index: usize) -> Result<Cow<'_, [Object]>, DataError> {
        self.relabeled(index, self.inner.objects(index)?)
    }

    fn image_id(&self, index: usize) -> u64 {
        self.inner.image_id(index)
    }

    fn category_id(&self, class: u32) -> u64 {
        self.categories[class as usize]
    }

    fn annotations(&self) -> Option<&Path> {
        self.inner.annotations()
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.inner.file(index)
    }

    fn remarks(&self) -> &[String] {
        self.inner.remarks()
    }

    fn faults(&self) -> &[DataError] {
        self.inner.faults()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labeling, Normalization};
    use pelk_coco::Rle;

    /// One image of 1 x 4 pixels whose labels are all classes and an ignored pixel; with an object of each
    /// class.
    struct Pixels(Properties, Vec<u32>);

    fn pixels(classes: &[&str], background: Option<u32>, labels: &[u32]) -> Arc<dyn Dataset> {
        let classes = classes.iter().map(|&name| name.to_owned()).collect();
        let properties = Properties::new(1, classes, Normalization::identity(1));
        let labeling = Labeling::Pixels { stride: 1 };
        Arc::new(Pixels(Properties { labeling, background, ..properties }, labels.to_vec()))
    }

    impl Dataset for Pixels {
        fn len(&self) -> usize {
            1
        }

        fn properties(&self) -> &Properties {
            &self.0
        }

        fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
            let sample = Sample::new([1, self.1.len()], vec![0; self.1.len()], self.1.clone());
            Ok(Sample { objects: self.objects(index)?, ..sample })
        }

        fn sample_size(&self, _index: usize) -> Option<[usize; 2]> {
            Some([1, self.1.len()])
        }

        fn objects(&self, _index: usize) -> Result<Cow<'_, [Object]>, DataError> {
            let mask = Rle::from_counts(&[0, 4], [1, 4]).unwrap();
            let object = |class: u32| Object {
                id: u64::from(class) + 1,
                class,
                bbox: [0.0, 0.0, 4.0, 1.0],
                mask: mask.clone(),
                crowd: false,
                area: 4.0,
                group: crate::NO_GROUP,
            };
            Ok(self.1.iter().filter(|&&label| label != IGNORED).map(|&label| object(label)).collect())
        }

        fn image_id(&self, index: usize) -> u64 {
            index as u64 + 70
        }

        fn category_id(&self, class: u32) -> u64 {
            [18, 3, 44, 90][class as usize]
        }

        fn annotations(&self) -> Option<&Path> {
            Some(Path::new("instances.json"))
        }

        fn file(&self, _index: usize) -> Option<PathBuf> {
            Some("a.png".into())
        }

        fn remarks(&self) -> &[String] {
            &self.0.classes
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn labels_objects_and_ids_follow_the_names_and_all_else_stays() {
        let set = pixels(&["void", "cat", "ant"], Some(0), &[2, 0, IGNORED, 1]);
        let ours = names(&["ant", "bee", "cat", "void"]);
        let set = Relabeled::by_name(set, &ours).unwrap();
        let sample = set.sample(0).unwrap();
        assert_eq!(*sample.labels, [0, 3, IGNORED, 2]);
        let classes = |objects: &[Object]| objects.iter().map(|object| object.class).collect::<Vec<_>>();
        assert_eq!(classes(&sample.objects), [0, 3, 2]);
        assert_eq!(classes(&set.objects(0).unwrap()), [0, 3, 2]);
        assert_eq!((set.background(), set.classes()), (Some(3), &ours[..]));
        // "bee" is not in the data: its id is of no category of the file.
        assert_eq!([0, 1, 2, 3].map(|class| set.category_id(class)), [44, 46, 3, 18]);
        assert_eq!((set.len(), set.image_id(0), set.sample_size(0)), (1, 70, Some([1, 4])));
        assert_eq!(set.annotations(), Some(Path::new("instances.json")));
        assert_eq!((set.file(0), set.remarks().len()), (Some("a.png".into()), 3));
        assert_eq!(set.with_background(None).background(), None);
    }

    #[test]
    fn unknown_and_doubled_names_are_listed() {
        let unknown = |theirs: &[&str], ours: &[&str]| {
            Relabeled::by_name(pixels(theirs, None, &[0]), &names(ours)).err().unwrap_or_default()
        };
        assert_eq!(unknown(&["ant", "dog", "eel"], &["ant", "bee"]), ["dog", "eel"]);
        assert_eq!(unknown(&["ant", "ant"], &["ant", "bee"]), ["ant", "ant"]);
        assert_eq!(unknown(&["ant", "bee"], &["bee", "ant", "ant"]), ["ant"]);
        assert!(unknown(&["bee"], &["ant", "bee"]).is_empty());
    }

    #[test]
    fn a_label_without_a_class_is_an_error_and_no_panic() {
        let set =
            Relabeled::by_name(pixels(&["ant", "bee"], None, &[0, 2]), &names(&["bee", "ant"])).unwrap();
        for error in [set.sample(0).map(drop).unwrap_err(), set.objects(0).map(drop).unwrap_err()] {
            assert!(error.to_string().starts_with("a.png: the label of image 0 is 2, but the 2"), "{error}");
        }
    }
}
