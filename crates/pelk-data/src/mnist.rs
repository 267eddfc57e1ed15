//! MNIST and Fashion-MNIST: the same four IDX files, which differ only in the names of their classes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::idx::{IdxArray, read_idx};
use crate::{DataError, ImageDataset};

/// Height and width of the images of both datasets.
const SIZE: [usize; 2] = [28, 28];

/// The folder in which torchvision keeps IDX files.
pub(crate) const RAW: &str = "raw";

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[rustfmt::skip]
const FASHION: [&str; 10] = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
];

/// The part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Training images.
    Train,
    /// Test images.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// Loads MNIST's digits (28 x 28, one channel, 10 classes) from the IDX files in `dir`.
///
/// The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`, with or
/// without `.gz`; the spelling `train-images.idx3-ubyte` of some archives is also accepted. If `dir` has none
/// of them, they are looked for in its subfolders `raw` and `MNIST/raw`, where torchvision puts them.
///
/// # Errors
/// [`DataError`] if a file is missing, damaged, of other dimensions, or does not fit its counterpart.
pub fn mnist(dir: impl AsRef<Path>, split: Split) -> Result<ImageDataset, DataError> {
    read(dir.as_ref(), "MNIST", split, &DIGITS)
}

/// Loads Fashion-MNIST's articles (28 x 28, one channel, 10 classes) from the IDX files in `dir`.
///
/// The files have the same names as those of [`mnist`], and torchvision's folders are `raw` and
/// `FashionMNIST/raw`.
///
/// # Errors
/// Same as [`mnist`].
pub fn fashion_mnist(dir: impl AsRef<Path>, split: Split) -> Result<ImageDataset, DataError> {
    read(dir.as_ref(), "FashionMNIST", split, &FASHION)
}

/// Reads a split from `dir` or the subfolders of torchvision, which puts the files into a folder `name`.
fn read(dir: &Path, name: &str, split: Split, classes: &[&str]) -> Result<ImageDataset, DataError> {
    let folders = [dir.to_owned(), dir.join(RAW), dir.join(name).join(RAW)];
    let dir = folders.iter().find(|folder| has_idx(folder)).unwrap_or(&folders[0]);
    let prefix = match split {
        Split::Train => "train",
        Split::Test => "t10k",
    };
    let path = find(dir, &format!("{prefix}-images"), "idx3-ubyte")?;
    let IdxArray { sizes: [images, height, width], values: pixels } = read_idx::<3>(&path)?;
    if images > 0 && [height, width] != SIZE {
        return Err(DataError::WrongDimensions { path, found: [height, width], expected: SIZE });
    }
    let labels = read_idx::<1>(&find(dir, &format!("{prefix}-labels"), "idx1-ubyte")?)?;
    ImageDataset::new(
        &format!("the {split} set in {}", dir.display()),
        [height, width, 1],
        pixels,
        labels.values.into_iter().map(u32::from).collect(),
        classes.iter().map(|&class| class.to_owned()).collect(),
    )
}

/// Whether a folder has files with the names of IDX files.
pub(crate) fn has_idx(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains("-ubyte"))
}

/// The file in `dir`, under the first of its spellings that exists.
fn find(dir: &Path, stem: &str, kind: &str) -> Result<PathBuf, DataError> {
    let names: Vec<String> = ["-", "."]
        .iter()
        .flat_map(|dash| ["", ".gz"].map(|end| format!("{stem}{dash}{kind}{end}")))
        .collect();
    let found = names.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| DataError::MissingFile { folder: dir.into(), names })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;

    /// A folder `name` with `images` blank test images of `size` and the labels 0, 1, 2...
    fn folder(name: &str, images: u8, size: [u8; 2], labels: u8) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, images, 0, 0, 0, size[0], 0, 0, 0, size[1]];
        bytes.resize(16 + usize::from(images) * usize::from(size[0]) * usize::from(size[1]), 0);
        fs::write(dir.join("t10k-images-idx3-ubyte"), bytes).unwrap();
        let bytes = [vec![0, 0, 8, 1, 0, 0, 0, labels], (0..labels).collect()].concat();
        fs::write(dir.join("t10k-labels.idx1-ubyte"), bytes).unwrap();
        (root, dir)
    }

    #[test]
    fn the_function_decides_on_the_classes() {
        let (_root, dir) = folder("KMNIST", 10, [28, 28], 10);
        let digits = mnist(&dir, Split::Test).unwrap();
        assert_eq!((digits.classes()[0].as_str(), digits.label(9)), ("0", 9));
        assert_eq!(fashion_mnist(&dir, Split::Test).unwrap().classes()[0], "T-shirt/top");
    }

    #[test]
    fn files_are_also_found_where_torchvision_puts_them() {
        let (root, dir) = folder("MNIST/raw", 10, [28, 28], 10);
        for folder in [root.path(), &root.path().join("MNIST"), &dir] {
            assert_eq!(mnist(folder, Split::Test).unwrap().len(), 10, "{}", folder.display());
        }
        let error = fashion_mnist(root.path(), Split::Test).unwrap_err();
        assert!(matches!(error, DataError::MissingFile { folder, .. } if folder == root.path()));
        // Of the files beside and in `raw`, those beside it count.
        fs::copy(dir.join("t10k-images-idx3-ubyte"), root.path().join("MNIST/t10k-images-idx3-ubyte"))
            .unwrap();
        let error = mnist(root.path().join("MNIST"), Split::Test).unwrap_err().to_string();
        assert!(error.contains("t10k-labels-idx1-ubyte.gz") && error.contains("MNIST: put"), "{error}");
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let text = |dir: &Path, split| fashion_mnist(dir, split).unwrap_err().to_string();
        let (_root, dir) = folder("x", 2, [28, 28], 2);
        let missing = text(&dir, Split::Train);
        assert!(missing.contains("train-images-idx3-ubyte.gz") && missing.contains(&*dir.to_string_lossy()));
        let (_root, dir) = folder("x", 2, [32, 28], 2);
        assert!(text(&dir, Split::Test).contains("images of 32 x 28 pixels, but this dataset has 28 x 28"));
        let (_root, dir) = folder("x", 2, [28, 28], 3);
        assert!(text(&dir, Split::Test).contains("1568 pixel values, but 3 labels"));
        let (_root, dir) = folder("x", 11, [28, 28], 11);
        assert!(text(&dir, Split::Test).contains("the label of image 10 is 10"));
        let (_root, dir) = folder("x", 0, [28, 28], 0);
        assert!(text(&dir, Split::Test).contains("has 0 images"));
    }
}
