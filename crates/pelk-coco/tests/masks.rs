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
    fn a_shifted_polygon_gives_the_shifted_mask(
        corners in prop::collection::vec([0..60_i32, 0..60_i32], 3..8),
        shift in [0..5_usize, 0..5_usize],
    ) {
        // In quarters of pixels, which a shift by whole pixels does not round differently.
        let moved = |[dx, dy]: [usize; 2]| -> Vec<f64> {
            let place = |v: i32, d: usize| f64::from(v) / 4.0 + d as f64;
            corners.iter().flat_map(|&[x, y]| [place(x, dx), place(y, dy)]).collect()
        };
        let size = [24, 24];
        let original = Rle::from_polygon(&moved([0, 0]), size).unwrap();
        let shifted = Rle::from_polygon(&moved(shift), size).unwrap();
        prop_assert_eq!(original.area(), shifted.area());
        let ([x, y, ..], [u, v, ..]) = (original.bbox(), shifted.bbox());
        if original.area() > 0 {
            prop_assert!(u >= x && u <= x + shift[0] as f64 && v <= y + shift[1] as f64);
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
