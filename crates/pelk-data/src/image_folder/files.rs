//! The names of up to millions of files with their labels, stored compactly.

use std::fs;
use std::path::Path;

use crate::DataError;

/// The file that lists images to leave out: one path per line, relative to the dataset's folder.
pub const EXCLUDED: &str = "excluded.txt";

/// Endings of image files, including those of torchvision's `ImageFolder`. The content determines the format.
const ENDINGS: [&str; 12] =
    ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];
/// The largest depth of nested folders: beyond it, links form a loop.
const DEEPEST: usize = 16;

/// Paths of files below one folder, parts separated by `/`, and a label for each: about 50 MB for ImageNet's
/// 1.28 million files.
#[derive(Debug, Default)]
pub(super) struct Files {
    names: String,
    ends: Vec<usize>,
    labels: Vec<u32>,
}

impl Files {
    pub fn push(&mut self, name: &str, label: u32) {
        self.names.push_str(name);
        self.ends.push(self.names.len());
        self.labels.push(label);
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn name(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start..self.ends[index]]
    }

    pub fn label(&self, index: usize) -> &u32 {
        &self.labels[index]
    }

    /// The files for whose index, name and label `keep` returns true.
    pub fn filtered(self, mut keep: impl FnMut(usize, &str, u32) -> bool) -> Files {
        let mut kept = Files::default();
        for index in 0..self.len() {
            let (name, label) = (self.name(index), self.labels[index]);
            if keep(index, name, label) {
                kept.push(name, label);
            }
        }
        kept
    }
}

/// The files below a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Paths of images, sorted, parts separated by `/`.
    pub pictures: Vec<String>,
    /// The number of other files, without [`EXCLUDED`].
    pub others: usize,
}

/// The sorted names of the folders in a folder; names that start with a dot are skipped as system files.
pub(super) fn folders(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    entries(folder, |name, is_folder| {
        if is_folder {
            names.push(name);
        }
    })?;
    names.sort_unstable();
    Ok(names)
}

/// The images directly in a folder.
pub(super) fn pictures_in(folder: &Path) -> Result<Found, DataError> {
    let mut found = Found::default();
    collect(folder, "", &mut found)?;
    found.pictures.sort_unstable();
    Ok(found)
}

/// The images in a folder and its subfolders.
pub(super) fn pictures_below(folder: &Path) -> Result<Found, DataError> {
    let mut found = Found::default();
    let mut left = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = left.pop() {
        let path = folder.join(&prefix);
        if depth > DEEPEST {
            let problem = format!("is nested more than {DEEPEST} folders deep");
            return Err(DataError::layout(path, problem, "remove it, or the link that forms a loop"));
        }
        let below = collect(&path, &prefix, &mut found)?;
        left.extend(below.into_iter().map(|name| (format!("{prefix}{name}/"), depth + 1)));
    }
    found.pictures.sort_unstable();
    Ok(found)
}

/// Adds the files directly in a folder, and returns the names of its subfolders.
fn collect(folder: &Path, prefix: &str, found: &mut Found) -> Result<Vec<String>, DataError> {
    let mut below = Vec::new();
    entries(folder, |name, is_folder| {
        if is_folder {
            below.push(name);
        } else if name.rsplit_once('.').is_some_and(|(_, ending)| is_picture(ending)) {
            found.pictures.push(format!("{prefix}{name}"));
        } else if name != EXCLUDED {
            found.others += 1;
        }
    })?;
    Ok(below)
}

fn is_picture(ending: &str) -> bool {
    ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
}

/// Calls `each` with the name of every entry that is not hidden, and whether it is a folder. Resolves only
/// links: doing so for a million plain entries takes minutes.
fn entries(folder: &Path, mut each: impl FnMut(String, bool)) -> Result<(), DataError> {
    let error = |source| DataError::Io { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().into_string().map_err(|name| {
            DataError::layout(folder.join(name), "has a name that is not UTF-8", "rename it")
        })?;
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(error)?;
        let is_folder = if kind.is_symlink() { entry.path().is_dir() } else { kind.is_dir() };
        each(name, is_folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_found_by_index() {
        let mut files = Files::default();
        for (name, label) in [("b/1.jpg", 1), ("", 0), ("a/ö.png", 7)] {
            files.push(name, label);
        }
        assert_eq!((files.len(), files.name(0), files.name(1), files.name(2)), (3, "b/1.jpg", "", "a/ö.png"));
        assert_eq!([0, 1, 2].map(|index| *files.label(index)), [1, 0, 7]);
        let kept = files.filtered(|index, name, label| index == 0 || name.ends_with("png") && label == 7);
        assert_eq!((kept.len(), kept.name(1), *kept.label(1)), (2, "a/ö.png", 7));
    }

    #[test]
    fn pictures_are_told_by_their_endings_and_sorted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.jpeg", ".hidden.png", "notes.txt", EXCLUDED, "jpg", "c/d/e.PnG", "c/x.tar"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = pictures_below(root.path()).unwrap();
        assert_eq!(
            (found.pictures, found.others),
            (["a.jpeg", "b.JPG", "c/d/e.PnG"].map(str::to_owned).into(), 3)
        );
        assert_eq!(folders(root.path()).unwrap(), ["c"]);
        assert_eq!(pictures_in(root.path()).unwrap().pictures, ["a.jpeg", "b.JPG"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_around() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        fs::write(root.path().join("real/1.jpg"), "").unwrap();
        std::os::unix::fs::symlink("real", root.path().join("linked")).unwrap();
        assert_eq!(folders(root.path()).unwrap(), ["linked", "real"]);
        assert_eq!(pictures_below(root.path()).unwrap().pictures, ["linked/1.jpg", "real/1.jpg"]);
        std::os::unix::fs::symlink("..", root.path().join("real/around")).unwrap();
        assert!(pictures_below(root.path()).unwrap_err().to_string().contains("link that forms a loop"));
    }
}
