//! Objects of an image: boxes and masks, and how they move along with pixels.

mod mask;

pub(crate) use mask::{paint, turned};

use pelk_coco::Rle;

use crate::NO_GROUP;
use crate::picture::upright_box;
use crate::resize::View;

/// One object of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its id in the dataset's file, at least 1.
    pub id: u64,
    /// Its class, an index into the dataset's list.
    pub class: u32,
    /// Its box `[x1, y1, x2, y2]`, in pixels from the image's top left corner: pixel `i` covers `[i, i + 1)`.
    pub bbox: [f32; 4],
    /// Its pixels, for the image's size.
    pub mask: Rle,
    /// Whether it stands for a group of objects that are not annotated one by one. A crowd is not learned;
    /// in an evaluation, detections on it are neither right nor wrong.
    pub crowd: bool,
    /// Its area in the dataset's image, in pixels, by which evaluations tell small objects from large ones:
    /// what the file says, which may differ from the number of the mask's pixels.
    pub area: f64,
    /// The group that it is measured in, an index into [`Dataset::groups`](crate::Dataset::groups), or
    /// [`NO_GROUP`](crate::NO_GROUP).
    pub group: u8,
}

impl Object {
    /// The object as `view` shows it: its box scaled and clipped, its mask resized and cut. `None` if nothing
    /// of its box is visible. The mask may then still be empty.
    pub(crate) fn seen(&self, view: &View) -> Option<Object> {
        let part = view.part;
        // Along x and y: factor, the resized image's length, and the visible range.
        let axes = [(view.from[1], view.to[1], part.columns()), (view.from[0], view.to[0], part.rows())];
        let mut bbox = self.bbox;
        for (i, value) in bbox.iter_mut().enumerate() {
            let (from, to, range) = &axes[i % 2];
            let scaled = *value * (*to as f32 / *from as f32);
            *value = scaled.clamp(range.start as f32, range.end as f32) - range.start as f32;
        }
        let visible = bbox[0] < bbox[2] && bbox[1] < bbox[3];
        visible.then(|| Object { bbox, mask: mask::seen(&self.mask, view), ..self.clone() })
    }

    /// The object in the mirrored image: left and right swapped.
    pub(crate) fn flipped(&self) -> Object {
        let width = self.mask.size()[1] as f32;
        let [x1, y1, x2, y2] = self.bbox;
        Object { bbox: [width - x2, y1, width - x1, y2], mask: mask::flipped(&self.mask), ..self.clone() }
    }

    /// The object in the image turned as an EXIF orientation says.
    pub(crate) fn turned(&self, orientation: u8) -> Object {
        let bbox = upright_box(self.bbox, self.mask.size().map(|side| side as f32), orientation);
        Object { bbox, mask: turned(&self.mask, orientation), ..self.clone() }
    }

    /// The problem with the object in an image of this size of a dataset with these numbers of `classes` and
    /// `groups`, if any.
    pub(crate) fn problem(&self, size: [usize; 2], classes: usize, groups: usize) -> Option<String> {
        let [x1, y1, x2, y2] = self.bbox;
        let [height, width] = size.map(|side| side as f32);
        if self.class as usize >= classes {
            return Some(format!("is of class {}, but there are {classes}, numbered from 0", self.class));
        }
        if self.group != NO_GROUP && usize::from(self.group) >= groups {
            return Some(format!("is of group {}, but there are {groups}, numbered from 0", self.group));
        }
        if !(0.0 <= x1 && x1 < x2 && x2 <= width && 0.0 <= y1 && y1 < y2 && y2 <= height) {
            return Some(format!("has the box {:?}, which is empty or not within the image", self.bbox));
        }
        let [rows, columns] = self.mask.size();
        (self.mask.size() != size).then(|| format!("has a mask of {rows} x {columns} pixels"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;
    use rand::{Rng, RngExt};

    use super::*;
    use crate::Rectangle;
    use crate::picture::upright;

    /// An object of random pixels within a random rectangle, whose box is that of the pixels.
    pub(crate) fn object(rng: &mut impl Rng, size: [usize; 2]) -> Object {
        let [height, width] = size;
        let range = |rng: &mut dyn Rng, length: usize| {
            let (a, b) = (rng.random_range(0..length), rng.random_range(0..length));
            a.min(b)..a.max(b) + 1
        };
        let (rows, columns) = (range(rng, height), range(rng, width));
        let mut bits: Vec<bool> = (0..height * width)
            .map(|place| rows.contains(&(place / width)) && columns.contains(&(place % width)))
            .map(|inside| inside && rng.random::<f64>() < 0.7)
            .collect();
        bits[rows.start * width + columns.start] = true;
        let mask = Rle::from_bitmap(&bits, size).unwrap();
        let [x, y, w, h] = mask.bbox().map(|value| value as f32);
        let (id, class) = (rng.random_range(1..1000), rng.random_range(0..3));
        let (area, group) = (f64::from(mask.area()), NO_GROUP);
        Object { id, class, bbox: [x, y, x + w, y + h], area, mask, crowd: false, group }
    }

    fn views() -> impl Strategy<Value = View> {
        let sides = || [1..40_usize, 1..40_usize];
        (sides(), sides(), [0.0..1.0_f64, 0.0..1.0, 0.0..1.0, 0.0..1.0]).prop_map(|(from, to, shares)| {
            let part = |side: usize, [start, end]: [f64; 2]| {
                let first = (start * side as f64) as usize;
                (first, 1 + (end * (side - first) as f64) as usize)
            };
            let (top, height) = part(to[0], [shares[0], shares[1]]);
            let (left, width) = part(to[1], [shares[2], shares[3]]);
            let [height, width] = [height.min(to[0] - top), width.min(to[1] - left)];
            View { from, to, part: Rectangle { top, left, height, width } }
        })
    }

    proptest! {
        #[test]
        fn a_mask_moves_with_its_pixels_and_stays_in_its_box(view in views(), seed: u64) {
            let object = object(&mut stream(seed, Purpose::Augment, 0, 0), view.from);
            let expected = view.nearest(&object.mask.to_bitmap());
            let Some(seen) = object.seen(&view) else {
                prop_assert!(!expected.contains(&true), "an object with visible pixels is kept");
                return Ok(());
            };
            let size = [view.part.height, view.part.width];
            prop_assert_eq!(seen.mask.size(), size);
            prop_assert_eq!(seen.problem(size, 3, 0), None);
            prop_assert_eq!(seen.mask.to_bitmap(), expected);
            // The centers of the mask's pixels lie in the box, up to the rounding of `f32`.
            let [x, y, w, h] = seen.mask.bbox().map(|value| value as f32);
            let [x1, y1, x2, y2] = seen.bbox;
            let inside = |low: f32, start: f32, length: f32, high: f32| {
                low <= start + 0.5 + 1e-4 && start + length - 0.5 <= high + 1e-4
            };
            let empty = seen.mask.area() == 0;
            prop_assert!(empty || (inside(x1, x, w, x2) && inside(y1, y, h, y2)), "{seen:?}");
        }

        #[test]
        fn the_whole_image_unchanged_is_the_object_itself(size in [1..40_usize, 1..40_usize], seed: u64) {
            let object = object(&mut stream(seed, Purpose::Augment, 0, 0), size);
            let view = View { from: size, to: size, part: Rectangle::whole(size) };
            prop_assert_eq!(object.seen(&view).unwrap(), object);
        }

        #[test]
        fn turning_moves_box_and_mask_with_the_pixels(
            size in [1..40_usize, 1..40_usize], orientation in 1..=8_u8, seed: u64,
        ) {
            let object = object(&mut stream(seed, Purpose::Augment, 0, 0), size);
            let turned = object.turned(orientation);
            let (upright, bits) = upright(object.mask.to_bitmap(), 1, size, orientation);
            prop_assert_eq!((turned.mask.size(), turned.mask.to_bitmap()), (upright, bits));
            let [x, y, w, h] = turned.mask.bbox().map(|value| value as f32);
            prop_assert_eq!(turned.bbox, [x, y, x + w, y + h]);
            prop_assert_eq!((turned.area, turned.id), (object.area, object.id));
        }

        #[test]
        fn a_flip_mirrors_box_and_mask_and_two_are_none(size in [1..40_usize, 1..40_usize], seed: u64) {
            let object = object(&mut stream(seed, Purpose::Augment, 0, 0), size);
            let flipped = object.flipped();
            let (bits, mirrored) = (object.mask.to_bitmap(), flipped.mask.to_bitmap());
            for (row, mirrored) in bits.chunks(size[1]).zip(mirrored.chunks(size[1])) {
                prop_assert!(row.iter().eq(mirrored.iter().rev()));
            }
            let [x, y, w, h] = flipped.mask.bbox().map(|value| value as f32);
            prop_assert_eq!(flipped.bbox, [x, y, x + w, y + h]);
            prop_assert_eq!(flipped.flipped(), object);
        }
    }

    #[test]
    fn an_empty_mask_stays_empty_when_it_is_turned() {
        for orientation in 1..=8 {
            let mask = turned(&Rle::from_counts(&[12], [3, 4]).unwrap(), orientation);
            assert_eq!((mask.counts(), mask.size()[0] == 4), (&[12][..], orientation > 4));
        }
    }

    #[test]
    fn problems_are_said() {
        let whole = object(&mut stream(0, Purpose::Augment, 0, 0), [6, 8]);
        let problem = |object: Object| object.problem([6, 8], 3, 2).unwrap();
        assert_eq!(
            problem(Object { class: 3, ..whole.clone() }),
            "is of class 3, but there are 3, numbered from 0"
        );
        assert_eq!(
            problem(Object { group: 2, ..whole.clone() }),
            "is of group 2, but there are 2, numbered from 0"
        );
        for bbox in
            [[0.0, 0.0, 8.5, 6.0], [2.0, 1.0, 2.0, 3.0], [0.0, f32::NAN, 1.0, 1.0], [-0.5, 0.0, 1.0, 1.0]]
        {
            assert!(problem(Object { bbox, ..whole.clone() }).contains("empty or not within"));
        }
        let mask = Rle::from_counts(&[40], [5, 8]).unwrap();
        assert_eq!(problem(Object { mask, ..whole }), "has a mask of 5 x 8 pixels");
    }
}
