//! Part of a bitmap.

use crate::error::{DetectionError, Result, check_len};
use pelk_coco::Rle;

/// The part of a bitmap that may hold ones; all pixels elsewhere are 0. For a mask it is enough to hold the
/// object's box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaskCrop {
    /// Row and column of the first pixel in the whole bitmap.
    pub origin: [usize; 2],
    /// Height and width of the part.
    pub size: [usize; 2],
    /// The pixels, row by row: 0 or 1.
    pub pixels: Vec<u8>,
}

impl MaskCrop {
    /// The box of a mask, cut out. An empty mask has no pixels.
    pub fn from_rle(mask: &Rle) -> Self {
        let [left, top, width, height] = mask.bbox().map(|value| value as usize);
        let mut pixels = vec![0; width * height];
        let rows = mask.size()[0];
        let (mut at, mut inside) = (0, false);
        for &count in mask.counts() {
            let end = at + count as usize;
            // Runs go column by column.
            let in_run = if inside { at..end } else { 0..0 };
            for place in in_run {
                pixels[(place % rows - top) * width + place / rows - left] = 1;
            }
            (at, inside) = (end, !inside);
        }
        Self { origin: [top, left], size: [height, width], pixels }
    }

    /// The whole bitmap of `[height, width]` pixels as runs.
    ///
    /// # Errors
    /// When the part reaches beyond the bitmap or is not made of 0 and 1, or the bitmap has more pixels than
    /// a mask may have.
    pub fn to_rle(&self, [height, width]: [usize; 2]) -> Result<Rle> {
        self.check()?;
        let ([top, left], [rows, columns]) = (self.origin, self.size);
        if top + rows > height || left + columns > width {
            let reason = format!("reaches beyond its bitmap of {height} x {width} pixels");
            return Err(DetectionError::Setting { name: "a mask", reason });
        }
        if height.checked_mul(width).is_none_or(|pixels| u32::try_from(pixels).is_err()) {
            let reason = format!("cannot have {height} x {width} pixels, more than 2^32");
            return Err(DetectionError::Setting { name: "a mask", reason });
        }
        // Where each run of ones begins and ends, column by column.
        let mut counts = vec![0_u32];
        let mut push = |inside: bool, count: usize| {
            let is_same = counts.len().is_multiple_of(2) == inside;
            match counts.last_mut().filter(|_| is_same) {
                Some(last) => *last += count as u32,
                None if count > 0 => counts.push(count as u32),
                None => {}
            }
        };
        push(false, left * height);
        for column in 0..columns {
            push(false, top);
            for row in 0..rows {
                push(self.pixels[row * columns + column] == 1, 1);
            }
            push(false, height - top - rows);
        }
        push(false, (width - left - columns) * height);
        Rle::from_counts(&counts, [height, width]).map_err(DetectionError::from)
    }

    /// The number of ones.
    pub fn area(&self) -> usize {
        self.pixels.iter().map(|&pixel| usize::from(pixel)).sum()
    }

    /// The rows of the part.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks(self.size[1].max(1))
    }

    /// Whether the pixel in this row and column of the whole bitmap is 1.
    pub fn at(&self, row: usize, column: usize) -> bool {
        let [top, left] = self.origin;
        let [height, width] = self.size;
        let inside = (top..top + height).contains(&row) && (left..left + width).contains(&column);
        inside && self.pixels[(row - top) * width + column - left] == 1
    }

    /// Checks that the pixels are as many as the size says, and 0 or 1.
    pub(crate) fn check(&self) -> Result<()> {
        check_len("pixels of a mask", self.pixels.len(), self.size[0] * self.size[1])?;
        match self.pixels.iter().find(|&&pixel| pixel > 1) {
            Some(pixel) => {
                let reason = format!("holds {pixel}, and must hold 0 and 1");
                Err(DetectionError::Setting { name: "a mask", reason })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mask_is_the_same_as_runs_and_as_a_crop(
            size in [1..12_usize, 1..12_usize], ones in prop::collection::vec(0..8_u8, 144), dense: bool,
        ) {
            let bitmap: Vec<bool> =
                ones[..size[0] * size[1]].iter().map(|&one| if dense { one > 1 } else { one == 0 }).collect();
            let mask = Rle::from_bitmap(&bitmap, size).unwrap();
            let crop = MaskCrop::from_rle(&mask);
            for row in 0..size[0] {
                for column in 0..size[1] {
                    prop_assert_eq!(crop.at(row, column), bitmap[row * size[1] + column]);
                }
            }
            prop_assert_eq!(crop.area(), mask.area() as usize);
            prop_assert_eq!(crop.to_rle(size).unwrap(), mask);
        }
    }

    #[test]
    fn what_is_no_part_of_the_bitmap_has_no_runs() {
        let crop = MaskCrop { origin: [2, 0], size: [1, 2], pixels: vec![1, 0] };
        assert_eq!(crop.to_rle([3, 2]).unwrap().counts(), [2, 1, 3]);
        let error = crop.to_rle([2, 2]).unwrap_err().to_string();
        assert_eq!(error, "a mask reaches beyond its bitmap of 2 x 2 pixels");
        let gray = MaskCrop { pixels: vec![1, 2], ..crop };
        assert!(gray.to_rle([3, 2]).is_err());
        assert!(MaskCrop::default().to_rle([usize::MAX, usize::MAX]).is_err());
    }
}
