//! What a mask head has to find: the truth's bitmap, seen from a box.

use crate::error::Result;
use crate::mask::MaskCrop;
use pelk_ops::boxes::clamp_to_image;
use pelk_ops::roi_align::{RoiAxis, roi_axis};

/// The share of each of `size x size` cells of a box that the mask covers (`crop_and_resize` of MMDetection's
/// `BitmapMasks`): RoIAlign of the bitmap at stride 1, with as many samples as pixels. `bitmap` is the height
/// and width of the whole bitmap, which is padded as the image is; the box is clamped to it. Row by row.
///
/// # Errors
/// When the mask is not made of 0 and 1, `size[0] * size[1]` of them, or the box is not finite or its corners
/// are out of order.
pub fn mask_coverage(
    mask: &MaskCrop,
    bitmap: [usize; 2],
    corners: &[f32; 4],
    size: usize,
) -> Result<Vec<f32>> {
    mask.check()?;
    let [x1, y1, x2, y2] = clamp_to_image(corners, bitmap);
    let [height, width] = bitmap;
    let rows = roi_axis([y1, y2], 1, height, size, 0)?;
    let columns = roi_axis([x1, x2], 1, width, size, 0)?;
    // A product of two sparse maps: first along the columns, for each row that is needed.
    let [columns, rows] = [(&columns, mask.origin[1], mask.size[1]), (&rows, mask.origin[0], mask.size[0])]
        .map(|(axis, origin, pixels)| taps_in_crop(axis, origin, pixels));
    let mut coverage = vec![0.0; size * size];
    let mut shrunk = vec![0.0; size];
    for (row, pixels) in mask.rows().enumerate() {
        let Some(users) = rows.get(row).filter(|users| !users.is_empty()) else { continue };
        shrunk.fill(0.0);
        for (_, users) in pixels.iter().zip(&columns).filter(|(pixel, _)| **pixel == 1) {
            for &(cell, weight) in users {
                shrunk[cell] += weight;
            }
        }
        for &(cell, weight) in users {
            for (sum, value) in coverage[cell * size..][..size].iter_mut().zip(&shrunk) {
                *sum += weight * value;
            }
        }
    }
    Ok(coverage)
}

/// The cells of a box that the mask covers by half or more: the target of a mask head, row by row.
///
/// # Errors
/// As [`mask_coverage`].
pub fn mask_target(
    mask: &MaskCrop,
    bitmap: [usize; 2],
    corners: &[f32; 4],
    size: usize,
) -> Result<Vec<bool>> {
    Ok(mask_coverage(mask, bitmap, corners, size)?.into_iter().map(|share| share >= 0.5).collect())
}

/// For each pixel of the crop, the cells that read it, with their weights.
fn taps_in_crop(axis: &RoiAxis, origin: usize, pixels: usize) -> Vec<Vec<(usize, f32)>> {
    let readers = axis.axis.transposed();
    let of = |pixel: usize| pixel.checked_sub(axis.first).and_then(|i| readers.taps().get(i).cloned());
    (origin..origin + pixels).map(|pixel| of(pixel).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A mask of a whole bitmap with a disk in it.
    fn disk([height, width]: [usize; 2], center: [f32; 2], radius: f32) -> MaskCrop {
        let one = |i: usize| {
            let [dy, dx] = [(i / width) as f32 - center[0], (i % width) as f32 - center[1]];
            u8::from(dy.hypot(dx) <= radius)
        };
        let pixels = (0..height * width).map(one).collect();
        MaskCrop { origin: [0, 0], size: [height, width], pixels }
    }

    fn crop(mask: &MaskCrop, origin: [usize; 2], size: [usize; 2]) -> MaskCrop {
        let pixel = |i: usize| u8::from(mask.at(origin[0] + i / size[1], origin[1] + i % size[1]));
        MaskCrop { origin, size, pixels: (0..size[0] * size[1]).map(pixel).collect() }
    }

    proptest! {
        #[test]
        fn a_crop_that_holds_the_object_gives_what_the_whole_bitmap_gives(
            corner in (0.0..30.0_f32, 0.0..20.0_f32), sides in (0.5..40.0_f32, 0.5..30.0_f32),
            center in prop::array::uniform2(8.0..16.0_f32), size in 1..9_usize,
        ) {
            let (bitmap, radius) = ([24, 32], 6.5);
            let whole = disk(bitmap, center, radius);
            let origin = center.map(|c| (c - radius) as usize);
            let part = crop(&whole, origin, [15, 15]);
            prop_assert_eq!(part.area(), whole.area());
            let corners = [corner.0, corner.1, corner.0 + sides.0, corner.1 + sides.1];
            let coverage = mask_coverage(&whole, bitmap, &corners, size).unwrap();
            prop_assert_eq!(&mask_coverage(&part, bitmap, &corners, size).unwrap(), &coverage);
            prop_assert!(coverage.iter().all(|share| (0.0..=1.0 + 1e-5).contains(share)));
            let target = mask_target(&part, bitmap, &corners, size).unwrap();
            prop_assert!(target.iter().zip(&coverage).all(|(hit, share)| *hit == (*share >= 0.5)));
        }
    }

    #[test]
    fn cells_of_whole_pixels_are_covered_by_their_share() {
        // Ones in the left three columns of 4 x 4 pixels.
        let pixels = [1, 1, 1, 0].repeat(4);
        let mask = MaskCrop { origin: [0, 0], size: [4, 4], pixels };
        let coverage = mask_coverage(&mask, [4, 4], &[0.0, 0.0, 4.0, 4.0], 2).unwrap();
        assert_eq!(coverage, [1.0, 0.5, 1.0, 0.5]);
        assert_eq!(mask_target(&mask, [4, 4], &[0.0, 0.0, 4.0, 4.0], 2).unwrap(), [true; 4]);
        // The box is clamped to the bitmap.
        assert_eq!(mask_coverage(&mask, [4, 4], &[-9.0, -9.0, 4.0, 9.0], 2).unwrap(), coverage);
        // A box of width zero covers nothing.
        assert_eq!(mask_coverage(&mask, [4, 4], &[1.0, 0.0, 1.0, 4.0], 2).unwrap(), [0.0; 4]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mask = MaskCrop { origin: [0, 0], size: [1, 2], pixels: vec![0, 2] };
        let text = |mask: &MaskCrop, corners| mask_target(mask, [4, 4], &corners, 2).unwrap_err().to_string();
        assert_eq!(text(&mask, [0.0, 0.0, 1.0, 1.0]), "a mask holds 2, and must hold 0 and 1");
        let short = MaskCrop { pixels: vec![0], ..mask };
        assert_eq!(text(&short, [0.0, 0.0, 1.0, 1.0]), "there are 1 pixels of a mask, expected 2");
        assert!(text(&MaskCrop::default(), [2.0, 0.0, 1.0, 1.0]).contains("extends from 2 to 1"));
        assert!(text(&MaskCrop::default(), [f32::NAN, 0.0, 1.0, 1.0]).contains("NaN"));
    }
}
