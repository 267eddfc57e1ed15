//! Properties of masks: all forms lead back to each other, and what is computed on runs is what bitmaps give.

use pelk_coco::{MaskError, Rle};
use proptest::prelude::*;

/// A size and as many bitmaps of it: noise, or rectangles as objects have them.
fn bitmaps(count: usize) -> impl Strategy<Value = ([usize; 2], Vec<Vec<bool>>)> {
    [1..40_usize, 1..40_usize].prop_flat_map(move |[height, width]| {
        let noise = prop::collection::vec(any::<bool>(), height * width);
        let corner = (0..=height, 0..=height, 0..=width, 0..=width);
        let rectangle = corner.prop_map(move |(top, bottom, left, right)| {
            let inside = |i| (top..bottom).contains(&(i / width)) && (left..right).contains(&(i % width));
            (0..height * width).map(inside).collect()
        });
        let bitmap = prop_oneof![noise, rectangle];
        (Just([height, width]), prop::collection::vec(bitmap, count))
    })
}

proptest! {
    #[test]
    fn bitmap_runs_and_text_lead_back_to_each_other((size, bitmaps) in bitmaps(1)) {
        let rle = Rle::from_bitmap(&bitmaps[0], size).unwrap();
        prop_assert_eq!(&rle.to_bitmap(), &bitmaps[0]);
        prop_assert_eq!(&Rle::from_counts(rle.counts(), size).unwrap(), &rle);
        prop_assert_eq!(&Rle::from_packed(&rle.to_packed(), size).unwrap(), &rle);
        prop_assert!(rle.counts()[1..].iter().all(|&count| count > 0));
    }

    #[test]
    fn area_and_box_are_those_of_the_bitmap((size, bitmaps) in bitmaps(1)) {
        let rle = Rle::from_bitmap(&bitmaps[0], size).unwrap();
        let inside: Vec<usize> = (0..size[0] * size[1]).filter(|&i| bitmaps[0][i]).collect();
        prop_assert_eq!(rle.area() as usize, inside.len());
        let [x, y, width, height] = rle.bbox();
        // A run over the border of two columns counts the full height, as in pycocotools.
        let spans = {
            let mut at = 0;
            rle.counts().iter().enumerate().any(|(i, &count)| {
                let start = at;
                at += count as usize;
                i % 2 == 1 && start / size[0] != (at - 1) / size[0]
            })
        };
        let side = |low: usize, high: usize| (low as f64, (high + 1 - low) as f64);
        let columns = inside.iter().map(|i| i % size[1]);
        let rows = inside.iter().map(|i| i / size[1]);
        let (Some(left), Some(top)) = (columns.clone().min(), rows.clone().min()) else {
            prop_assert_eq!(rle.bbox(), [0.0; 4]);
            return Ok(());
        };
        prop_assert_eq!((x, width), side(left, columns.max().unwrap()));
        let expected = if spans { (0.0, size[0] as f64) } else { side(top, rows.max().unwrap()) };
        prop_assert_eq!((y, height), expected);
    }

    #[test]
    fn merged_masks_are_merged_bitmaps((size, bitmaps) in bitmaps(3)) {
        let masks: Vec<Rle> = bitmaps.iter().map(|bitmap| Rle::from_bitmap(bitmap, size).unwrap()).collect();
        let merged = |rule: fn(bool, bool) -> bool| -> Vec<bool> {
            (0..size[0] * size[1])
                .map(|i| bitmaps.iter().map(|bitmap| bitmap[i]).reduce(rule).unwrap())
                .collect()
        };
        prop_assert_eq!(Rle::union(&masks).unwrap().to_bitmap(), merged(|a, b| a || b));
        prop_assert_eq!(Rle::intersection(&masks).unwrap().to_bitmap(), merged(|a, b| a && b));
    }

    #[test]
    fn any_text_is_a_mask_or_an_error(text in "[0-o]{0,40}|.{0,20}", size in [1..9_usize, 1..9_usize]) {
        if let Ok(rle) = Rle::from_packed(&text, size) {
            prop_assert_eq!(rle.to_bitmap().len(), size[0] * size[1]);
        }
    }

    #[test]
    fn first_corner_and_direction_of_a_polygon_make_no_difference(
        corners in prop::collection::vec([-4.0..28.0_f64, -4.0..28.0_f64], 3..8),
        first in 0..8_usize,
    ) {
        let mask = |corners: &[[f64; 2]]| Rle::from_polygon(corners.as_flattened(), [24, 24]).unwrap();
        let expected = mask(&corners);
        let mut corners = corners;
        let count = corners.len();
        corners.rotate_left(first % count);
        prop_assert_eq!(&mask(&corners), &expected);
        corners.reverse();
        prop_assert_eq!(&mask(&corners), &expected);
    }

    // Of boxes only: on a slanted edge, the rule's rounding of a tie depends on how far out the edge lies.
    #[test]
    fn a_shifted_box_gives_the_shifted_mask(
        bounds in [0..60_i32, 0..60_i32, 0..40_i32, 0..40_i32],
        [right, down] in [0..5_usize, 0..5_usize],
    ) {
        // In quarters of pixels, which a shift by whole pixels does not round differently.
        let [x, y, width, height] = bounds.map(|bound| f64::from(bound) / 4.0);
        let original = Rle::from_box([x, y, width, height], [24, 24]).unwrap().to_bitmap();
        let place = [x + right as f64, y + down as f64, width, height];
        let shifted = Rle::from_box(place, [24, 24]).unwrap().to_bitmap();
        for (row, column) in (down..24).flat_map(|row| (right..24).map(move |column| (row, column))) {
            prop_assert_eq!(shifted[row * 24 + column], original[(row - down) * 24 + column - right]);
        }
    }

    #[test]
    fn any_polygon_is_a_mask_or_an_error(
        corners in prop::collection::vec(prop_oneof![any::<f64>(), -1e8..1e8_f64, -50.0..50.0_f64], 0..20),
        size in [1..50_usize, 1..50_usize],
    ) {
        match Rle::from_polygon(&corners, size) {
            Ok(rle) => prop_assert_eq!(rle.size(), size),
            Err(MaskError::Corners { .. } | MaskError::Coordinate { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
