//! Which dataset the files in a folder are.

use anyhow::{Result, bail};
use std::path::Path;

/// What tells the layouts of files by name: a task, and paths of which one must be there. The first that fits is taken.
const SIGNS: [(&str, &[&str]); 5] = [
    ("cifar10", &["cifar-10-batches-bin", "batches.meta.txt", "data_batch_1.bin", "test_batch.bin"]),
    ("cifar100", &["cifar-100-binary", "fine_label_names.txt"]),
    ("ade20k", &["objectInfo150.txt", "ADEChallengeData2016"]),
    ("masks", &["palette.txt"]),
    ("coco", &["annotations"]),
];

/// The name of the dataset in this folder, by the files in it.
///
/// # Errors
/// When it is no folder, or one of IDX files that does not say which set they are.
pub fn recognize(folder: &Path) -> Result<&'static str> {
    if !folder.is_dir() {
        bail!("{} is no folder: give that of a dataset", folder.display());
    }
    let has = |name: &&str| folder.join(name).exists();
    if let Some((task, _)) = SIGNS.into_iter().find(|(_, names)| names.iter().any(has)) {
        return Ok(task);
    }
    let idx = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .any(|entry| entry.file_name().to_string_lossy().contains("-ubyte"));
    if !idx {
        // Whatever has no sign of its own: folders of pictures, or nothing that is known, which their reader then says.
        return Ok("folder");
    }
    match pelk_data::family(folder)? {
        Some(name) => Ok(name),
        None => bail!(
            "{} holds IDX files, but its name does not say of which set: give --task mnist or --task fashion-mnist",
            folder.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_its_sign() {
        for (file, task) in [
            ("x/cifar-10-batches-bin/test_batch.bin", "cifar10"),
            ("x/test_batch.bin", "cifar10"),
            ("x/fine_label_names.txt", "cifar100"),
            ("x/objectInfo150.txt", "ade20k"),
            ("x/palette.txt", "masks"),
            ("x/annotations/instances_val.json", "coco"),
            ("fashion-mnist/t10k-labels-idx1-ubyte.gz", "fashion-mnist"),
            ("MNIST/raw/t10k-labels-idx1-ubyte", "mnist"),
            ("x/train/a/1.jpg", "folder"),
            ("x/a/1.jpg", "folder"),
            ("x/ILSVRC/Data/CLS-LOC/val/1.JPEG", "folder"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            let top = file.split('/').next().unwrap();
            let folder = root.path().join(if file.contains("raw") { "MNIST/raw" } else { top });
            assert_eq!(recognize(&folder).unwrap(), task, "{file}");
        }
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("t10k-labels-idx1-ubyte"), "").unwrap();
        let error = recognize(root.path()).unwrap_err().to_string();
        assert!(error.contains("give --task mnist or --task fashion-mnist"), "{error}");
        assert!(recognize(Path::new("no/where")).unwrap_err().to_string().contains("no/where is no folder"));
    }
}
