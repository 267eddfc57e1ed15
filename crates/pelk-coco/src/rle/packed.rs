//! COCO's packed text of runs.
//!
//! From the fourth number on, a run is stored as its difference to the run before the last. A signed number
//! is cut into groups of 5 bits, the lowest first; value 32 in a group announces another one. A group is
//! stored as the character with the code group + 48.

use super::Rle;
use crate::MaskError;

/// Groups of a number at most: 7 hold any difference of two `u32`.
const GROUPS: u32 = 7;

impl Rle {
    /// A mask of `[height, width]` pixels from COCO's packed runs, as in files of results.
    ///
    /// # Errors
    /// [`MaskError`] if the text is damaged, or if its runs do not add up to the size.
    pub fn from_packed(text: &str, size: [usize; 2]) -> Result<Rle, MaskError> {
        let mut counts: Vec<u32> = Vec::with_capacity(text.len());
        let (mut value, mut groups) = (0_i64, 0);
        for (position, byte) in text.bytes().enumerate() {
            let Some(group @ 0..64) = byte.checked_sub(48) else {
                let rest = text.get(position..).unwrap_or_default();
                let found = rest.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                return Err(MaskError::Character { position, found });
            };
            if groups == GROUPS {
                return Err(MaskError::Run { index: counts.len() });
            }
            value |= i64::from(group & 31) << (5 * groups);
            groups += 1;
            if group & 32 != 0 {
                continue;
            }
            if group & 16 != 0 {
                value |= -1 << (5 * groups);
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            counts.push(u32::try_from(value).map_err(|_| MaskError::Run { index: counts.len() })?);
            (value, groups) = (0, 0);
        }
        if groups > 0 {
            return Err(MaskError::Truncated);
        }
        Rle::from_counts(&counts, size)
    }

    /// The runs as COCO's packed text.
    pub fn to_packed(&self) -> String {
        let mut text = String::with_capacity(2 * self.counts.len());
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { self.counts[i - 2] } else { 0 };
            let mut value = i64::from(count) - i64::from(before);
            loop {
                let group = (value & 31) as u8;
                value >>= 5;
                let last = value == if group & 16 == 0 { 0 } else { -1 };
                text.push(char::from(48 + if last { group } else { group | 32 }));
                if last {
                    break;
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_of_run_survives() {
        let counts = [0, 15, 16, 31, 1, 1023, 1024, 1 << 20, 3, 1 << 31, 5];
        let sum: u32 = counts.iter().sum();
        let size = [1, sum as usize];
        let rle = Rle::from_counts(&counts, size).unwrap();
        assert_eq!(Rle::from_packed(&rle.to_packed(), size).unwrap().counts(), counts);
    }

    #[test]
    fn damaged_text_is_an_error() {
        let read = |text: &str| Rle::from_packed(text, [2, 3]).unwrap_err();
        assert_eq!(read("2 1"), MaskError::Character { position: 1, found: ' ' });
        assert_eq!(read("2p1"), MaskError::Character { position: 1, found: 'p' });
        assert_eq!(read("2é1"), MaskError::Character { position: 1, found: 'é' });
        assert_eq!(read("23Q"), MaskError::Truncated);
        assert_eq!(read("23O"), MaskError::Run { index: 2 });
        assert_eq!(read("1PPPPPPP0"), MaskError::Run { index: 1 });
        assert_eq!(read("232"), MaskError::Sum { height: 2, width: 3, found: 7 });
        assert_eq!(read(""), MaskError::Sum { height: 2, width: 3, found: 0 });
    }
}
