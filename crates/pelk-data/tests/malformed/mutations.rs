//! Damaged copies of files.

use rand::{Rng, RngExt};

/// Bytes that headers treat specially.
const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xd9, 0xfe, 0xff];

/// A damaged copy of a file; `other` is another file of the same format.
pub fn mutated(whole: &[u8], other: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            break;
        }
        // Half of them in the header.
        let end = if rng.random() { bytes.len().min(80) } else { bytes.len() };
        let place = rng.random_range(0..end);
        let length = rng.random_range(1..33).min(bytes.len() - place);
        match rng.random_range(0..9) {
            0 => bytes[place] ^= 1 << rng.random_range(0..8),
            1 => bytes[place] = BYTES[rng.random_range(0..BYTES.len())],
            2 => {
                let number = 1_u32.wrapping_shl(rng.random_range(0..33)).wrapping_sub(rng.random_range(0..2));
                let number = if rng.random() { number.to_be_bytes() } else { number.to_le_bytes() };
                let part = &mut bytes[place..][..length.min(4)];
                part.copy_from_slice(&number[..part.len()]);
            }
            3 => rng.fill_bytes(&mut bytes[place..place + length]),
            4 => bytes.truncate(place),
            5 => drop(bytes.drain(place..place + length)),
            6 => {
                let part = bytes[place..place + length].to_vec();
                bytes.splice(place..place, part);
            }
            7 => {
                let byte = BYTES[rng.random_range(0..BYTES.len())];
                bytes.splice(place..place, vec![byte; length]);
            }
            _ => {
                bytes.truncate(place);
                bytes.extend(&other[place.min(other.len())..]);
            }
        }
    }
    bytes
}

/// Gives the chunks of a PNG correct checksums, so that decoders look further.
pub fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut place = 8;
    while let Some(length) = bytes.get(place..).and_then(|rest| rest.first_chunk::<4>()) {
        let end = place + 8 + u32::from_be_bytes(*length) as usize;
        if bytes.len() < end + 4 {
            break;
        }
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[place + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        place = end + 4;
    }
    bytes
}
