//! The first image file directory of a TIFF file (TIFF 6.0, section 2, and BigTIFF).

use std::ops::Range;

/// An entry: where its values are, whatever they mean.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub tag: u16,
    /// The type of the values, 1 to 18.
    pub kind: u16,
    /// The bytes of the values.
    pub values: Range<usize>,
}

/// A file's byte order and offset size, and the entries of its first directory.
#[derive(Debug)]
pub(super) struct Directory {
    big_endian: bool,
    big: bool,
    pub entries: Vec<Entry>,
}

impl Directory {
    /// Reads the first directory; `None` if the file is damaged there.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let big_endian = bytes.starts_with(b"MM");
        let mut directory = Self { big_endian, big: false, entries: Vec::new() };
        directory.big = directory.number(bytes, 2..4)? == 43;
        let (start, count, size) = if directory.big {
            let start = usize::try_from(directory.number(bytes, 8..16)?).ok()?;
            (start.checked_add(8)?, directory.number(bytes, start..start.checked_add(8)?)?, 20)
        } else {
            let start = directory.number(bytes, 4..8)? as usize;
            (start.checked_add(2)?, directory.number(bytes, start..start.checked_add(2)?)?, 12)
        };
        let count = usize::try_from(count).ok()?;
        let table = bytes.get(start..start.checked_add(count.checked_mul(size)?)?)?;
        for place in (start..start + table.len()).step_by(size) {
            let tag = directory.number(bytes, place..place + 2)? as u16;
            let kind = directory.number(bytes, place + 2..place + 4)? as u16;
            let inline = directory.inline();
            let count = directory.number(bytes, place + 4..place + 4 + inline)?;
            let length = usize::try_from(count).ok()?.checked_mul(size_of(kind)?)?;
            let mut from = place + 4 + inline;
            if length > inline {
                from = usize::try_from(directory.number(bytes, from..from + inline)?).ok()?;
            }
            let values = from..from.checked_add(length)?;
            bytes.get(values.clone())?;
            directory.entries.push(Entry { tag, kind, values });
        }
        Some(directory)
    }

    /// The size of offsets and of values that are in the entry itself.
    fn inline(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// An unsigned number of up to 8 bytes.
    fn number(&self, bytes: &[u8], place: Range<usize>) -> Option<u64> {
        let digits = bytes.get(place)?.iter();
        let join = |number: u64, digit: &u8| number << 8 | u64::from(*digit);
        Some(if self.big_endian { digits.fold(0, join) } else { digits.rev().fold(0, join) })
    }

    fn write(&self, number: u64, size: usize, to: &mut Vec<u8>) {
        if self.big_endian {
            to.extend(&number.to_be_bytes()[8 - size..]);
        } else {
            to.extend(&number.to_le_bytes()[..size]);
        }
    }

    pub fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The values of an entry, which are unsigned integers.
    pub fn values(&self, bytes: &[u8], tag: u16) -> Option<Vec<u64>> {
        let entry = self.entry(tag)?;
        let size = size_of(entry.kind)?;
        let places = entry.values.clone().step_by(size);
        places.map(|place| self.number(bytes, place..place + size)).collect()
    }

    /// The first value of an entry.
    pub fn value(&self, bytes: &[u8], tag: u16) -> Option<u64> {
        let entry = self.entry(tag)?;
        self.number(bytes, entry.values.start..entry.values.start + size_of(entry.kind)?)
    }

    /// Overwrites the only value of an entry.
    pub fn set(&self, bytes: &mut [u8], tag: u16, value: u64) {
        if let Some(Entry { values, .. }) = self.entry(tag) {
            let mut digits = Vec::new();
            self.write(value, values.len().min(8), &mut digits);
            bytes[values.clone()][..digits.len()].copy_from_slice(&digits);
        }
    }

    /// Appends a directory with these entries, tag, type and bytes of values, and makes it the first.
    pub fn append(&self, bytes: &mut Vec<u8>, entries: &[(u16, u16, Vec<u8>)]) -> Option<()> {
        let inline = self.inline();
        let mut table = Vec::new();
        self.write(entries.len() as u64, if self.big { 8 } else { 2 }, &mut table);
        for (tag, kind, values) in entries {
            self.write(u64::from(*tag), 2, &mut table);
            self.write(u64::from(*kind), 2, &mut table);
            self.write((values.len() / size_of(*kind)?) as u64, inline, &mut table);
            if values.len() <= inline {
                table.extend(values);
                table.resize(table.len() + inline - values.len(), 0);
            } else {
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                self.write(bytes.len() as u64, inline, &mut table);
                bytes.extend(values);
            }
        }
        self.write(0, inline, &mut table);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let mut start = Vec::new();
        self.write(bytes.len() as u64, inline, &mut start);
        bytes.extend(table);
        bytes[inline..2 * inline].copy_from_slice(&start);
        Some(())
    }
}

/// The size of a value of this type.
pub(super) fn size_of(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => return None,
    })
}
