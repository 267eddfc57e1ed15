//! Recognizes the dataset in a folder.

use std::path::Path;

use crate::mnist::{RAW, has_idx};
use crate::{DataError, DatasetName, coco};

/// Paths that identify a layout: one of them is enough. The first match wins.
const SIGNS: [(DatasetName, &[&str]); 4] = [
    (
        DatasetName::Cifar10,
        &["cifar-10-batches-bin", "batches.meta.txt", "data_batch_1.bin", "test_batch.bin"],
    ),
    (DatasetName::Cifar100, &["cifar-100-binary", "fine_label_names.txt"]),
    (
        DatasetName::Ade20k,
        &[
            "objectInfo150.txt",
            "objectInfo150.csv",
            "ADEChallengeData2016",
            "annotations/training",
            "annotations/validation",
        ],
    ),
    (DatasetName::Masks, &["palette.txt"]),
];

/// The dataset in this folder, judged by the names of its files.
///
/// MNIST and Fashion-MNIST have the same files, so the folder's name decides: `mnist` or `fashion-mnist`, in
/// any case and punctuation; a folder `raw` goes by its parent, so that torchvision's `FashionMNIST/raw` is
/// recognized, and so is `FashionMNIST` itself. COCO's layout counts as [`DatasetName::Coco`], though [`DatasetName::CocoInstances`] has the
/// same files. Other members of the family (EMNIST, KMNIST) have other classes and are not recognized. A
/// folder without a known file counts as [`DatasetName::Folder`], whose reader checks its layout.
///
/// # Errors
/// [`DataError::Layout`] when `folder` is not a folder, [`DataError::AmbiguousIdx`] when its name does not
/// show which dataset its IDX files belong to, [`DataError::Io`] when it cannot be read, and
/// [`DataError::Layout`] when it holds a dataset in a format that is not read, with what to do about it.
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
    std::fs::read_dir(folder).map_err(error)?;
    if has_idx(folder) || has_idx(&folder.join(RAW)) {
        let name = by_folder_name(&std::path::absolute(folder).map_err(error)?);
        return name.ok_or_else(|| DataError::AmbiguousIdx { folder: folder.into() });
    }
    match foreign(folder) {
        Some(error) => Err(error),
        None => Ok(DatasetName::Folder),
    }
}

/// A format that is not read: what it is, what to do, and the names that identify it. Each list of names is
/// enough, if all of it is there; a name that starts with `*` is an ending.
struct Foreign {
    what: &'static str,
    remedy: &'static str,
    signs: &'static [&'static [&'static str]],
}

/// Formats that nothing else has the names of.
const FOREIGN: [Foreign; 8] = [
    Foreign {
        what: "the Python version of CIFAR-10",
        remedy: "only the binary version is read: unpack \
                 https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz there",
        signs: &[
            &["cifar-10-batches-py"],
            &["batches.meta", "data_batch_1"],
            &["batches.meta", "test_batch"],
        ],
    },
    Foreign {
        what: "the Python version of CIFAR-100",
        remedy: "only the binary version is read: unpack \
                 https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz there",
        signs: &[&["cifar-100-python"], &["meta", "train", "test"]],
    },
    Foreign {
        what: "the Matlab version of CIFAR",
        remedy: "only the binary version is read: unpack \
                 https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz there",
        signs: &[&["batches.meta.mat"], &["cifar-10-batches-mat"], &["cifar-100-matlab"]],
    },
    Foreign {
        what: "a set in the layout of PASCAL VOC",
        remedy: "for masks, copy its images to images/train and images/test, its SegmentationClass to \
                 masks/train and masks/test, and write palette.txt; convert boxes to COCO's format",
        signs: &[&["VOCdevkit"], &["JPEGImages"], &["SegmentationClass"], &["Annotations", "ImageSets"]],
    },
    Foreign {
        what: "a set with YOLO's labels",
        remedy: "export or convert it to COCO's format",
        signs: &[&["data.yaml"], &["dataset.yaml"], &["labels", "images"], &["train/labels"]],
    },
    Foreign {
        what: "the layout of Cityscapes",
        remedy: "copy leftImg8bit to images/train and images/test, the files labelTrainIds of gtFine to \
                 masks/train and masks/test with the same names, and write palette.txt",
        signs: &[&["leftImg8bit"], &["gtFine"]],
    },
    Foreign {
        what: "the full ADE20K",
        remedy: "only the set of the scene parsing benchmark with 150 classes is read: unpack \
                 http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip there",
        signs: &[&["index_ade20k.pkl"], &["ADE20K_2021_17_01"], &["ADE20K_2016_07_26"]],
    },
    Foreign {
        what: "Tiny ImageNet with its test images in one folder",
        remedy: "move the images of val/images into a folder for each class, as val/val_annotations.txt \
                 lists them",
        signs: &[&["val/val_annotations.txt", "val/images"]],
    },
];

/// Formats that may also lie beside class folders, where they are no reason to refuse the images.
const FILES: [Foreign; 6] = [
    Foreign {
        what: "Parquet or Arrow files, such as those of Hugging Face",
        remedy: "save each image as a file in a folder for its class",
        signs: &[
            &["*.parquet"],
            &["*.arrow"],
            &["dataset_dict.json"],
            &["dataset_infos.json"],
            &["data/*.parquet"],
        ],
    },
    Foreign {
        what: "NumPy arrays",
        remedy: "save each image as a PNG file in a folder for its class",
        signs: &[&["*.npz"], &["*.npy"]],
    },
    Foreign {
        what: "TFRecord files",
        remedy: "save each image as a file in a folder for its class",
        signs: &[&["*.tfrecord"], &["*.tfrecords"], &["*.tfrec"]],
    },
    Foreign {
        what: "a database or a container of images",
        remedy: "save each image as a file in a folder for its class",
        signs: &[
            &["data.mdb"],
            &["*.lmdb"],
            &["*.h5"],
            &["*.hdf5"],
            &["*.rec"],
            &["*.mat"],
            &["*.pkl"],
            &["*.pickle"],
        ],
    },
    Foreign {
        what: "archives",
        remedy: "unpack them there",
        signs: &[&["*.tar"], &["*.tar.gz"], &["*.tgz"], &["*.zip"], &["*.7z"], &["*.rar"], &["*.tar.xz"]],
    },
    Foreign {
        what: "a table beside images",
        remedy: "move each image into the folder of its class",
        signs: &[&["train.csv"], &["labels.csv"], &["trainLabels.csv"]],
    },
];

/// The error that says what a folder holds if that is a known format that is not read; also for a dataset
/// one folder down.
pub(crate) fn foreign(folder: &Path) -> Option<DataError> {
    let held = |folder: &Path, known: &[Foreign]| {
        let there = |sign: &&str| match sign.rsplit_once('*') {
            Some((below, ending)) => names(&folder.join(below)).iter().any(|name| name.ends_with(ending)),
            None => exists(folder, sign),
        };
        let found = known.iter().find(|it| it.signs.iter().any(|names| names.iter().all(there)))?;
        Some(DataError::layout(folder, format!("holds {}", found.what), found.remedy))
    };
    let folders: Vec<String> = names(folder)
        .into_iter()
        .filter(|name| folder.join(name).is_dir() && !name.starts_with('.'))
        .collect();
    let only = match folders.as_slice() {
        [only] => Some(folder.join(only)),
        _ => None,
    };
    let down = || only.as_deref().and_then(|only| held(only, &FOREIGN));
    // A set that can be read, one or two folders down: torchvision unpacks MNIST in `MNIST/raw`.
    let known = || {
        let mut inside = only.clone()?;
        for _ in 0..2 {
            let is_sign =
                |(_, signs): &(DatasetName, &[&str])| signs.iter().any(|it| inside.join(it).exists());
            if has_idx(&inside) || SIGNS.iter().any(is_sign) {
                let problem = format!("holds a dataset in {}", inside.display());
                return Some(DataError::layout(folder, problem, "give that folder"));
            }
            inside = inside.join(RAW);
        }
        None
    };
    let files = || if folders.len() < 2 { held(folder, &FILES) } else { None };
    held(folder, &FOREIGN).or_else(down).or_else(known).or_else(files)
}

/// Whether there is an entry of exactly this path: a file system may ignore case.
fn exists(folder: &Path, path: &str) -> bool {
    let (below, name) = path.rsplit_once('/').unwrap_or(("", path));
    folder.join(path).exists() && names(&folder.join(below)).iter().any(|it| it == name)
}

/// The names of the entries of a folder; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Which of MNIST and Fashion-MNIST the folder is named after.
fn by_folder_name(absolute: &Path) -> Option<DatasetName> {
    let named = if absolute.ends_with(RAW) { absolute.parent()? } else { absolute };
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
            ("x/objectInfo150.csv", DatasetName::Ade20k),
            ("x/annotations/training/a.png", DatasetName::Ade20k),
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
        for (folder, dataset) in [("MNIST", DatasetName::Mnist), ("FashionMNIST", DatasetName::FashionMnist)]
        {
            let file = format!("{folder}/raw/t10k-labels-idx1-ubyte");
            assert_eq!(recognized(&file, folder).unwrap(), dataset, "{folder}");
        }
        let error = recognized("data/raw/t10k-labels-idx1-ubyte", "data").unwrap_err();
        assert!(matches!(error, DataError::AmbiguousIdx { .. }), "{error}");
        let error = recognized("KMNIST/t10k-labels-idx1-ubyte", "KMNIST").unwrap_err();
        assert!(matches!(error, DataError::AmbiguousIdx { .. }), "{error}");
    }

    #[test]
    fn other_formats_are_named_with_a_remedy() {
        for (file, end, expected) in [
            ("x/data_batch_1", "x", ""),
            ("x/cifar-10-batches-py/batches.meta", "x", "the Python version of CIFAR-10: only the binary"),
            ("x/cifar-100-python/meta", "x", "the Python version of CIFAR-100"),
            ("x/VOCdevkit/VOC2012/JPEGImages/1.jpg", "x", "the layout of PASCAL VOC"),
            ("x/VOC2012/JPEGImages/1.jpg", "x", "the layout of PASCAL VOC"),
            ("x/train/labels/1.txt", "x", "YOLO"),
            ("x/leftImg8bit/train/1.png", "x", "Cityscapes"),
            ("x/train.parquet", "x", "Parquet"),
            ("x/data/train-0001.parquet", "x", "Parquet"),
            ("x/mnist.npz", "x", "NumPy"),
            ("x/train.tfrecord", "x", "TFRecord"),
            ("x/images.tar.gz", "x", "archives: unpack"),
            ("x/data.mdb", "x", "a database"),
            ("x/index_ade20k.pkl", "x", "the full ADE20K"),
            ("x/MNIST/raw/train-images-idx3-ubyte", "x", "MNIST/raw: give that folder"),
            ("x/mnist/train-images-idx3-ubyte.gz", "x", "mnist: give that folder"),
            ("x/photos/palette.txt", "x", "photos: give that folder"),
        ] {
            let found = recognized(file, end);
            match expected {
                "" => assert_eq!(found.unwrap(), DatasetName::Folder, "{file}"),
                _ => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(expected), "{file}: {error}");
                }
            }
        }
    }

    #[test]
    fn files_beside_class_folders_are_no_other_format() {
        let root = tempfile::tempdir().unwrap();
        for class in ["cat", "dog"] {
            std::fs::create_dir(root.path().join(class)).unwrap();
        }
        for name in ["all.zip", "labels.csv", "embeddings.npy"] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        assert_eq!(recognize(root.path()).unwrap(), DatasetName::Folder);
    }

    #[test]
    fn what_is_not_a_folder_is_refused() {
        assert!(recognize("no/where").unwrap_err().to_string().starts_with("no/where is not a folder"));
        assert!(recognized("x/file", "x/file").unwrap_err().to_string().contains("file is not a folder"));
    }
}
