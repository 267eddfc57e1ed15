//! Datasets written to files for other programs.

use std::fs;
use std::path::{Path, PathBuf};

use pelk_coco::{Annotation, Category, Image, Instances, Segmentation};

use crate::assembly::check;
use crate::coco::split_name;
use crate::masks::{Folders, INFO};
use crate::picture::write_png;
use crate::{DataError, Dataset, IGNORED, Labeling, Scenes, Split};

/// Writes a dataset with a label per pixel in the layout that [`ade20k`](crate::ade20k()) reads: images and
/// annotations as PNG, named by their indices, and the table of classes, in which only the first and the last
/// column are filled in. Both splits can be written into one folder, one after the other.
///
/// Calls `on_done` after each sample with the number of samples written.
///
/// # Errors
/// [`DataError::Layout`] if the folder already has such files; [`DataError::Config`] if labels are not per
/// pixel, images are neither gray nor RGB, or there are more than 255 classes or names that the table cannot
/// store; [`DataError::Write`]; and the errors of the dataset's samples.
pub fn write_ade20k(
    dataset: &dyn Dataset,
    folder: impl AsRef<Path>,
    split: Split,
    mut on_done: impl FnMut(usize),
) -> Result<(), DataError> {
    let folder = folder.as_ref();
    if dataset.labeling() != (Labeling::Pixels { stride: 1 }) {
        return Err(DataError::config("labeling", dataset.labeling(), "a label per pixel"));
    }
    let classes = dataset.classes();
    if classes.len() > 255 {
        return Err(DataError::config(
            "classes",
            classes.len(),
            "at most 255, one for each value of a byte except 0",
        ));
    }
    // Characters that `ade20k` takes for the end of a name, or trims.
    if let Some(name) = classes
        .iter()
        .find(|name| name.contains([',', '\t', '\n', '\r']) || name.trim() != **name || name.is_empty())
    {
        let expected = "names without commas, tabs, line breaks and outer spaces";
        return Err(DataError::config("classes", name, expected));
    }
    let rows = (1..).zip(classes).map(|(number, name)| format!("{number}\t-\t-\t-\t-\t{name}\n"));
    let table = format!("Idx\tRatio\tTrain\tVal\tStuff\tName\n{}", rows.collect::<String>());
    let info = folder.join(INFO);
    if info.exists() && fs::read_to_string(&info).is_ok_and(|present| present != table) {
        return Err(DataError::layout(
            info,
            "already exists, with other classes",
            "write into another folder",
        ));
    }
    let Folders { pictures, masks } = Folders::new(folder, split);
    empty_folder(&pictures)?;
    empty_folder(&masks)?;
    fs::write(&info, table).map_err(|source| DataError::Write { path: info.clone(), source })?;

    for index in 0..dataset.len() {
        let sample = dataset.sample(index)?;
        check(dataset, index, &sample)?;
        let values = sample.labels.iter().map(|&label| match label {
            IGNORED => Ok(0),
            label if (label as usize) < classes.len() => Ok(label as u8 + 1),
            label => {
                let origin = "the dataset to be written".to_owned();
                Err(DataError::LabelOutsideClasses { origin, index, label, classes: classes.len() })
            }
        });
        let values = values.collect::<Result<Vec<u8>, _>>()?;
        write_png(&pictures.join(name(index)), sample.size, dataset.channels(), &sample.pixels)?;
        write_png(&masks.join(name(index)), sample.size, 1, &values)?;
        on_done(index + 1);
    }
    Ok(())
}

/// Writes scenes with their instances in the layout that [`coco`](crate::coco()) and
/// [`coco_instances`](crate::coco_instances) read: images as PNG, named
/// by their indices, in `train` or `val`, and the visible part of each item as run lengths in `annotations`.
/// The categories are the classes without background. Both splits can be written into one folder, one after
/// the other. Files do not say the groups of objects.
///
/// Calls `on_done` after each scene with the number of scenes written; the annotations are written last.
///
/// # Errors
/// [`DataError::Layout`] if the folder already has such files, or [`DataError::Write`].
pub fn write_coco(
    scenes: &Scenes,
    folder: impl AsRef<Path>,
    split: Split,
    mut on_done: impl FnMut(usize),
) -> Result<(), DataError> {
    let (folder, split) = (folder.as_ref(), split_name(split));
    let (pictures, annotations) = (folder.join(split), folder.join("annotations"));
    let path = annotations.join(format!("instances_{split}.json"));
    if path.exists() {
        return Err(DataError::layout(path, "already exists", "write into another folder, or remove it"));
    }
    empty_folder(&pictures)?;
    fs::create_dir_all(&annotations).map_err(|source| DataError::Write { path: annotations, source })?;

    let [height, width] = scenes.size();
    let categories = (1..).zip(&scenes.classes()[1..]);
    let categories = categories.map(|(id, name)| Category { id, name: name.clone() }).collect();
    let mut file = Instances { categories, ..Instances::default() };
    for index in 0..scenes.len() {
        let (scene, image_id) = (scenes.scene(index)?, index as u64);
        write_png(&pictures.join(name(index)), [height, width], 3, &scene.pixels)?;
        let objects = scenes.objects(index, &scene.instances).into_iter();
        file.annotations.extend(objects.map(|object| Annotation {
            id: object.id,
            image_id,
            category_id: u64::from(object.class) + 1,
            bbox: object.mask.bbox(),
            area: object.area,
            crowd: object.crowd,
            ignore: false,
            segmentation: Some(Segmentation::Counts(object.mask)),
        }));
        file.images.push(Image { id: image_id, file_name: name(index), height, width });
        on_done(index + 1);
    }
    Ok(file.write(&path)?)
}

/// The name of a sample's files; names sort in the order of indices.
fn name(index: usize) -> String {
    format!("{index:08}.png")
}

/// Creates the folder, or checks that it is empty.
fn empty_folder(path: &Path) -> Result<(), DataError> {
    let error = |source| DataError::Write { path: PathBuf::from(path), source };
    fs::create_dir_all(path).map_err(error)?;
    if fs::read_dir(path).map_err(error)?.next().is_some() {
        return Err(DataError::layout(
            path,
            "is not empty",
            "write into another folder, or remove its files",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        FileOptions, ImageDataset, NO_GROUP, Normalization, ObjectConfig, Properties, Sample, SceneConfig,
        SceneInstances, ade20k, coco, coco_instances,
    };

    /// Scenes of bright squares of three classes.
    fn scenes(split: Split, len: usize) -> Scenes {
        let classes = ["a", "b, or c", "d"].map(str::to_owned).to_vec();
        scenes_of(classes, split, len)
    }

    fn scenes_of(classes: Vec<String>, split: Split, len: usize) -> Scenes {
        let pixels = (0..3 * 8 * 8).map(|i| 100 + i as u8 % 64).collect();
        let items = ImageDataset::new("a test", [8, 8, 1], pixels, vec![0, 1, 2], classes).unwrap();
        let config = SceneConfig { size: [30, 40], sides: [4, 20], ..SceneConfig::default() };
        Scenes::new(Arc::new(items), split, 1, len, config).unwrap()
    }

    fn plain(split: Split, len: usize) -> Scenes {
        scenes_of(["a", "T-shirt/top", "d"].map(str::to_owned).to_vec(), split, len)
    }

    fn assert_same(read: &dyn Dataset, written: &dyn Dataset) {
        assert_eq!((read.len(), read.classes()), (written.len(), written.classes()));
        for index in 0..read.len() {
            assert_eq!(read.sample(index).unwrap(), written.sample(index).unwrap(), "{index}");
        }
    }

    #[test]
    fn scenes_written_as_ade20k_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for (split, len) in [(Split::Train, 12), (Split::Test, 5)] {
            let mut done = Vec::new();
            write_ade20k(&plain(split, len), folder.path(), split, |count| done.push(count)).unwrap();
            assert_eq!(done, (1..=len).collect::<Vec<_>>());
            assert_same(&ade20k(folder.path(), split, &FileOptions::default()).unwrap(), &plain(split, len));
        }
    }

    #[test]
    fn scenes_written_as_coco_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for (split, len) in [(Split::Train, 12), (Split::Test, 5)] {
            let mut done = 0;
            write_coco(&scenes(split, len), folder.path(), split, |count| done = count).unwrap();
            assert_eq!(done, len);
            assert_same(&coco(folder.path(), split, &FileOptions::default()).unwrap(), &scenes(split, len));
        }
        let text = fs::read_to_string(folder.path().join("annotations/instances_val.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let scene = scenes(Split::Test, 5).scene(0).unwrap();
        let (first, instance) = (&json["annotations"][0], &scene.instances[0]);
        let bounds = instance.bounds;
        let bbox = [bounds.left, bounds.top, bounds.width, bounds.height].map(|value| value as f64);
        assert_eq!(first["bbox"], serde_json::json!(bbox));
        assert_eq!(first["area"], instance.mask.iter().filter(|&&seen| seen).count() as f64);
        assert!(first["segmentation"]["counts"].is_array());
        assert_eq!(json["categories"][1], serde_json::json!({"id": 2, "name": "b, or c"}));
    }

    #[test]
    fn objects_written_as_coco_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for (split, len) in [(Split::Train, 12), (Split::Test, 5)] {
            write_coco(&scenes(split, len), folder.path(), split, |_| {}).unwrap();
            let written = SceneInstances::new(scenes(split, len));
            let config = ObjectConfig { min_side: 30, ..ObjectConfig::default() };
            let read = coco_instances(folder.path(), split, &config, &FileOptions::default()).unwrap();
            assert_eq!((read.len(), read.classes()), (len, written.classes()));
            assert!(read.remarks().is_empty(), "{:?}", read.remarks());
            for index in 0..len {
                // All but the groups, which files do not have.
                let mut expected = written.sample(index).unwrap();
                expected.objects.to_mut().iter_mut().for_each(|object| object.group = NO_GROUP);
                let (sample, objects) = (read.sample(index).unwrap(), read.objects(index).unwrap());
                assert!(sample == expected, "{index}");
                assert_eq!(objects, expected.objects);
                assert_eq!(read.image_id(index), written.image_id(index));
            }
            assert!((0..3).all(|class| read.category_id(class) == written.category_id(class)));
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let text = |result: Result<(), DataError>| result.unwrap_err().to_string();
        write_ade20k(&plain(Split::Train, 1), path, Split::Train, |_| {}).unwrap();
        let again = text(write_ade20k(&plain(Split::Train, 1), path, Split::Train, |_| {}));
        assert!(again.contains("images/training is not empty: write into another folder"), "{again}");
        let classes = ["x", "y", "z"].map(str::to_owned).to_vec();
        let other = text(write_ade20k(&scenes_of(classes, Split::Test, 1), path, Split::Test, |_| {}));
        assert!(other.contains("objectInfo150.txt already exists, with other classes"), "{other}");
        write_coco(&scenes(Split::Train, 1), path, Split::Train, |_| {}).unwrap();
        let again = text(write_coco(&scenes(Split::Train, 1), path, Split::Train, |_| {}));
        assert!(again.contains("instances_train.json already exists"), "{again}");
    }

    /// One image of 1 x 2 pixels with these labels.
    struct Single(Vec<u32>, Properties);

    impl Dataset for Single {
        fn len(&self) -> usize {
            1
        }

        fn properties(&self) -> &Properties {
            &self.1
        }

        fn sample(&self, _: usize) -> Result<Sample<'_>, DataError> {
            Ok(Sample::new([1, 2], &[3, 4][..], &self.0[..]))
        }
    }

    #[test]
    fn what_the_layout_cannot_hold_is_refused() {
        let (pixels, names) = (Labeling::Pixels { stride: 1 }, |count| vec!["a".to_owned(); count]);
        let write = |labels, classes, labeling| {
            let image_size = Some([1, 2]);
            let properties = Properties::new(1, classes, Normalization::identity(1));
            let set = Single(labels, Properties { image_size, labeling, ..properties });
            let folder = tempfile::tempdir().unwrap();
            write_ade20k(&set, folder.path(), Split::Train, |_| {})?;
            ade20k(folder.path(), Split::Train, &FileOptions::default())?
                .sample(0)
                .map(|sample| sample.labels.into_owned())
        };
        assert_eq!(write(vec![IGNORED, 254], names(255), pixels).unwrap(), [IGNORED, 254]);
        for (labels, names, labeling, expected) in [
            (vec![0, 0], names(256), pixels, "classes is 256"),
            (vec![0, 0], vec!["b, or c".to_owned()], pixels, "classes is \"b, or c\""),
            (vec![0], names(1), Labeling::Image, "labeling is Image"),
            (vec![0, 1], names(1), pixels, "the label of image 0 is 1"),
            (vec![0], names(1), pixels, "sample 0 has 1 labels"),
        ] {
            let error = write(labels, names, labeling).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
