//! Finds the files of images by the names that annotations give them.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use pelk_coco::Image;

/// The file of an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub path: PathBuf,
    /// Whether folders of the name were dropped to find it.
    pub shortened: bool,
}

/// The files of images in the first of these folders that has them, in the order of the images; `None` for
/// images without file.
///
/// A name may have `\` between its parts. If there is no file of the whole name, its first folders are
/// dropped one after the other, as in `train/a.png` for a file in `train`, or in the absolute names of the
/// machine where the images were labeled; but no two images share a file that way.
pub(super) fn files(images: &[Image], folders: &[PathBuf]) -> Vec<Option<Found>> {
    let mut found: Vec<Option<Found>> = images.iter().map(|image| file(&image.file_name, folders)).collect();
    if found.iter().flatten().any(|found| found.shortened) {
        let mut uses: HashMap<PathBuf, usize> = HashMap::new();
        for Found { path, .. } in found.iter().flatten() {
            *uses.entry(path.clone()).or_default() += 1;
        }
        for one in &mut found {
            *one = one.take().filter(|found| !found.shortened || uses[&found.path] == 1);
        }
    }
    found
}

fn file(name: &str, folders: &[PathBuf]) -> Option<Found> {
    let turned = name.replace('\\', "/");
    let other = (turned != name).then_some(&turned[..]);
    std::iter::once(name).chain(other).find_map(|name| {
        // A name never leads out of the folders.
        let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
        let mut shortened = false;
        for part in Path::new(name).components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                _ => {
                    parts.clear();
                    shortened = true;
                }
            }
        }
        (0..parts.len()).find_map(|start| {
            let below: PathBuf = parts[start..].iter().collect();
            let path = folders.iter().map(|folder| folder.join(&below)).find(|path| path.is_file())?;
            Some(Found { path, shortened: shortened || start > 0 })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_or_without_their_first_folders() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["train", "images", "."].map(|name| root.path().join(name));
        for name in ["train/a.png", "train/sub/b.png", "images/a.png", "images/c.png", "val/d.png", "e.png"] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        for (name, expected) in [
            ("a.png", Some(("train/a.png", false))),
            ("./a.png", Some(("train/a.png", false))),
            ("sub/b.png", Some(("train/sub/b.png", false))),
            ("sub\\b.png", Some(("train/sub/b.png", false))),
            ("c.png", Some(("images/c.png", false))),
            ("val/d.png", Some(("./val/d.png", false))),
            ("train/train/a.png", Some(("./train/a.png", true))),
            ("/home/me/images/c.png", Some(("./images/c.png", true))),
            ("C:\\data\\sub\\b.png", Some(("train/sub/b.png", true))),
            ("../../label-studio/media/c.png", Some(("images/c.png", true))),
            ("train/../../e.png", Some(("./e.png", true))),
            ("https://example.org/images/c.png", Some(("./images/c.png", true))),
            ("d.png", None),
            ("", None),
            ("..", None),
            ("/", None),
            ("train", None),
            ("a\0.png", None),
        ] {
            let expected =
                expected.map(|(path, shortened)| Found { path: root.path().join(path), shortened });
            assert_eq!(file(name, &folders), expected, "{name:?}");
        }
    }

    #[test]
    fn no_two_images_share_a_file_by_a_shortened_name() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("1.png"), "").unwrap();
        std::fs::write(root.path().join("2.png"), "").unwrap();
        let image = |name: &str| Image { id: 1, height: 1, width: 1, file_name: name.into() };
        let names = ["cat/1.png", "dog/1.png", "dog/2.png", "2.png", "2.png"].map(image);
        let found = files(&names, &[root.path().to_owned()]);
        let found: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(found, [false, false, false, true, true], "the same name twice is the same image");
        let found = files(&names[1..3], &[root.path().to_owned()]);
        assert!(found.iter().flatten().all(|found| found.shortened) && found.len() == 2);
    }
}
