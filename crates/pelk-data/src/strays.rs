//! What lies in folders of images besides images: one rule for all readers.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::picture::sniff::{Content, SNIFFED, sniff};
use crate::{DataError, counted};

/// Endings of image files, including those of torchvision's `ImageFolder`. The content determines the format.
const PICTURES: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];
/// Endings of other files that lie beside images by the million: these are not even opened.
const OTHERS: [&str; 14] =
    ["txt", "csv", "tsv", "json", "jsonl", "xml", "md", "html", "ini", "db", "log", "yaml", "yml", "toml"];
/// Folders that systems and programs make; those that start with a dot are hidden ones.
const FOLDERS: [&str; 10] = [
    "@eaDir",
    "@tmp",
    "@Recycle",
    "@__thumb",
    "#recycle",
    "__MACOSX",
    "__pycache__",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
];
/// Files that systems and programs make.
const FILES: [&str; 6] =
    ["Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "Picasa.ini", "Icon\r"];
/// Hidden names that are worth naming.
const HIDDEN: [&str; 2] = [".DS_Store", ".ipynb_checkpoints"];

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Picture,
    Folder,
}

/// What was passed over: the number of entries by ending or name.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    counts: BTreeMap<String, usize>,
    /// Pictures of formats that are not supported, with what to do about them.
    unsupported: BTreeMap<(&'static str, &'static str), usize>,
}

impl Strays {
    /// The counts, the largest first: `2 .txt, 1 Thumbs.db`; nothing if nothing was passed over.
    pub fn text(&self) -> Option<String> {
        const SHOWN: usize = 12;
        let mut counts: Vec<(&str, usize)> =
            self.counts.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        counts.sort_by_key(|(_, count)| usize::MAX - count);
        let mut parts: Vec<String> =
            counts.iter().take(SHOWN).map(|(kind, count)| format!("{count} {kind}")).collect();
        let rest: usize = counts.iter().skip(SHOWN).map(|(_, count)| count).sum();
        if rest > 0 {
            parts.push(counted(rest, "other", "others"));
        }
        for ((what, remedy), count) in &self.unsupported {
            let what = what.trim_start_matches("an ").trim_start_matches("a ");
            parts.push(format!("{count} {what}, which is not supported ({remedy})"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// A sentence on what was passed over in a folder.
    pub fn remark(&self, folder: &Path) -> Option<String> {
        let count = self.counts.values().sum::<usize>() + self.unsupported.values().sum::<usize>();
        let what = counted(count, "entry that is not an image", "entries that are not images");
        Some(format!("{}: passing over {what}: {}", folder.display(), self.text()?))
    }

    fn add(&mut self, kind: impl Into<String>) {
        *self.counts.entry(kind.into()).or_default() += 1;
    }

    /// Whether this is an image or a folder of the dataset; anything else is counted. Opens only files whose
    /// ending tells nothing.
    fn classify(&mut self, name: &OsStr, is_folder: bool, path: &dyn Fn() -> PathBuf) -> Option<Entry> {
        let text = name.to_string_lossy();
        let known = |names: &[&'static str]| names.iter().copied().find(|it| it.eq_ignore_ascii_case(&text));
        let system = known(if is_folder { &FOLDERS } else { &FILES }).or_else(|| known(&HIDDEN));
        if let Some(system) = system {
            self.add(format!("{}{}", system.trim_end(), if is_folder { "/" } else { "" }));
            return None;
        }
        if text.starts_with('.') {
            self.add(match (is_folder, text.starts_with("._")) {
                (true, _) => "hidden/",
                (false, true) => "._*",
                (false, false) => "hidden",
            });
            return None;
        }
        if is_folder {
            return Some(Entry::Folder);
        }
        let ending = text.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase());
        if PICTURES.contains(&ending.as_str()) {
            return Some(Entry::Picture);
        }
        if !OTHERS.contains(&ending.as_str()) {
            match content(&path()) {
                Content::Picture(_) => return Some(Entry::Picture),
                Content::Unsupported(what, remedy) => {
                    *self.unsupported.entry((what, remedy)).or_default() += 1;
                    return None;
                }
                Content::Other(..) | Content::Unknown => {}
            }
        }
        if let Some(&(_, what, remedy)) = UNSUPPORTED.iter().find(|(it, ..)| *it == ending) {
            *self.unsupported.entry((what, remedy)).or_default() += 1;
        } else {
            // An ending is short; anything longer is part of a name.
            self.add(match ending.len() {
                0 => "without ending".to_owned(),
                1..=12 => format!(".{ending}"),
                _ => "other".to_owned(),
            });
        }
        None
    }
}

/// Endings of images that are not supported, for files whose content is not known.
const UNSUPPORTED: [(&str, &str, &str); 6] = [
    ("heic", "a HEIC image", HEIC),
    ("heif", "a HEIC image", HEIC),
    ("avif", "an AVIF image", "convert it, for example with `avifdec FILE FILE.png`"),
    ("jxl", "a JPEG XL image", "convert it, for example with `djxl FILE FILE.png`"),
    ("cr2", "a raw photo", RAW),
    ("nef", "a raw photo", RAW),
];
const HEIC: &str = "convert it, for example with `heif-convert FILE FILE.png`";
const RAW: &str = "convert it, for example with `magick FILE FILE.png`";

/// What a file is by its first bytes; a file that cannot be read is unknown.
fn content(path: &Path) -> Content {
    let mut bytes = Vec::new();
    // Only plain files: reading from anything else may never end.
    let whole = path.is_file()
        && File::open(path).and_then(|file| file.take(SNIFFED as u64).read_to_end(&mut bytes)).is_ok();
    if whole { sniff(&bytes) } else { Content::Unknown }
}

/// Calls `each` with the name of every image and folder of the dataset that lies directly in a folder, and
/// counts the rest. Resolves only links: doing so for a million plain entries takes minutes.
pub(crate) fn walk(
    folder: &Path,
    strays: &mut Strays,
    each: &mut dyn FnMut(&OsStr, Entry) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let error = |source| DataError::Io { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        // The list of excluded images is no stray.
        if name == crate::EXCLUDED {
            continue;
        }
        let kind = entry.file_type().map_err(error)?;
        let is_folder = if kind.is_symlink() { entry.path().is_dir() } else { kind.is_dir() };
        if let Some(kind) = strays.classify(&name, is_folder, &|| entry.path()) {
            each(&name, kind)?;
        }
    }
    Ok(())
}

/// The images directly in a folder, sorted, and a remark on what else is there.
///
/// An image is a file with the ending of one, or with the content of one if its ending says nothing. Hidden
/// files, files of operating systems (`Thumbs.db`), text files and others are passed over.
///
/// # Errors
/// [`DataError::Io`] if the folder cannot be read.
pub fn image_files(folder: &Path) -> Result<(Vec<PathBuf>, Option<String>), DataError> {
    let (mut files, mut strays) = (Vec::new(), Strays::default());
    walk(folder, &mut strays, &mut |name, entry| {
        if entry == Entry::Picture {
            files.push(folder.join(name));
        }
        Ok(())
    })?;
    files.sort();
    Ok((files, strays.remark(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file or (if the name ends in `/`) a folder of this name is, and what is said about it.
    fn classified(name: &str, bytes: &[u8]) -> (Option<Entry>, String) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(name);
        match name.ends_with('/') {
            true => fs::create_dir(&path).unwrap(),
            false => fs::write(&path, bytes).unwrap(),
        }
        let (mut strays, mut found) = (Strays::default(), None);
        walk(root.path(), &mut strays, &mut |_, entry| {
            found = Some(entry);
            Ok(())
        })
        .unwrap();
        (found, strays.text().unwrap_or_default())
    }

    #[test]
    fn pictures_are_told_by_ending_or_content() {
        const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for (name, bytes) in [
            ("a.JPG", &b""[..]),
            ("a.jfif", b""),
            ("a.JPE", b""),
            ("a.b.TiFf", b""),
            ("noending", JPEG),
            ("photo.jpg_large", JPEG),
            ("photo.jpg!d", PNG),
            ("x.tmp", PNG),
            ("a.\u{fc}", b"GIF89a\x01\0\x01\0"),
        ] {
            assert_eq!(classified(name, bytes), (Some(Entry::Picture), String::new()), "{name}");
        }
    }

    #[test]
    fn what_is_passed_over_is_counted_by_ending() {
        for (name, bytes, expected) in [
            ("notes.TXT", &b"\xff\xd8\xff\xe0"[..], "1 .txt"),
            ("Thumbs.db", b"\xd0\xcf", "1 Thumbs.db"),
            ("THUMBS.DB", b"", "1 Thumbs.db"),
            ("desktop.ini", b"", "1 desktop.ini"),
            (".DS_Store", b"", "1 .DS_Store"),
            ("._0.jpg", b"\0\x05\x16\x07", "1 ._*"),
            (".hidden.png", b"", "1 hidden"),
            ("@eaDir/", b"", "1 @eaDir/"),
            ("__macosx/", b"", "1 __MACOSX/"),
            ("lost+found/", b"", "1 lost+found/"),
            (".ipynb_checkpoints/", b"", "1 .ipynb_checkpoints/"),
            (".git/", b"", "1 hidden/"),
            ("README", b"read me", "1 without ending"),
            ("a.tar", b"x", "1 .tar"),
            ("empty", b"", "1 without ending"),
            ("a.a long sentence", b"", "1 other"),
        ] {
            assert_eq!(classified(name, bytes), (None, expected.to_owned()), "{name}");
        }
        for (name, bytes) in
            [("p.HEIC", &b"x"[..]), ("p.bin", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("p.heif", b"")]
        {
            let (entry, text) = classified(name, bytes);
            assert!(entry.is_none() && text.contains("1 HEIC image, which is not supported"), "{text}");
            assert!(text.contains("heif-convert"), "{text}");
        }
        for name in ["cat/", "#selfie/", "@home/", "lost/", "Thumbs/"] {
            assert_eq!(classified(name, b""), (Some(Entry::Folder), String::new()), "{name}");
        }
    }

    #[test]
    fn a_remark_is_bounded_and_agrees_with_its_number() {
        let mut strays = Strays::default();
        assert_eq!(strays.remark(Path::new("x")), None);
        strays.add(".txt");
        let one = strays.remark(Path::new("x")).unwrap();
        assert_eq!(one, "x: passing over 1 entry that is not an image: 1 .txt");
        for number in 0..1000 {
            strays.add(format!(".e{number}"));
        }
        strays.add(".txt");
        let many = strays.remark(Path::new("x")).unwrap();
        assert!(
            many.starts_with("x: passing over 1002 entries that are not images: 2 .txt, 1 .e0"),
            "{many}"
        );
        assert!(many.ends_with("989 others") && many.len() < 200, "{many}");
    }

    #[test]
    fn the_images_of_a_folder_are_listed_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.JPG", "Thumbs.db", "notes.md"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        fs::create_dir(root.path().join("c.png")).unwrap();
        let (files, remark) = image_files(root.path()).unwrap();
        assert_eq!(files, ["a.JPG", "b.png"].map(|name| root.path().join(name)));
        assert!(remark.unwrap().ends_with("2 entries that are not images: 1 .md, 1 Thumbs.db"));
        assert!(image_files(Path::new("no/where")).is_err());
    }
}
