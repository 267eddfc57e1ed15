//! CIFAR-10 and CIFAR-100 in their binary version: records of labels and three color planes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::recognize::foreign;
use crate::{DataError, ImageDataset, Split};

/// Height and width of an image.
const SIDE: usize = 32;
/// Bytes of an image: the red, the green and the blue plane, row-major.
const IMAGE: usize = 3 * SIDE * SIDE;

/// How the two datasets differ.
struct Format {
    /// The folder in the published archive.
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// The file with the names of the classes, one per line.
    names: &'static str,
    /// The number of values of each label of a record; the last label is the class.
    labels: &'static [u32],
    /// Images per file of the training set, and of the test set.
    images: [usize; 2],
    layout: &'static str,
}

const TEN: Format = Format {
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    labels: &[10],
    images: [10_000, 10_000],
    layout: "unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz there, the binary version",
};

const HUNDRED: Format = Format {
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    labels: &[20, 100],
    images: [50_000, 10_000],
    layout: "unpack https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz there, the binary version",
};

/// Loads CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images; 32 x 32, RGB, 10
/// classes, 50,000 and 10,000 images) from the binary version in `folder`, or in `cifar-10-batches-bin` below
/// it.
///
/// The files are `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin`, and `batches.meta.txt` with the
/// names of the classes.
///
/// # Errors
/// [`DataError`] with the file if one is missing, shorter or longer than published, or has a label or a list
/// of names that does not fit.
pub fn cifar10(folder: impl AsRef<Path>, split: Split) -> Result<ImageDataset, DataError> {
    read(folder.as_ref(), split, &TEN)
}

/// Loads CIFAR-100 (100 classes, otherwise as [`cifar10`]) from the binary version in `folder`, or in
/// `cifar-100-binary` below it.
///
/// The files are `train.bin`, `test.bin`, and `fine_label_names.txt`; labels are the fine ones.
///
/// # Errors
/// Same as [`cifar10`].
pub fn cifar100(folder: impl AsRef<Path>, split: Split) -> Result<ImageDataset, DataError> {
    read(folder.as_ref(), split, &HUNDRED)
}

fn read(folder: &Path, split: Split, format: &Format) -> Result<ImageDataset, DataError> {
    let inside = folder.join(format.folder);
    let folder = if inside.is_dir() { &inside } else { folder };
    let names = folder.join(format.names);
    if !names.exists()
        && let Some(error) = foreign(folder)
    {
        return Err(error);
    }
    let classes = classes(&names, format)?;
    let (files, images) = match split {
        Split::Train => (format.train, format.images[0]),
        Split::Test => (&[format.test][..], format.images[1]),
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let path = folder.join(file);
        let records = records(&path, images, format)?;
        // Reserve the known size, so that no copy of the pixels is made.
        pixels.reserve_exact(files.len() * images * IMAGE - pixels.len());
        for (index, record) in records.chunks_exact(format.labels.len() + IMAGE).enumerate() {
            let (values, planes) = record.split_at(format.labels.len());
            for (&value, &classes) in values.iter().zip(format.labels) {
                if u32::from(value) >= classes {
                    let (origin, label) = (path.display().to_string(), value.into());
                    let classes = classes as usize;
                    return Err(DataError::LabelOutsideClasses { origin, index, label, classes });
                }
            }
            labels.extend(values.last().map(|&value| u32::from(value)));
            let (red, rest) = planes.split_at(SIDE * SIDE);
            let (green, blue) = rest.split_at(SIDE * SIDE);
            pixels.extend(red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]));
        }
    }
    let origin = format!("the {split} set in {}", folder.display());
    ImageDataset::new(&origin, [SIDE, SIDE, 3], pixels, labels, classes)
}

/// The error of a file that cannot be read; if it is missing, says where to get it.
fn io_error(path: &Path, source: io::Error, format: &Format) -> DataError {
    match source.kind() {
        io::ErrorKind::NotFound => DataError::layout(path, "is missing", format.layout),
        _ => DataError::Io { path: path.into(), source },
    }
}

/// Reads a whole file of this many records. The format has no header: only the length tells whether it is
/// complete.
fn records(path: &Path, images: usize, format: &Format) -> Result<Vec<u8>, DataError> {
    let expected = (images * (format.labels.len() + IMAGE)) as u64;
    let file = File::open(path).map_err(|source| io_error(path, source, format))?;
    let mut bytes = Vec::new();
    file.take(expected + 1).read_to_end(&mut bytes).map_err(|source| io_error(path, source, format))?;
    let (path, found): (PathBuf, _) = (path.into(), bytes.len() as u64);
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(DataError::Truncated { path, expected, found }),
        std::cmp::Ordering::Equal => Ok(bytes),
        std::cmp::Ordering::Greater => Err(DataError::TrailingBytes { path, expected }),
    }
}

/// The names of the classes, one per line; empty lines do not count.
fn classes(path: &Path, format: &Format) -> Result<Vec<String>, DataError> {
    // The names of 100 classes have about 1000 bytes.
    const LONGEST: u64 = 1 << 16;
    let (mut text, file) = (String::new(), File::open(path));
    let read = file.and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|source| io_error(path, source, format))?;
    let names: Vec<String> =
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    let expected = format.labels.last().map_or(0, |&classes| classes as usize);
    if names.len() != expected {
        let problem = format!("has {} names, not one for each of the {expected} classes", names.len());
        return Err(DataError::layout(path, problem, format.layout));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Dataset;

    /// The format with two images per file.
    fn small(format: &Format) -> Format {
        Format { images: [2, 2], ..*format }
    }

    /// The byte of this plane at this pixel of image `image`.
    fn value(image: usize, plane: usize, pixel: usize) -> u8 {
        (image * 100 + plane * 50 + pixel) as u8
    }

    /// A folder with all files of a small set, whose images are numbered over all files, class `n` for image
    /// `n`.
    fn folder(format: &Format) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(format.folder);
        fs::create_dir(&folder).unwrap();
        let names: String =
            (0..*format.labels.last().unwrap()).map(|class| format!("class {class}\n")).collect();
        fs::write(folder.join(format.names), names + "\n").unwrap();
        for (number, file) in format.train.iter().chain([&format.test]).enumerate() {
            let mut bytes = Vec::new();
            for image in 2 * number..2 * number + 2 {
                bytes.extend(vec![1; format.labels.len() - 1]);
                bytes.push((image % 10) as u8);
                bytes.extend(
                    (0..3).flat_map(|plane| (0..SIDE * SIDE).map(move |pixel| value(image, plane, pixel))),
                );
            }
            fs::write(folder.join(file), bytes).unwrap();
        }
        root
    }

    #[test]
    fn planes_become_pixels_and_files_follow_each_other() {
        for format in [&TEN, &HUNDRED].map(small) {
            let root = folder(&format);
            let files = format.train.len();
            for path in [root.path().to_path_buf(), root.path().join(format.folder)] {
                let set = read(&path, Split::Train, &format).unwrap();
                assert_eq!((set.len(), set.shape()), (2 * files, [32, 32, 3]));
                assert_eq!(set.classes()[3], "class 3");
                for image in 0..set.len() {
                    assert_eq!(set.label(image), image as u32);
                    for pixel in [0, 1, 31, 32, 1023] {
                        let expected = [0, 1, 2].map(|plane| value(image, plane, pixel));
                        assert_eq!(set.image(image)[3 * pixel..][..3], expected);
                    }
                }
                let test = read(&path, Split::Test, &format).unwrap();
                assert_eq!((test.len(), test.image(1)[0]), (2, value(2 * files + 1, 0, 0)));
            }
        }
    }

    #[test]
    fn files_of_another_length_are_named() {
        for format in [&TEN, &HUNDRED].map(small) {
            let root = folder(&format);
            let path = root.path().join(format.folder).join(format.test);
            let (record, whole) = (format.labels.len() + IMAGE, fs::read(&path).unwrap());
            for len in [0, 1, record, 2 * record - 1] {
                fs::write(&path, &whole[..len]).unwrap();
                let error = read(root.path(), Split::Test, &format).unwrap_err();
                let DataError::Truncated { path: named, expected, found } = error else { panic!("{error}") };
                assert_eq!((named, expected, found), (path.clone(), 2 * record as u64, len as u64));
            }
            for more in [1, record] {
                fs::write(&path, [whole.clone(), vec![0; more]].concat()).unwrap();
                let error = read(root.path(), Split::Test, &format).unwrap_err();
                assert!(matches!(&error, DataError::TrailingBytes { path: named, .. } if *named == path));
            }
        }
    }

    #[test]
    fn labels_beyond_the_classes_are_named_with_file_and_record() {
        let format = small(&HUNDRED);
        for (place, classes) in [(0, 20), (1, 100)] {
            let root = folder(&format);
            let path = root.path().join(format.folder).join(format.test);
            let mut bytes = fs::read(&path).unwrap();
            bytes[2 + IMAGE + place] = classes;
            fs::write(&path, bytes).unwrap();
            let error = read(root.path(), Split::Test, &format).unwrap_err().to_string();
            assert!(error.contains("test.bin: the label of image 1 is"), "{error}");
            assert!(error.contains(&format!("but the {classes} classes")), "{error}");
        }
    }

    #[test]
    fn the_python_version_is_named() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("cifar-10-batches-py");
        fs::create_dir(&inside).unwrap();
        for name in ["batches.meta", "data_batch_1", "test_batch"] {
            fs::write(inside.join(name), "").unwrap();
        }
        for folder in [root.path(), &inside] {
            let error = cifar10(folder, Split::Train).unwrap_err().to_string();
            assert!(
                error.contains("the Python version") && error.contains("cifar-10-binary.tar.gz"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_missing_says_where_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        let error = cifar10(empty.path(), Split::Train).unwrap_err().to_string();
        assert!(
            error.contains("batches.meta.txt is missing: unpack https") && error.contains("cifar-10-binary")
        );
        let format = small(&TEN);
        let root = folder(&format);
        let inside = root.path().join(format.folder);
        fs::write(inside.join(format.names), "cat\ndog\n").unwrap();
        let error = read(root.path(), Split::Train, &format).unwrap_err().to_string();
        assert!(error.contains("has 2 names, not one for each of the 10 classes"), "{error}");
        fs::remove_file(inside.join(format.names)).unwrap();
        fs::write(inside.join(format.names), "x\n".repeat(10)).unwrap();
        fs::remove_file(inside.join("data_batch_4.bin")).unwrap();
        let error = read(root.path(), Split::Train, &format).unwrap_err().to_string();
        assert!(error.contains("data_batch_4.bin is missing: unpack"), "{error}");
        // The published number of images is required.
        let error = cifar10(root.path(), Split::Test).unwrap_err();
        assert!(matches!(error, DataError::Truncated { expected: 30_730_000, .. }), "{error}");
    }
}
