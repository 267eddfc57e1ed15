//! Reading a file as JSON, and its lists in chunks.

use super::problem::FileError;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

/// The byte order mark of UTF-8.
const UTF8: &[u8] = &[0xef, 0xbb, 0xbf];

/// What starts like this is not JSON in UTF-8: what it is, and what to do about it.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`"),
    (b"<", "an HTML page or XML", "put the JSON file there that it stands for"),
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\x1f\x8b", "a gzip file", "unpack it with `gunzip`"),
];

/// Reads a file as JSON. A byte order mark is skipped. Python's additions to JSON are replaced by texts if
/// they are the reason why it cannot be read.
pub(super) fn parse<T>(
    path: &Path,
    expected: &'static str,
    read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<T, FileError> {
    let json = fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    let json = json.strip_prefix(UTF8).unwrap_or(&json);
    let start = json.trim_ascii_start();
    let not_json = |what, remedy| FileError::NotJson { path: path.to_owned(), what, remedy };
    if start.is_empty() {
        return Err(not_json("empty", "fetch or write it again"));
    }
    if let Some((_, what, remedy)) = OTHERS.iter().find(|(mark, ..)| start.starts_with(mark)) {
        return Err(not_json(what, remedy));
    }
    let result = read(json).or_else(|error| match without_python_numbers(json) {
        Some(json) => read(&json),
        None => Err(error),
    });
    result.map_err(|source| FileError::Json { path: path.to_owned(), expected, source })
}

/// Entries that are handed on together.
const CHUNK: usize = 4096;

/// Reads a list and hands its entries on in chunks, so that not all of them must be in memory.
pub(super) struct Chunks<T, F> {
    sink: F,
    entry: PhantomData<T>,
}

impl<T, F: FnMut(Vec<T>)> Chunks<T, F> {
    pub fn new(sink: F) -> Self {
        Chunks { sink, entry: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(Vec<T>)> DeserializeSeed<'de> for Chunks<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(Vec<T>)> Visitor<'de> for Chunks<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut chunk = Vec::new();
        while let Some(entry) = list.next_element()? {
            chunk.push(entry);
            if chunk.len() == CHUNK {
                (self.sink)(std::mem::take(&mut chunk));
            }
        }
        (self.sink)(chunk);
        Ok(())
    }
}

/// The text with Python's `NaN` and `Infinity`, which JSON does not have, as texts, so that they can be
/// reported with their entry; `None` without any.
pub(super) fn without_python_numbers(json: &[u8]) -> Option<Vec<u8>> {
    let (mut made, mut changed) = (Vec::with_capacity(json.len() + 64), false);
    let (mut at, mut in_text) = (0, false);
    while let Some(&byte) = json.get(at) {
        let word =
            [&b"-Infinity"[..], b"Infinity", b"NaN"].into_iter().find(|word| json[at..].starts_with(word));
        if let (Some(word), false) = (word, in_text) {
            made.push(b'"');
            made.extend(word);
            made.push(b'"');
            (at, changed) = (at + word.len(), true);
            continue;
        }
        if byte == b'"' {
            in_text = !in_text;
        }
        // The character after a backslash does not end a text.
        let length = if in_text && byte == b'\\' { 2 } else { 1 };
        made.extend(&json[at..json.len().min(at + length)]);
        at += length;
    }
    changed.then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_numbers_become_texts_outside_of_texts_only() {
        let changed = without_python_numbers(br#"[NaN, -Infinity, "a \" NaN", Infinity]"#).unwrap();
        let expected = r#"["NaN", "-Infinity", "a \" NaN", "Infinity"]"#;
        assert_eq!(String::from_utf8(changed).unwrap(), expected);
        assert_eq!(without_python_numbers(br#"["NaN \\", 1"#), None);
        assert_eq!(without_python_numbers(b"\"\\"), None);
    }
}
