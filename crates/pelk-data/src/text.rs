//! Text files, and counts and lists for messages.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::DataError;

/// The largest text file that is read: a list of ImageNet's images has 50 MB.
const MAX_BYTES: u64 = 1 << 28;
/// The byte order marks of UTF-8 and of UTF-16 in both orders.
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// Reads a text file in UTF-8; a byte order mark at its start is skipped.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read, [`DataError::Layout`] if it is in UTF-16 or has more than
/// 256 MiB, [`DataError::Line`] with the first line that is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, DataError> {
    let io_error = |source: io::Error| DataError::Io { path: path.into(), source };
    let file = File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > MAX_BYTES {
        let problem = format!("has more than {MAX_BYTES} bytes, the limit for a text file");
        return Err(DataError::layout(path, problem, "put the right file there"));
    }
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(DataError::layout(path, "is text in UTF-16", "save it as UTF-8"));
    }
    if bytes.starts_with(UTF8_MARK) {
        bytes.drain(..UTF8_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let line = bytes[..start].iter().filter(|&&byte| byte == b'\n').count();
        let found = bytes.split(|&byte| byte == b'\n').nth(line).unwrap_or_default();
        DataError::Line {
            path: path.into(),
            line: line + 1,
            found: shortened(String::from_utf8_lossy(found).trim_end()),
            expected: "text in UTF-8: save the file in this encoding".into(),
        }
    })
}

/// The start of a text that may be long.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A count and its noun: `1 image`, `2 images`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first `most` of these names and the number of the others, with `between` between them:
/// `a, b and 3 more`. A single name too many is shown as well.
pub fn listed(names: &[impl AsRef<str>], most: usize, between: &str) -> String {
    let shown = if names.len() == most + 1 { names.len() } else { names.len().min(most) };
    let mut text = names[..shown].iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(between);
    if names.len() > shown {
        let before = if between.contains('\n') { between } else { " " };
        text += &format!("{before}and {} more", names.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of these bytes is read as.
    fn read(bytes: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        read_text(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_and_at_the_start_alone() {
        for (bytes, expected) in [
            (&b"a\nb"[..], "a\nb"),
            (b"\xef\xbb\xbfa\n", "a\n"),
            (b"\xef\xbb\xbf", ""),
            (b"a\xef\xbb\xbf", "a\u{feff}"),
            ("\u{feff}\u{feff}x".as_bytes(), "\u{feff}x"),
            (b"", ""),
        ] {
            assert_eq!(read(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn other_encodings_are_named() {
        for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a"] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains("list.txt is text in UTF-16: save it as UTF-8"), "{error}");
        }
        let error = read(b"good\nM\xfcnchen\r\nmore").unwrap_err();
        assert!(error.contains("line 2 of") && error.contains("`M\u{fffd}nchen`"), "{error}");
        assert!(error.contains("must be text in UTF-8"), "{error}");
        let error = read(&[&b"x\n\n"[..], &[b'a'; 500], b"\xc3"].concat()).unwrap_err();
        assert!(error.contains("line 3 of") && error.len() < 300, "{error}");
    }

    #[test]
    fn a_missing_file_is_an_error_of_the_operating_system() {
        let error = read_text(Path::new("no/where.txt")).unwrap_err();
        assert!(
            matches!(&error, DataError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound),
            "{error}"
        );
    }

    #[test]
    fn counts_and_lists_agree_with_their_number() {
        let images = |count| counted(count, "image", "images");
        assert_eq!([0, 1, 2].map(images), ["0 images", "1 image", "2 images"]);
        assert_eq!(listed(&["a", "b"], 3, ", "), "a, b");
        assert_eq!(listed(&["a", "b", "c"], 2, ", "), "a, b, c", "a single name takes no more room");
        assert_eq!(listed(&["a", "b", "c", "d"], 2, ", "), "a, b and 2 more");
        assert_eq!(listed(&["a", "b", "c", "d"], 2, "\n  "), "a\n  b\n  and 2 more");
        assert_eq!(listed(&[] as &[&str], 2, ", "), "");
    }
}
