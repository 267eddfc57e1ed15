//! A task whose answer lies at a controlled distance, to test how far a network can see ("cue broadcast").
//!
//! A canvas shows eight items of Fashion-MNIST in eight of its 4 x 4 slots. One of them, the cue, is tinted
//! red. The class of *every* item's cells is that of the cue: an item's own class does not matter, so the
//! answer must travel from the cue to the item. Items are measured separately by their distance to the cue in
//! slots (the larger of rows and columns), six cells each. A network that sees only an item's own slot is
//! right by chance, one time in four.

use std::borrow::Cow;
use std::sync::Arc;

use pelk_random::{Purpose, stream};
use rand::{Rng, RngExt};

use crate::canvas::{Canvas, Sprite};
use crate::{DataError, Dataset, ImageDataset, Labeling, NO_GROUP, Normalization, Properties, Sample, Split};

/// Slots in a row and in a column.
const SLOTS: usize = 4;
/// Side of a slot, in pixels.
const SLOT: usize = 24;
/// Side of the canvas, in pixels.
const SIDE: usize = SLOTS * SLOT;
/// Side of a cell, in pixels; each cell has one label. It is the stride of a network's stem.
const CELL: usize = 4;
/// Cells in a row and in a column.
const CELLS: usize = SIDE / CELL;
/// Items on a canvas.
const ITEMS: usize = 8;
/// Sides of items, in pixels.
const SIZES: std::ops::RangeInclusive<usize> = 18..=22;
/// Side of the background's blocks, in pixels.
const BLOCK: usize = 12;
/// Standard deviation of the background's noise, on the scale 0 to 255.
const NOISE: f32 = 12.0;
/// Factors for the cue's colors.
const TINT: [f32; 3] = [1.15, 0.25, 0.25];
/// The minimum mean cover for a cell to belong to an item.
const COVERED: f32 = 0.5;
/// Classes that are easy to tell apart: T-shirt, trouser, sneaker, bag.
const CLASSES: [u32; 4] = [0, 1, 7, 8];

/// Canvases of the long-range task, composed on request: 96 x 96 x 3 pixels, 24 x 24 labels.
///
/// Label 0 is background, the others are the four classes. Groups are distances from the cue, `d1` to `d3`;
/// the cue's own cells and the background belong to no group.
#[derive(Debug)]
pub struct LongRange {
    items: Arc<ImageDataset>,
    /// The items of each class.
    by_class: [Vec<usize>; CLASSES.len()],
    seed: u64,
    split: Split,
    len: usize,
    properties: Properties,
}

/// An item and its position on the canvas.
struct Placed {
    sprite: Sprite,
    /// Row and column of the slot.
    slot: [usize; 2],
    /// Row and column of the first pixel.
    corner: [usize; 2],
}

/// A canvas before it is drawn. The first item is the cue.
struct Layout {
    items: Vec<Placed>,
    label: u32,
}

impl LongRange {
    /// `len` canvases of the items of Fashion-MNIST's `split`. Equal seeds give equal canvases; training and
    /// test canvases share neither items nor random draws.
    ///
    /// # Errors
    /// [`DataError::Config`] if `len` is 0, or the items are not Fashion-MNIST's: square, gray, some of each
    /// class.
    pub fn new(
        items: Arc<ImageDataset>,
        split: Split,
        seed: u64,
        len: usize,
    ) -> Result<LongRange, DataError> {
        if len == 0 {
            return Err(DataError::config("canvases", len, "at least 1"));
        }
        let [height, width, channels] = items.shape();
        if height != width || channels != 1 {
            return Err(DataError::config(
                "the size of the items",
                format!("{height} x {width} x {channels}"),
                "square and gray",
            ));
        }
        let by_class = CLASSES
            .map(|class| (0..items.len()).filter(|&item| items.label(item) == class).collect::<Vec<_>>());
        if let Some(place) = by_class.iter().position(Vec::is_empty) {
            let expected = format!("at least 1, also for class {}, as in Fashion-MNIST", CLASSES[place]);
            return Err(DataError::config("the number of items of a class", 0, expected));
        }
        let names = CLASSES.iter().map(|&class| items.classes()[class as usize].clone());
        let classes = std::iter::once("background".to_owned()).chain(names).collect();
        let groups = (1..SLOTS).map(|distance| format!("d{distance}")).collect();
        // The same for every seed, so that runs are comparable.
        let statistics = Normalization { mean: vec![0.45; 3], std: vec![0.25; 3] };
        let properties = Properties {
            image_size: Some([SIDE, SIDE]),
            labeling: Labeling::Pixels { stride: CELL },
            background: Some(0),
            groups,
            ..Properties::new(3, classes, statistics)
        };
        Ok(LongRange { items, by_class, seed, split, len, properties })
    }

    fn layout(&self, rng: &mut impl Rng) -> Layout {
        let mut slots: Vec<usize> = (0..SLOTS * SLOTS).collect();
        let mut label = 0;
        let place = |i: usize| {
            let other = rng.random_range(i..slots.len());
            slots.swap(i, other);
            let slot = [slots[i] / SLOTS, slots[i] % SLOTS];
            let class = rng.random_range(0..CLASSES.len());
            let item = self.by_class[class][rng.random_range(0..self.by_class[class].len())];
            let side = rng.random_range(SIZES);
            let mirrored = rng.random();
            let room = SLOT - side;
            // The cue is centered in its slot, so that distances to it vary less.
            let offset = match i {
                0 => [room / 2; 2],
                _ => [rng.random_range(0..=room), rng.random_range(0..=room)],
            };
            if i == 0 {
                label = class as u32 + 1;
            }
            Placed {
                sprite: Sprite::new(self.items.image(item), self.items.shape()[0], side, mirrored),
                slot,
                corner: [slot[0] * SLOT + offset[0], slot[1] * SLOT + offset[1]],
            }
        };
        let items = (0..ITEMS).map(place).collect();
        Layout { items, label }
    }
}

impl Layout {
    /// Labels and groups of all cells.
    fn labels(&self) -> (Vec<u32>, Vec<u8>) {
        let (mut labels, mut groups) = (vec![0; CELLS * CELLS], vec![NO_GROUP; CELLS * CELLS]);
        let cue = self.items[0].slot;
        for item in &self.items {
            let [rows, columns] = [0, 1].map(|axis| item.slot[axis].abs_diff(cue[axis]));
            let distance = rows.max(columns);
            // An item lies within its slot, whose cells are whole.
            let cells = |axis: usize| item.slot[axis] * SLOT / CELL..(item.slot[axis] + 1) * SLOT / CELL;
            for row in cells(0) {
                for column in cells(1) {
                    let from = |cell: usize, axis: usize| (cell * CELL) as isize - item.corner[axis] as isize;
                    if item.sprite.cover_of([from(row, 0), from(column, 1)], CELL) >= COVERED {
                        labels[row * CELLS + column] = self.label;
                        if distance > 0 {
                            groups[row * CELLS + column] = distance as u8 - 1;
                        }
                    }
                }
            }
        }
        (labels, groups)
    }
}

impl Dataset for LongRange {
    fn len(&self) -> usize {
        self.len
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let split = match self.split {
            Split::Train => 0,
            Split::Test => 1,
        };
        let mut rng = stream(self.seed, Purpose::Compose, split, index as u64);
        let layout = self.layout(&mut rng);
        let mut canvas = Canvas::blocks(&mut rng, SIDE, BLOCK, NOISE);
        for (i, item) in layout.items.iter().enumerate() {
            canvas.paste(
                &item.sprite,
                item.corner.map(|at| at as isize),
                if i == 0 { TINT } else { [1.0; 3] },
            );
        }
        let (labels, groups) = layout.labels();
        Ok(Sample { groups: Cow::Owned(groups), ..Sample::new([SIDE, SIDE], canvas.into_bytes(), labels) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White squares with a black border, of the ten classes in turn.
    fn items() -> Arc<ImageDataset> {
        let image = (0..28 * 28).map(|place| {
            let inside = |at: usize| (4..24).contains(&at);
            if inside(place / 28) && inside(place % 28) { 200 } else { 0 }
        });
        let pixels = image.collect::<Vec<u8>>().repeat(20);
        let classes = (0..10).map(|class| format!("class {class}")).collect();
        let labels = (0..20).map(|i| i % 10).collect();
        Arc::new(ImageDataset::new("a test", [28, 28, 1], pixels, labels, classes).unwrap())
    }

    fn canvases(split: Split, seed: u64) -> LongRange {
        LongRange::new(items(), split, seed, 300).unwrap()
    }

    #[test]
    fn a_canvas_depends_on_seed_split_and_index_only() {
        let canvases = [canvases(Split::Train, 1), canvases(Split::Train, 2), canvases(Split::Test, 1)];
        let sample = |i: usize, index| canvases[i].sample(index).unwrap();
        assert_eq!(sample(0, 7), sample(0, 7));
        for (i, index) in [(0, 8), (1, 7), (2, 7)] {
            assert_ne!(sample(0, 7).pixels, sample(i, index).pixels);
        }
        let shorter = LongRange::new(items(), Split::Train, 1, 8).unwrap();
        assert_eq!(shorter.sample(7).unwrap(), sample(0, 7), "not on the number of canvases");
    }

    #[test]
    fn every_item_has_the_cue_s_class_and_the_distance_of_its_slot() {
        let canvases = canvases(Split::Train, 3);
        let mut seen = [0; 5];
        for index in 0..100 {
            let sample = canvases.sample(index).unwrap();
            let class = *sample.labels.iter().max().unwrap();
            seen[class as usize] += 1;
            assert!(sample.labels.iter().all(|&label| label == 0 || label == class));
            // Cells of items, slot by slot: red is where the cue is.
            let mut cells = [0; SLOTS * SLOTS];
            let mut cue = None;
            for (cell, (&label, &group)) in sample.labels.iter().zip(&*sample.groups).enumerate() {
                let slot = cell / CELLS / 6 * SLOTS + cell % CELLS / 6;
                let middle = (cell / CELLS * CELL + 2) * SIDE + cell % CELLS * CELL + 2;
                let pixel = &sample.pixels[middle * 3..][..3];
                if label > 0 {
                    cells[slot] += 1;
                    if group == NO_GROUP {
                        assert!(pixel[0] > pixel[1] + 50, "the cue is red: {pixel:?}");
                        assert!(cue.is_none_or(|cue| cue == slot));
                        cue = Some(slot);
                    }
                } else {
                    assert_eq!(group, NO_GROUP);
                }
            }
            let cue = cue.expect("there is a cue");
            assert_eq!(cells.iter().filter(|&&count| count > 0).count(), ITEMS);
            // A square of 20/28 of 18 to 22 pixels.
            assert!(cells.iter().all(|&count| count == 0 || (9..=25).contains(&count)), "{cells:?}");
            for (cell, &group) in sample.groups.iter().enumerate().filter(|(_, group)| **group != NO_GROUP) {
                let slot = [cell / CELLS / 6, cell % CELLS / 6];
                let distance = slot[0].abs_diff(cue / SLOTS).max(slot[1].abs_diff(cue % SLOTS));
                assert_eq!(usize::from(group), distance - 1);
            }
        }
        assert!(seen[0] == 0 && seen[1..].iter().all(|&count| count > 10), "{seen:?}");
    }

    #[test]
    fn unsuitable_items_are_refused() {
        let text = |items, len| LongRange::new(items, Split::Train, 0, len).unwrap_err().to_string();
        assert!(text(items(), 0).contains("canvases is 0"));
        let make = |shape: [usize; 3], labels: Vec<u32>| {
            let classes = (0..10).map(|class| class.to_string()).collect();
            let pixels = vec![0; labels.len() * shape.iter().product::<usize>()];
            Arc::new(ImageDataset::new("a test", shape, pixels, labels, classes).unwrap())
        };
        assert!(text(make([2, 3, 1], vec![0, 1, 7, 8]), 1).contains("square and gray"));
        assert!(text(make([2, 2, 1], vec![0, 1, 8]), 1).contains("also for class 7"));
    }
}
