//! The list of images to leave out, as an exact encoding of their paths.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use crate::{DataError, counted, read_text};

/// The file that lists images to leave out, at the top of a dataset's folder.
pub const EXCLUDED: &str = "excluded.txt";

/// The first line of a list whose paths are encoded.
const HEADER: &str = "# pelk-excluded 2: one path per line; % and two hex digits stand for a byte";
/// What such a line starts with, before the number of the version.
const VERSIONED: &str = "# pelk-excluded ";

/// The images that a dataset leaves out.
///
/// Each line of the file [`EXCLUDED`] is the path of an image relative to the dataset's folder, with `/`
/// between its parts. In files that start with the line that [`Excluded::text`] writes, `%` and two hex
/// digits stand for a byte: of a control character, of a space at either end, of `#` at the start, of `%`, or
/// of a name that is not UTF-8. In other files, such as lists written by hand, paths are taken as they are,
/// without spaces at the ends. Empty lines and those that start with `#` are comments.
#[derive(Debug, Default)]
pub struct Excluded {
    top: PathBuf,
    /// Relative paths, as bytes.
    paths: HashSet<Vec<u8>>,
    /// The lines of the file without the header, encoded.
    lines: Vec<String>,
}

impl Excluded {
    /// Reads the list of the dataset in the folder `top`; without the file, nothing is excluded.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read, is not UTF-8, is of a later version, or has a `%` without
    /// two hex digits.
    pub fn read(top: &Path) -> Result<Self, DataError> {
        let path = top.join(EXCLUDED);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(DataError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                String::new()
            }
            Err(error) => return Err(error),
        };
        let mut list = Self { top: top.into(), ..Self::default() };
        let version = text.lines().next().and_then(|line| line.strip_prefix(VERSIONED));
        let number = version.map(|rest| rest.split(':').next().unwrap_or_default().trim());
        for (line, found) in (1..).zip(text.lines()).skip(usize::from(number.is_some())) {
            let found = found.trim();
            if found.is_empty() || found.starts_with('#') {
                list.lines.push(found.to_owned());
                continue;
            }
            let bytes = match number {
                None => Some(found.as_bytes().to_vec()),
                Some("2") => decode(found),
                Some(other) => {
                    let problem = format!("is of version {other}, but this program knows version 2");
                    return Err(DataError::layout(path, problem, "use a later version of the program"));
                }
            };
            let bytes = bytes.ok_or_else(|| DataError::Line {
                path: path.clone(),
                line,
                found: found.to_owned(),
                expected: "a path in which `%` is written `%25`".into(),
            })?;
            list.lines.push(encode(&bytes));
            list.paths.insert(bytes);
        }
        Ok(list)
    }

    /// Whether the image with this path relative to the folder, as bytes with `/` between parts, is excluded.
    pub(crate) fn contains(&self, relative: &[u8]) -> bool {
        self.paths.contains(relative)
    }

    /// Whether this file is excluded; files outside the dataset's folder never are.
    pub fn contains_file(&self, file: &Path) -> bool {
        !self.paths.is_empty() && self.relative(file).is_some_and(|path| self.contains(&path))
    }

    /// Adds a file of the dataset.
    ///
    /// # Errors
    /// [`DataError::Layout`] if it lies outside the dataset's folder, so that no line can name it.
    pub fn add(&mut self, file: &Path) -> Result<(), DataError> {
        let Some(path) = self.relative(file) else {
            let problem = format!("is not in {}", self.top.display());
            return Err(DataError::layout(file, problem, "remove it, or repair it"));
        };
        if !self.paths.contains(&path) {
            self.lines.push(encode(&path));
            self.paths.insert(path);
        }
        Ok(())
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// A sentence on this number of images that were left out from a folder.
    pub(crate) fn remark(&self, from: &Path, count: usize) -> Option<String> {
        self.note(count).map(|note| format!("{}: {note}", from.display()))
    }

    /// [`Excluded::remark`] without the folder.
    pub(crate) fn note(&self, count: usize) -> Option<String> {
        let images = counted(count, "image", "images");
        (count > 0).then(|| format!("leaving out {images} listed in {}", self.top.join(EXCLUDED).display()))
    }

    /// The path of a file relative to the folder.
    fn relative(&self, file: &Path) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::new();
        for part in file.strip_prefix(&self.top).ok()?.components() {
            let Component::Normal(part) = part else { return None };
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.extend(to_bytes(part)?.iter());
        }
        Some(bytes)
    }
}

/// A path as a line: valid UTF-8 stays readable.
pub(crate) fn encode(path: &[u8]) -> String {
    let mut line = String::new();
    let blank = |byte: &u8| *byte == b' ';
    let first = path.iter().position(|byte| !blank(byte)).unwrap_or(path.len());
    let end = path.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
    let mut at = 0;
    for chunk in path.utf8_chunks() {
        for char in chunk.valid().chars() {
            let coded = match char {
                '%' => true,
                '#' => at == 0,
                ' ' => at < first || at >= end,
                // Other kinds of spaces are cut off at the ends, so they are never left as they are.
                _ => char.is_control() || char.is_whitespace() || char == '\u{feff}',
            };
            match coded {
                true => hex(&mut line, char.encode_utf8(&mut [0; 4]).as_bytes()),
                false => line.push(char),
            }
            at += char.len_utf8();
        }
        hex(&mut line, chunk.invalid());
        at += chunk.invalid().len();
    }
    line
}

fn hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(line, "%{byte:02x}");
    }
}

/// The path of a line; `None` if a `%` is not followed by two hex digits.
pub(crate) fn decode(line: &str) -> Option<Vec<u8>> {
    let (mut path, mut rest) = (Vec::with_capacity(line.len()), line.as_bytes());
    while let [byte, after @ ..] = rest {
        rest = after;
        path.push(match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(digits[0])? * 16 + digit(digits[1])?) as u8
            }
            byte => *byte,
        });
    }
    Some(path)
}

/// The bytes of a name; `None` where the system's names are not bytes and this one is not Unicode.
#[cfg(unix)]
pub(crate) fn to_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(name).into())
}

/// The name with these bytes.
#[cfg(unix)]
pub(crate) fn from_bytes(bytes: &[u8]) -> OsString {
    <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).to_owned()
}

/// The bytes of a name; `None` where the system's names are not bytes and this one is not Unicode.
#[cfg(not(unix))]
pub(crate) fn to_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    name.to_str().map(|name| name.as_bytes().into())
}

/// The name with these bytes.
#[cfg(not(unix))]
pub(crate) fn from_bytes(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readable_paths_stay_as_they_are() {
        for (path, line) in [
            (&b"train/cat/1.png"[..], "train/cat/1.png"),
            ("猫 (tabby) #1/ö.jpg".as_bytes(), "猫 (tabby) #1/ö.jpg"),
            (b"#selfie/1.png", "%23selfie/1.png"),
            (b" cat/1.png", "%20cat/1.png"),
            (b"cat/1.png  ", "cat/1.png%20%20"),
            (b"two\nlines\r.png", "two%0alines%0d.png"),
            (b"100%.png", "100%25.png"),
            (b"\xc3\xe9\xff.jpg", "%c3%e9%ff.jpg"),
            ("\u{a0}x\u{2028}\u{feff}".as_bytes(), "%c2%a0x%e2%80%a8%ef%bb%bf"),
            (b"  ", "%20%20"),
        ] {
            assert_eq!(encode(path), line);
            assert_eq!(decode(line).unwrap(), path);
        }
        for line in ["%", "a%2", "%zz", "%2\u{e4}"] {
            assert_eq!(decode(line), None, "{line}");
        }
    }

    /// The list in a folder whose file has this text.
    fn list(text: &str) -> Result<(tempfile::TempDir, Excluded), String> {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join(EXCLUDED), text).unwrap();
        let list = Excluded::read(top.path()).map_err(|error| error.to_string())?;
        Ok((top, list))
    }

    #[test]
    fn lists_written_by_hand_keep_their_meaning_when_they_grow() {
        let (top, mut list) = list("\u{feff}# mine\n a/100%.png \n\n#b/1.png\n").unwrap();
        assert!(list.contains(b"a/100%.png") && !list.contains(b"#b/1.png"));
        let new = top.path().join("#b/1.png");
        assert!(!list.contains_file(&new));
        list.add(&new).unwrap();
        list.add(&new).unwrap();
        fs::write(top.path().join(EXCLUDED), list.text()).unwrap();
        let again = Excluded::read(top.path()).unwrap();
        assert!(again.contains_file(&new) && again.contains(b"a/100%.png"));
        let expected = [HEADER, "# mine", "a/100%25.png", "", "#b/1.png", "%23b/1.png"];
        assert_eq!(again.text().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_no_line_can_mean_is_refused() {
        let error = list(&format!("{HEADER}\n\na/%2.png\n")).unwrap_err();
        assert!(error.contains("line 3 of") && error.contains("`%` is written `%25`"), "{error}");
        let error = list("# pelk-excluded 3: x\na\n").unwrap_err();
        assert!(error.contains("is of version 3"), "{error}");
        let (_top, mut list) = list("").unwrap();
        let error = list.add(Path::new("/another/a.png")).unwrap_err().to_string();
        assert!(error.contains("/another/a.png is not in"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_path_is_read_back(path in prop::collection::vec(any::<u8>(), 1..24), other in "\\PC{0,12}") {
            for path in [path, other.into_bytes()] {
                let line = encode(&path);
                prop_assert_eq!(decode(&line).unwrap(), path.clone());
                // What the reader does to a line changes nothing.
                prop_assert!(line.trim() == line && !line.starts_with('#') && line.lines().count() <= 1);
            }
        }

        #[test]
        fn any_text_is_a_list_or_an_error(text in "(# pelk-excluded [0-9x]?:?)?[\\PC\n\r%#]{0,40}") {
            if let Ok((top, list)) = list(&text) {
                fs::write(top.path().join(EXCLUDED), list.text()).unwrap();
                let again = Excluded::read(top.path()).unwrap();
                prop_assert_eq!(again.paths, list.paths);
            }
        }
    }
}
