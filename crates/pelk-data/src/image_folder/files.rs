//! The names of up to millions of files with their labels, stored compactly.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::DataError;
use crate::excluded::{decode, encode, from_bytes, to_bytes};
use crate::strays::{Entry, Strays, walk};

/// The largest depth of nested folders: beyond it, links form a loop.
const DEEPEST: usize = 16;

/// Paths of files below one folder, parts separated by `/`, and a label for each: about 50 MB for ImageNet's
/// 1.28 million files.
#[derive(Debug, Default)]
pub(super) struct Files {
    names: String,
    ends: Vec<usize>,
    labels: Vec<u32>,
    /// The files whose names are not UTF-8: their names are encoded as in the list of excluded images.
    encoded: HashSet<usize>,
}

impl Files {
    pub fn push(&mut self, path: &[u8], label: u32) {
        match std::str::from_utf8(path) {
            Ok(name) => self.names.push_str(name),
            Err(_) => {
                self.encoded.insert(self.len());
                self.names.push_str(&encode(path));
            }
        }
        self.ends.push(self.names.len());
        self.labels.push(label);
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The name of a file, for messages and for ranking; [`Files::path`] leads to the file.
    pub fn name(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[start..self.ends[index]]
    }

    /// The path of a file, as bytes.
    pub fn path(&self, index: usize) -> Cow<'_, [u8]> {
        let name = self.name(index);
        match self.encoded.contains(&index) {
            true => decode(name).unwrap_or_default().into(),
            false => name.as_bytes().into(),
        }
    }

    /// The file, below the folder.
    pub fn file(&self, folder: &Path, index: usize) -> PathBuf {
        folder.join(from_bytes(&self.path(index)))
    }

    pub fn label(&self, index: usize) -> &u32 {
        &self.labels[index]
    }

    /// The files for whose index and path `keep` returns true.
    pub fn filtered(self, keep: &dyn Fn(usize, &[u8]) -> bool) -> Files {
        let mut kept = Files::default();
        for index in 0..self.len() {
            let path = self.path(index);
            if keep(index, &path) {
                kept.push(&path, self.labels[index]);
            }
        }
        kept
    }
}

/// The sorted names of the folders in a folder that may be classes; `strays` counts what is passed over.
pub(super) fn folders(folder: &Path, strays: &mut Strays) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    walk(folder, strays, &mut |name, entry| {
        if entry == Entry::Folder {
            names.push(name.to_str().map(str::to_owned).ok_or_else(|| {
                let problem = "has a name that is not UTF-8, so it cannot name a class";
                DataError::layout(folder.join(name), problem, "rename it")
            })?);
        }
        Ok(())
    })?;
    names.sort_unstable();
    Ok(names)
}

/// The images directly in a folder, sorted.
pub(super) fn pictures_in(folder: &Path, strays: &mut Strays) -> Result<Vec<Vec<u8>>, DataError> {
    let mut pictures = Vec::new();
    collect(folder, &[], strays, &mut pictures)?;
    pictures.sort_unstable();
    Ok(pictures)
}

/// The images in a folder and its subfolders: sorted paths as bytes, parts separated by `/`.
pub(super) fn pictures_below(folder: &Path, strays: &mut Strays) -> Result<Vec<Vec<u8>>, DataError> {
    let mut pictures = Vec::new();
    let mut left = vec![(Vec::new(), 0)];
    while let Some((prefix, depth)) = left.pop() {
        let path = folder.join(from_bytes(&prefix));
        if depth > DEEPEST {
            let problem = format!("is nested more than {DEEPEST} folders deep");
            return Err(DataError::layout(path, problem, "remove it, or the link that forms a loop"));
        }
        let below = collect(&path, &prefix, strays, &mut pictures)?;
        left.extend(below.into_iter().map(|name| ([name, b"/".to_vec()].concat(), depth + 1)));
    }
    pictures.sort_unstable();
    Ok(pictures)
}

/// Adds the images directly in a folder, whose path is `prefix`, and returns the paths of its subfolders.
fn collect(
    folder: &Path,
    prefix: &[u8],
    strays: &mut Strays,
    pictures: &mut Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, DataError> {
    let mut below = Vec::new();
    walk(folder, strays, &mut |name, entry| {
        let Some(name) = to_bytes(name) else {
            let problem = "has a name that is not Unicode";
            return Err(DataError::layout(folder.join(name), problem, "rename it"));
        };
        let path = [prefix, &name].concat();
        match entry {
            Entry::Folder => below.push(path),
            Entry::Picture => pictures.push(path),
        }
        Ok(())
    })?;
    Ok(below)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::EXCLUDED;

    #[test]
    fn names_and_labels_are_found_by_index() {
        let mut files = Files::default();
        for (name, label) in [("b/1.jpg", 1), ("", 0), ("a/ö.png", 7)] {
            files.push(name.as_bytes(), label);
        }
        assert_eq!((files.len(), files.name(0), files.name(1), files.name(2)), (3, "b/1.jpg", "", "a/ö.png"));
        assert_eq!([0, 1, 2].map(|index| *files.label(index)), [1, 0, 7]);
        files.push(b"c/\xff.png", 9);
        assert_eq!((files.name(3), &*files.path(3)), ("c/%ff.png", &b"c/\xff.png"[..]));
        let kept = files.filtered(&|index, _| index != 1);
        assert_eq!((kept.len(), kept.name(1), *kept.label(1)), (3, "a/ö.png", 7));
        assert_eq!((&*kept.path(2), &*kept.path(1)), (&b"c/\xff.png"[..], "a/ö.png".as_bytes()));
    }

    #[test]
    fn pictures_are_told_by_their_endings_and_sorted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.jpeg", ".hidden.png", "notes.txt", EXCLUDED, "jpg", "c/d/e.PnG", "c/x.tar"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut strays = Strays::default();
        let found = pictures_below(root.path(), &mut strays).unwrap();
        assert_eq!(found, [&b"a.jpeg"[..], b"b.JPG", b"c/d/e.PnG"]);
        assert_eq!(strays.text().unwrap(), "1 .tar, 1 .txt, 1 hidden, 1 without ending");
        assert_eq!(folders(root.path(), &mut strays).unwrap(), ["c"]);
        assert_eq!(pictures_in(root.path(), &mut strays).unwrap(), [&b"a.jpeg"[..], b"b.JPG"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_are_read_but_name_no_class() {
        let root = tempfile::tempdir().unwrap();
        let path = |bytes: &[u8]| root.path().join(from_bytes(bytes));
        fs::create_dir(path(b"a")).unwrap();
        fs::create_dir(path(b"a/\xfe")).unwrap();
        fs::write(path(b"a/\xfe/\xff.png"), "x").unwrap();
        let found = pictures_below(root.path(), &mut Strays::default()).unwrap();
        assert_eq!(found, [b"a/\xfe/\xff.png"]);
        let mut files = Files::default();
        files.push(&found[0], 0);
        assert_eq!(fs::read(files.file(root.path(), 0)).unwrap(), b"x");
        let error = folders(&path(b"a"), &mut Strays::default()).unwrap_err().to_string();
        assert!(error.contains("cannot name a class: rename it"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_around() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        fs::write(root.path().join("real/1.jpg"), "").unwrap();
        std::os::unix::fs::symlink("real", root.path().join("linked")).unwrap();
        assert_eq!(folders(root.path(), &mut Strays::default()).unwrap(), ["linked", "real"]);
        let below = || pictures_below(root.path(), &mut Strays::default());
        assert_eq!(below().unwrap(), [&b"linked/1.jpg"[..], b"real/1.jpg"]);
        std::os::unix::fs::symlink("..", root.path().join("real/around")).unwrap();
        assert!(below().unwrap_err().to_string().contains("link that forms a loop"));
    }
}
