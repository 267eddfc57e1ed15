//! The markers of a JPEG file: what it contains, without its coded data (ITU-T T.81, annex B).

use std::ops::Range;

use image::metadata::Orientation;

/// Start of image, end of image, start of scan, Huffman tables, conditioning of arithmetic coding, EXIF.
pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const DHT: u8 = 0xc4;
pub(super) const DAC: u8 = 0xcc;
const APP1: u8 = 0xe1;

/// A marker with its parameters and, after the start of a scan, the coded data.
#[derive(Debug)]
pub(super) struct Segment {
    pub kind: u8,
    /// From the byte FF before the kind to the end of the coded data.
    pub range: Range<usize>,
    /// The parameters, without their length.
    pub parameters: Range<usize>,
}

/// A color component: its id and its horizontal and vertical sampling factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    pub factors: [u8; 2],
}

/// The frame header.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its marker, SOF0 to SOF15.
    pub kind: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Height and width.
    pub size: [usize; 2],
    pub components: Vec<Component>,
}

/// The structure of a file.
#[derive(Debug)]
pub(super) struct Layout {
    /// All markers with parameters, in order.
    pub segments: Vec<Segment>,
    pub frame: Frame,
    /// Whether other bytes are between the segments.
    pub junk: bool,
    /// Whether the file could be followed to its end: to the end marker or through the data of the last scan.
    pub followed: bool,
    /// Whether it has the end marker.
    pub end: bool,
}

impl Layout {
    /// Follows the markers of a file that starts with SOI.
    pub fn new(bytes: &[u8]) -> Result<Self, &'static str> {
        let (mut segments, mut junk, mut followed, mut end) = (Vec::new(), false, false, false);
        let mut place = 2;
        // Whatever is not a marker is skipped, as in libjpeg: it is for readers of the entropy-coded data.
        while let Some(marker) = next(bytes, place, |kind| kind != 0) {
            junk |= bytes[place..marker].iter().any(|byte| *byte != 0xff);
            let kind = bytes[marker + 1];
            match kind {
                EOI => {
                    (followed, end) = (true, true);
                    break;
                }
                SOI => break,
                0x01 | 0xd0..=0xd7 => {
                    place = marker + 2;
                    continue;
                }
                _ => {}
            }
            let Some(&[high, low]) = bytes.get(marker + 2..marker + 4) else { break };
            let header = marker + 2 + usize::from(u16::from_be_bytes([high, low]));
            if header < marker + 4 || header > bytes.len() {
                break;
            }
            place = header;
            if kind == SOS {
                // Coded data contain FF only before 00 and in restart markers.
                let data = next(bytes, header, |kind| kind != 0 && !(0xd0..=0xd7).contains(&kind));
                followed = data.is_none();
                place = data.unwrap_or(bytes.len());
            }
            segments.push(Segment { kind, range: marker..place, parameters: marker + 4..header });
        }
        let frame = segments
            .iter()
            .find(|segment| matches!(segment.kind, 0xc0..=0xcf) && ![DHT, 0xc8, DAC].contains(&segment.kind));
        let frame = frame.ok_or("it has no frame header")?;
        if !segments.iter().any(|segment| segment.kind == SOS) {
            return Err("it ends before its first scan");
        }
        let parameters = &bytes[frame.parameters.clone()];
        let frame = Frame::new(frame.kind, parameters).ok_or("its frame header is too short")?;
        Ok(Self { segments, frame, junk, followed, end })
    }

    /// The EXIF orientation, if there is one.
    pub fn orientation(&self, bytes: &[u8]) -> Option<Orientation> {
        let exif = self
            .segments
            .iter()
            .filter(|segment| segment.kind == APP1)
            .find_map(|segment| bytes[segment.parameters.clone()].strip_prefix(b"Exif\0\0"));
        Orientation::from_exif_chunk(exif?)
    }

    /// Whether there are no Huffman tables at all: the frames of motion JPEG leave out the standard tables.
    pub fn lacks_tables(&self) -> bool {
        matches!(self.frame.kind, 0xc0 | 0xc1) && self.segments.iter().all(|segment| segment.kind != DHT)
    }

    /// Whether zune-jpeg 0.5 decodes such a file to wrong colors: a sequential file with several scans, and a
    /// file with a component sampled more finely than the first.
    pub fn needs_second(&self, bytes: &[u8]) -> bool {
        let components = &self.frame.components;
        let scan = self.segments.iter().find(|segment| segment.kind == SOS);
        let scanned = scan.and_then(|scan| bytes[scan.parameters.clone()].first());
        let several = matches!(self.frame.kind, 0xc0 | 0xc1)
            && scanned.is_some_and(|&count| usize::from(count) < components.len());
        let Some((first, others)) = components.split_first() else { return false };
        let finer = |it: &Component| it.factors[0] > first.factors[0] || it.factors[1] > first.factors[1];
        let uneven = components.len() == 4 && others.iter().any(|it| it.factors != first.factors);
        several || uneven || others.iter().any(finer)
    }

    /// Whether the scans together deliver every bit of every coefficient of every component.
    pub fn is_covered(&self, bytes: &[u8]) -> bool {
        // The lowest bit of each coefficient that was delivered.
        let mut lowest = vec![[u8::MAX; 64]; self.frame.components.len()];
        for scan in self.segments.iter().filter(|segment| segment.kind == SOS) {
            let parameters = &bytes[scan.parameters.clone()];
            let Some((&count, rest)) = parameters.split_first() else { return false };
            let count = usize::from(count);
            let (Some(ids), Some(&[start, last, bits])) =
                (rest.get(..2 * count), rest.get(2 * count..2 * count + 3))
            else {
                return false;
            };
            let (band, bit) = match self.frame.kind {
                0xc2 => (start.min(64)..last.min(63) + 1, bits & 15),
                _ => (0..64, 0),
            };
            for id in ids.iter().step_by(2) {
                let found = self.frame.components.iter().position(|component| component.id == *id);
                let Some(component) = found else { return false };
                for coefficient in band.clone() {
                    lowest[component][usize::from(coefficient)] = bit;
                }
            }
        }
        lowest.iter().flatten().all(|bit| *bit == 0)
    }
}

impl Frame {
    fn new(kind: u8, parameters: &[u8]) -> Option<Self> {
        let (head, components) = parameters.split_at_checked(6)?;
        let size = [[head[1], head[2]], [head[3], head[4]]].map(|side| usize::from(u16::from_be_bytes(side)));
        let components = components.get(..3 * usize::from(head[5]))?;
        let components = components.chunks_exact(3);
        let components = components.map(|it| Component { id: it[0], factors: [it[1] >> 4, it[1] & 15] });
        Some(Self { kind, precision: head[0], size, components: components.collect() })
    }

    /// The number of 8 x 8 blocks of all components.
    pub fn blocks(&self) -> u64 {
        let most = |axis: usize| self.components.iter().map(|it| u64::from(it.factors[axis])).max();
        let [width, height] = [most(0), most(1)].map(|most| most.unwrap_or_default().max(1));
        let units = self.size[1].div_ceil(8) as u64 * self.size[0].div_ceil(8) as u64;
        let share = |it: &Component| u64::from(it.factors[0]) * u64::from(it.factors[1]);
        units * self.components.iter().map(share).sum::<u64>() / (width * height)
    }
}

/// The place of the next FF before a kind that `accept` takes; fill bytes, further FF, come before it.
fn next(bytes: &[u8], from: usize, accept: impl Fn(u8) -> bool) -> Option<usize> {
    let mut place = from;
    loop {
        place += bytes.get(place..)?.iter().position(|byte| *byte == 0xff)?;
        let kind = *bytes.get(place + 1)?;
        if kind != 0xff && accept(kind) {
            return Some(place);
        }
        place += 1;
    }
}
