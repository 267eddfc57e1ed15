//! Recognizes the dataset in a folder.

use std::path::Path;

use crate::{DataError, DatasetName, coco};

/// Paths that identify a layout: one of them is enough. The first match wins.
const SIGNS: [(DatasetName, &[&str]); 4] = [
    (
        DatasetName::Cifar10,
        &["cifar-10-batches-bin", "batches.meta.txt", "data_batch_1.bin", "test_batch.bin"],
    ),
    (DatasetName::Cifar100, &["cifar-100-binary", "fine_label_names.txt"]),
    (DatasetName::Ade20k, &["objectInfo150.txt", "ADEChallengeData2016"]),
    (DatasetName::Masks, &["palette.txt"]),
];

/// The dataset in this folder, judged by the names of its files.
///
/// MNIST and Fashion-MNIST have the same files, so the folder's name decides: `mnist` or `fashion-mnist`, in
/// any case and punctuation; a folder `raw` goes by its parent, so that torchvision's `FashionMNIST/raw` is
/// recognized. COCO's layout counts as [`DatasetName::Coco`], though [`DatasetName::CocoInstances`] has the
/// same files. Other members of the family (EMNIST, KMNIST) have other classes and are not recognized. A
/// folder without a known file counts as [`DatasetName::Folder`], whose reader checks its layout.
///
/// # Errors
/// [`DataError::Layout`] when `folder` is not a folder, [`DataError::AmbiguousIdx`] when its name does not
/// show which dataset its IDX files belong to, [`DataError::Io`] when it cannot be read.
pub fn recognize(folder: impl AsRef<Path>) -> Result<DatasetName, DataError> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        return Err(DataError::layout(folder, "is not a folder", "give the folder of a dataset"));
    }
    let has = |name: &&str| folder.join(name).exists();
    if let Some((dataset, _)) = SIGNS.into_iter().find(|(_, names)| names.iter().any(has)) {
        return Ok(dataset);
    }
    if coco::recognized(folder) {
        return Ok(DatasetName::Coco);
    }
    let error = |source| DataError::Io { path: folder.into(), source };
    for entry in std::fs::read_dir(folder).map_err(error)? {
        if entry.map_err(error)?.file_name().to_string_lossy().contains("-ubyte") {
            let name = by_folder_name(&std::path::absolute(folder).map_err(error)?);
            return name.ok_or_else(|| DataError::AmbiguousIdx { folder: folder.into() });
        }
    }
    Ok(DatasetName::Folder)
}

/// Which of MNIST and Fashion-MNIST the folder is named after.
fn by_folder_name(absolute: &Path) -> Option<DatasetName> {
    let named = if absolute.ends_with("raw") { absolute.parent()? } else { absolute };
    let name = named.file_name()?.to_string_lossy().to_lowercase();
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    match letters.as_str() {
        "mnist" => Some(DatasetName::Mnist),
        "fashionmnist" => Some(DatasetName::FashionMnist),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the part of `file` up to `end` is recognized as when the file is there.
    fn recognized(file: &str, end: &str) -> Result<DatasetName, DataError> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        recognize(root.path().join(end))
    }

    #[test]
    fn every_layout_has_its_sign() {
        for (file, dataset) in [
            ("x/cifar-10-batches-bin/test_batch.bin", DatasetName::Cifar10),
            ("x/test_batch.bin", DatasetName::Cifar10),
            ("x/fine_label_names.txt", DatasetName::Cifar100),
            ("x/objectInfo150.txt", DatasetName::Ade20k),
            ("x/palette.txt", DatasetName::Masks),
            ("x/annotations/instances_val.json", DatasetName::Coco),
            ("x/train/a/1.jpg", DatasetName::Folder),
            ("x/a/1.jpg", DatasetName::Folder),
            ("x/ILSVRC/Data/CLS-LOC/val/1.JPEG", DatasetName::Folder),
        ] {
            assert_eq!(recognized(file, "x").unwrap(), dataset, "{file}");
        }
    }

    #[test]
    fn idx_files_are_told_apart_by_their_folders_name() {
        for (folder, dataset) in [
            ("mnist", DatasetName::Mnist),
            ("MNIST/raw", DatasetName::Mnist),
            ("fashion-mnist", DatasetName::FashionMnist),
            ("FashionMNIST/raw", DatasetName::FashionMnist),
        ] {
            let file = format!("{folder}/t10k-labels-idx1-ubyte.gz");
            assert_eq!(recognized(&file, folder).unwrap(), dataset, "{folder}");
        }
        let error = recognized("KMNIST/t10k-labels-idx1-ubyte", "KMNIST").unwrap_err();
        assert!(matches!(error, DataError::AmbiguousIdx { .. }), "{error}");
    }

    #[test]
    fn what_is_not_a_folder_is_refused() {
        assert!(recognize("no/where").unwrap_err().to_string().starts_with("no/where is not a folder"));
        assert!(recognized("x/file", "x/file").unwrap_err().to_string().contains("file is not a folder"));
    }
}
