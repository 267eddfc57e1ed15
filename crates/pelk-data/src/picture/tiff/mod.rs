//! What the decoder of TIFF gets wrong, changed in the file's bytes before it sees them.

mod directory;

use std::borrow::Cow;
use std::ops::Range;

use directory::{Directory, size_of};

const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR_CONFIGURATION: u16 = 284;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
/// The places and lengths of strips and of tiles.
const PARTS: [(u16, u16); 2] = [(273, 279), (TILE_OFFSETS, TILE_BYTE_COUNTS)];

/// What to give to the decoder.
pub(super) enum Prepared<'a> {
    /// The file, possibly changed.
    Whole(Cow<'a, [u8]>),
    /// A gray image for each color plane.
    Planes(Planes<'a>),
    /// Nothing: what the file is, and the command that converts it.
    Unsupported(String, &'static str),
}

/// A file whose color planes are decoded one by one.
pub(super) struct Planes<'a> {
    bytes: Cow<'a, [u8]>,
    directory: Directory,
    /// Their number: 1 for gray, 3 for RGB.
    pub count: usize,
}

/// Prepares a file for the decoder. A file that is damaged remains as it is.
pub(super) fn prepare(bytes: &[u8]) -> Prepared<'_> {
    let Some(directory) = Directory::new(bytes) else { return Prepared::Whole(bytes.into()) };
    let compression = match directory.value(bytes, COMPRESSION) {
        Some(50000) => "Zstandard",
        Some(50001) => "WebP",
        Some(50002) => "JPEG XL",
        Some(34925) => "LZMA",
        Some(34887) => "LERC",
        Some(33003 | 33005 | 34712) => "JPEG 2000",
        _ => "",
    };
    if !compression.is_empty() {
        let what = format!("a TIFF with {compression} compression");
        return Prepared::Unsupported(what, "convert it, for example with `tiffcp -c zip FILE NEW.tif`");
    }
    let bytes = if directory.value(bytes, FILL_ORDER) == Some(2) {
        reversed(bytes, &directory).map_or(Cow::Borrowed(bytes), Cow::Owned)
    } else {
        Cow::Borrowed(bytes)
    };
    if !passes_edge(&bytes, &directory) {
        return Prepared::Whole(bytes);
    }
    match directory.value(&bytes, PHOTOMETRIC) {
        Some(0 | 1) => Prepared::Planes(Planes { bytes, directory, count: 1 }),
        Some(2) => Prepared::Planes(Planes { bytes, directory, count: 3 }),
        _ => Prepared::Unsupported(
            "a TIFF with separate planes of colors other than RGB".to_owned(),
            "convert it, for example with `tiffcp -p contig FILE NEW.tif`",
        ),
    }
}

/// The file with the bits of each byte of coded data in the usual order, FillOrder 1, since the decoder
/// ignores the tag. As in libtiff, JPEG data are bytes whatever it says.
fn reversed(bytes: &[u8], directory: &Directory) -> Option<Vec<u8>> {
    if matches!(directory.value(bytes, COMPRESSION), Some(6 | 7)) {
        return None;
    }
    let mut changed = bytes.to_vec();
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (offsets, lengths) in PARTS {
        let Some(offsets) = directory.values(bytes, offsets) else { continue };
        for (offset, length) in offsets.into_iter().zip(directory.values(bytes, lengths)?) {
            let start = usize::try_from(offset).ok()?;
            parts.push(start..start.checked_add(usize::try_from(length).ok()?)?);
        }
    }
    // A part may be used twice, but is reversed once.
    parts.sort_by_key(|part| (part.start, part.end));
    let mut done = 0;
    for part in parts {
        for byte in changed.get_mut(part.start.max(done)..part.end.max(done))? {
            *byte = byte.reverse_bits();
        }
        done = done.max(part.end);
    }
    directory.set(&mut changed, FILL_ORDER, 1);
    Some(changed)
}

/// Whether the image is in tiles of separate planes, some of which pass its edge. The decoder computes where
/// those of all planes but the first belong from their number in the file, and panics.
fn passes_edge(bytes: &[u8], directory: &Directory) -> bool {
    let value = |tag| directory.value(bytes, tag);
    let passes = |size, tile| match (value(size), value(tile)) {
        (Some(size), Some(tile @ 1..)) => size % tile != 0,
        _ => false,
    };
    value(PLANAR_CONFIGURATION) == Some(2)
        && value(SAMPLES_PER_PIXEL) > Some(1)
        && (passes(256, 322) || passes(257, 323))
}

impl Planes<'_> {
    /// The file with another first directory: a gray image of the tiles of this plane. `None` if an entry is
    /// damaged.
    pub fn get(&self, plane: usize) -> Option<Vec<u8>> {
        let (bytes, directory) = (&*self.bytes, &self.directory);
        let samples = usize::try_from(directory.value(bytes, SAMPLES_PER_PIXEL)?).ok()?;
        // Entries of a damaged file may all point to the same long values.
        let length: usize = directory.entries.iter().map(|entry| entry.values.len()).sum();
        if length > bytes.len() {
            return None;
        }
        let mut entries = Vec::with_capacity(directory.entries.len());
        for entry in &directory.entries {
            let size = size_of(entry.kind)?;
            let mut values = bytes[entry.values.clone()].to_vec();
            match entry.tag {
                TILE_OFFSETS | TILE_BYTE_COUNTS => {
                    let part = values.len() / size / samples * size;
                    values = values.get(plane * part..(plane + 1) * part)?.to_vec();
                }
                BITS_PER_SAMPLE | SAMPLE_FORMAT => values.truncate(size),
                // One sample, in one plane.
                SAMPLES_PER_PIXEL | PLANAR_CONFIGURATION => values = one(bytes, size),
                // Black is 0, in RGB as in this kind of gray.
                PHOTOMETRIC if self.count == 3 => values = one(bytes, size),
                EXTRA_SAMPLES => continue,
                _ => {}
            }
            entries.push((entry.tag, entry.kind, values));
        }
        let mut changed = bytes.to_vec();
        directory.append(&mut changed, &entries)?;
        Some(changed)
    }
}

/// The number 1 in the file's byte order.
fn one(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut one = vec![0; size];
    one[if bytes.starts_with(b"MM") { size - 1 } else { 0 }] = 1;
    one
}
