//! Masks as run lengths.

mod combine;
mod packed;

use crate::MaskError;

/// A mask of height x width pixels as run lengths (COCO's RLE).
///
/// Runs go **column by column** from the left, each column from the top (pixel `(x, y)` has the place
/// `x * height + y`), alternately outside and inside, outside first. Only the first run may be 0: runs of
/// length 0 further on are merged away, so that equal masks are equal values. pycocotools keeps them, which
/// gives the same pixels.
///
/// ```
/// use pelk_coco::Rle;
///
/// let mask = [false, true, true, false, true, false]; // two rows of three
/// let rle = Rle::from_bitmap(&mask, [2, 3])?;
/// assert_eq!(rle.counts(), [2, 3, 1]);
/// assert_eq!((rle.to_packed(), rle.area(), rle.bbox()), ("231".to_owned(), 3, [1.0, 0.0, 2.0, 2.0]));
/// assert_eq!(Rle::from_packed("231", [2, 3])?, rle);
/// # Ok::<(), pelk_coco::MaskError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rle {
    size: [u32; 2],
    counts: Box<[u32]>,
}

impl Rle {
    /// The runs of a bitmap of `[height, width]` pixels, row-major.
    ///
    /// # Errors
    /// [`MaskError::Size`] and [`MaskError::BitmapLength`].
    pub fn from_bitmap(bitmap: &[bool], size: [usize; 2]) -> Result<Rle, MaskError> {
        let checked = check_size(size)?;
        let [height, width] = size;
        if bitmap.len() != height * width {
            return Err(MaskError::BitmapLength { height, width, found: bitmap.len() });
        }
        let mut runs = Runs::default();
        for x in 0..width {
            let mut y = 0;
            while y < height {
                let (start, inside) = (y, bitmap[y * width + x]);
                while y < height && bitmap[y * width + x] == inside {
                    y += 1;
                }
                runs.push(inside, (y - start) as u32);
            }
        }
        Ok(Rle { size: checked, counts: runs.0.into() })
    }

    /// A mask of `[height, width]` pixels from its runs.
    ///
    /// # Errors
    /// [`MaskError::Size`] and, if the runs do not add up to the size, [`MaskError::Sum`].
    pub fn from_counts(counts: &[u32], size: [usize; 2]) -> Result<Rle, MaskError> {
        let checked = check_size(size)?;
        let [height, width] = size;
        let found: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        if found != (height * width) as u64 {
            return Err(MaskError::Sum { height, width, found });
        }
        if counts.iter().skip(1).all(|&count| count > 0) {
            return Ok(Rle { size: checked, counts: counts.into() });
        }
        let mut runs = Runs::default();
        for (i, &count) in counts.iter().enumerate() {
            runs.push(i % 2 == 1, count);
        }
        Ok(Rle { size: checked, counts: runs.0.into() })
    }

    /// The mask in which each of the sorted `places` toggles all later pixels. The size was checked, and no
    /// place is beyond its end.
    pub(crate) fn from_toggles(places: &[u32], size: [u32; 2]) -> Rle {
        let mut runs = Runs::default();
        let (mut at, mut inside) = (0, false);
        for &place in places {
            runs.push(inside, place - at);
            (at, inside) = (place, !inside);
        }
        runs.push(inside, size[0] * size[1] - at);
        Rle { size, counts: runs.0.into() }
    }

    /// The bitmap, row-major.
    pub fn to_bitmap(&self) -> Vec<bool> {
        let [height, width] = self.size();
        let mut bitmap = vec![false; height * width];
        for (start, end) in self.intervals() {
            let (mut x, mut y) = (start as usize / height, start as usize % height);
            for _ in start..end {
                bitmap[y * width + x] = true;
                y += 1;
                if y == height {
                    (x, y) = (x + 1, 0);
                }
            }
        }
        bitmap
    }

    /// The runs, alternately outside and inside, column by column.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Height and width in pixels.
    pub fn size(&self) -> [usize; 2] {
        self.size.map(|side| side as usize)
    }

    /// The number of pixels inside.
    pub fn area(&self) -> u32 {
        self.counts.iter().skip(1).step_by(2).sum()
    }

    /// The smallest box around the pixels inside, `[x, y, width, height]` in whole pixels; zeros for an empty
    /// mask.
    pub fn bbox(&self) -> [f64; 4] {
        let height = self.size[0];
        let (mut low, mut high) = ([u32::MAX; 2], [0; 2]); // x, y, both ends belong
        for (start, end) in self.intervals() {
            let (first, last) = ([start / height, start % height], [(end - 1) / height, (end - 1) % height]);
            // A run that goes on in the next column touches the lower and the upper border.
            let rows = if first[0] < last[0] { [0, height - 1] } else { [first[1], last[1]] };
            low = [low[0].min(first[0]), low[1].min(rows[0])];
            high = [high[0].max(last[0]), high[1].max(rows[1])];
        }
        if low[0] == u32::MAX {
            return [0.0; 4];
        }
        [low[0], low[1], high[0] - low[0] + 1, high[1] - low[1] + 1].map(f64::from)
    }

    /// The runs inside, as start and end of their places.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut at = 0;
        self.counts.as_chunks::<2>().0.iter().map(move |&[outside, inside]| {
            let start = at + outside;
            at = start + inside;
            (start, at)
        })
    }
}

/// Runs under construction, of which only the first may be 0.
#[derive(Debug, Default)]
struct Runs(Vec<u32>);

impl Runs {
    fn push(&mut self, inside: bool, length: u32) {
        if length == 0 {
            return;
        }
        // An even number of runs ends inside.
        let ends_inside = self.0.len().is_multiple_of(2);
        match self.0.last_mut() {
            None if inside => self.0.extend([0, length]),
            Some(last) if ends_inside == inside => *last += length,
            _ => self.0.push(length),
        }
    }
}

pub(crate) fn check_size([height, width]: [usize; 2]) -> Result<[u32; 2], MaskError> {
    let error = || MaskError::Size { height, width };
    let pixels = height.checked_mul(width).and_then(|pixels| u32::try_from(pixels).ok());
    if pixels.ok_or_else(error)? == 0 {
        return Err(error());
    }
    Ok([height as u32, width as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_length_zero_are_merged_away() {
        let rle = Rle::from_counts(&[1, 2, 0, 1, 2, 0], [2, 3]).unwrap();
        assert_eq!(rle.counts(), [1, 3, 2]);
        assert_eq!(rle, Rle::from_counts(&[1, 3, 2], [2, 3]).unwrap());
        assert_eq!(Rle::from_counts(&[0, 0, 6], [2, 3]).unwrap().counts(), [6]);
        assert_eq!(Rle::from_counts(&[0, 6], [2, 3]).unwrap().counts(), [0, 6]);
        assert_eq!(Rle::from_toggles(&[0, 0, 4, 6], [2, 3]).counts(), [4, 2]);
    }

    #[test]
    fn a_run_over_a_border_of_columns_fills_the_height() {
        let rle = Rle::from_counts(&[5, 2, 5], [4, 3]).unwrap();
        assert_eq!(rle.bbox(), [1.0, 1.0, 1.0, 2.0]);
        let rle = Rle::from_counts(&[3, 2, 7], [4, 3]).unwrap();
        assert_eq!(rle.bbox(), [0.0, 0.0, 2.0, 4.0]);
        assert_eq!(Rle::from_counts(&[12], [4, 3]).unwrap().bbox(), [0.0; 4]);
    }

    #[test]
    fn contradictions_are_errors() {
        assert_eq!(
            Rle::from_counts(&[1, 2], [2, 3]).unwrap_err(),
            MaskError::Sum { height: 2, width: 3, found: 3 }
        );
        assert!(Rle::from_counts(&[u32::MAX, u32::MAX], [2, 3]).is_err());
        for size in [[0, 3], [3, 0], [usize::MAX, 2], [1 << 16, 1 << 16]] {
            assert!(matches!(Rle::from_counts(&[0], size), Err(MaskError::Size { .. })), "{size:?}");
            assert!(matches!(Rle::from_bitmap(&[], size), Err(MaskError::Size { .. })), "{size:?}");
        }
        assert!(matches!(Rle::from_bitmap(&[true], [1, 2]), Err(MaskError::BitmapLength { found: 1, .. })));
        assert_eq!(Rle::from_counts(&[u32::MAX], [1, u32::MAX as usize]).unwrap().area(), 0);
    }
}
