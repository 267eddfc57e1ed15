//! Places the items of a scene, and determines which of their pixels are visible.

use std::ops::Range;

use rand::{Rng, RngExt};

use crate::Rectangle;
use crate::canvas::Sprite;

/// The minimum cover for a pixel to belong to an item.
const COVERED: f32 = 0.5;
/// The smallest share of an item's pixels that must lie in the image.
const INSIDE: f64 = 0.6;
/// The smallest share of its square that an item must cover: a few items are too dark to be seen.
const VISIBLE: f64 = 0.1;
/// Positions tried for an item before it is left out.
const ATTEMPTS: usize = 10;

/// The visible part of one item of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its class, an index into the dataset's list.
    pub class: u32,
    /// Whether each pixel of the scene belongs to this item, height x width, row-major: at least half covered
    /// by it, and by no later item.
    pub mask: Vec<bool>,
    /// The bounding box of these pixels.
    pub bounds: Rectangle,
    /// The shelf that it stands on, counted from the top; `None` in a scene without shelves.
    pub shelf: Option<usize>,
}

/// The appearance of an item.
pub(crate) struct Item {
    pub sprite: Sprite,
    pub class: u32,
    /// A factor on each color.
    pub tint: [f32; 3],
    /// The shelf, see [`Instance::shelf`].
    pub shelf: Option<usize>,
}

/// An item and its position.
pub(crate) struct Placed {
    pub item: Item,
    /// Row and column of its first pixel, which may lie outside.
    pub corner: [isize; 2],
    /// The number of pixels of the image that it covers.
    covered: usize,
    /// The number of these that later items hide.
    hidden: usize,
}

/// The items of a scene, from back to front.
pub(crate) struct Layout {
    size: [usize; 2],
    pub placed: Vec<Placed>,
    /// The last item that covers each pixel, by its index in `placed`.
    owners: Vec<Option<usize>>,
}

impl Layout {
    /// An empty scene of `size` pixels, height and width.
    pub fn new(size: [usize; 2]) -> Layout {
        Layout { size, placed: Vec::new(), owners: vec![None; size[0] * size[1]] }
    }

    /// Places an item in front of the others, at the first of ten random positions where enough of it is
    /// inside and where at most a share of `occlusion` of any other item is hidden; or not at all. Its square
    /// lies within the rows of `shelf`, which must be enough for it, or anywhere.
    pub fn place(&mut self, rng: &mut impl Rng, item: Item, shelf: Option<&Range<usize>>, occlusion: f64) {
        let (sprite, side) = (&item.sprite, item.sprite.side());
        let whole =
            sprite.pixels().iter().filter(|&&brightness| Sprite::cover(brightness) >= COVERED).count();
        if (whole as f64) < VISIBLE * (side * side) as f64 {
            return;
        }
        // As far outside as an item that fills its square may lie.
        let outside = ((1.0 - INSIDE) * side as f64) as i64;
        let anywhere = |length: usize| -outside..=length as i64 + outside - side as i64;
        for _ in 0..ATTEMPTS {
            let row = match shelf {
                Some(rows) => rng.random_range(rows.start as i64..=(rows.end - side) as i64),
                None => rng.random_range(anywhere(self.size[0])),
            };
            let corner = [row, rng.random_range(anywhere(self.size[1]))].map(|at| at as isize);
            let covered: Vec<usize> = sprite
                .within(corner, self.size)
                .filter(|&(_, brightness)| Sprite::cover(brightness) >= COVERED)
                .map(|(pixel, _)| pixel)
                .collect();
            if (covered.len() as f64) < INSIDE * whole as f64 {
                continue;
            }
            let mut hides = vec![0; self.placed.len()];
            for owner in covered.iter().filter_map(|&pixel| self.owners[pixel]) {
                hides[owner] += 1;
            }
            let spared = |(placed, hides): (&Placed, &usize)| {
                (placed.hidden + hides) as f64 <= occlusion * placed.covered as f64
            };
            if !self.placed.iter().zip(&hides).all(spared) {
                continue;
            }
            for (placed, hides) in self.placed.iter_mut().zip(hides) {
                placed.hidden += hides;
            }
            for &pixel in &covered {
                self.owners[pixel] = Some(self.placed.len());
            }
            self.placed.push(Placed { item, corner, covered: covered.len(), hidden: 0 });
            return;
        }
    }

    /// The class of the item that each pixel shows, or 0 for background.
    pub fn labels(&self) -> Vec<u32> {
        self.owners.iter().map(|owner| owner.map_or(0, |number| self.placed[number].item.class)).collect()
    }

    /// The visible parts of all items that are not hidden.
    pub fn instances(&self) -> Vec<Instance> {
        let [height, width] = self.size;
        let instances = self.placed.iter().enumerate().filter(|(_, placed)| placed.hidden < placed.covered);
        instances
            .map(|(number, placed)| {
                let mask: Vec<bool> = self.owners.iter().map(|&owner| owner == Some(number)).collect();
                // First and last row, first and last column.
                let (mut rows, mut columns) = ([height, 0], [width, 0]);
                for place in (0..mask.len()).filter(|&place| mask[place]) {
                    let (y, x) = (place / width, place % width);
                    rows = [rows[0].min(y), rows[1].max(y)];
                    columns = [columns[0].min(x), columns[1].max(x)];
                }
                let bounds = Rectangle {
                    top: rows[0],
                    left: columns[0],
                    height: rows[1] + 1 - rows[0],
                    width: columns[1] + 1 - columns[0],
                };
                Instance { class: placed.item.class, mask, bounds, shelf: placed.item.shelf }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use pelk_random::{Purpose, stream};
    use proptest::prelude::*;

    use super::*;

    /// A white square with a black border, a seventh of its side.
    fn sprite(side: usize) -> Sprite {
        let inside = |at: usize| (2..12).contains(&at);
        let image: Vec<u8> = (0..14 * 14)
            .map(|place| if inside(place / 14) && inside(place % 14) { 255 } else { 0 })
            .collect();
        Sprite::new(&image, 14, side, false)
    }

    fn item(sprite: Sprite, class: u32) -> Item {
        Item { sprite, class, tint: [1.0; 3], shelf: None }
    }

    fn layout(seed: u64, count: usize, side: usize, occlusion: f64) -> Layout {
        let mut rng = stream(seed, Purpose::Compose, 0, 0);
        let mut layout = Layout::new([40, 60]);
        for class in 1..=count as u32 {
            layout.place(&mut rng, item(sprite(side), class), None, occlusion);
        }
        layout
    }

    #[test]
    fn an_item_too_dark_to_be_seen_is_left_out() {
        let mut layout = Layout::new([40, 60]);
        let dark = Sprite::new(&[19; 16], 4, 10, false);
        layout.place(&mut stream(0, Purpose::Compose, 0, 0), item(dark, 1), None, 0.5);
        assert!(layout.placed.is_empty() && layout.instances().is_empty());
    }

    #[test]
    fn items_without_room_are_left_out() {
        let counts = [0.0, 0.5, 1.0].map(|occlusion| layout(1, 40, 20, occlusion).placed.len());
        assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
        assert_eq!(counts[2], 40);
    }

    proptest! {
        #[test]
        fn what_is_seen_is_what_is_covered_and_not_hidden(
            seed: u64, count in 0..12_usize, side in 7..30_usize, occlusion in 0.0..=1.0_f64,
        ) {
            let layout = layout(seed, count, side, occlusion);
            let instances = layout.instances();
            let mut labels = vec![0; 40 * 60];
            for instance in &instances {
                let bounds = instance.bounds;
                let mut touched = [false; 4];
                for place in (0..labels.len()).filter(|&place| instance.mask[place]) {
                    prop_assert_eq!(labels[place], 0, "no pixel is two items'");
                    labels[place] = instance.class;
                    let (y, x) = (place / 60, place % 60);
                    prop_assert!(bounds.rows().contains(&y) && bounds.columns().contains(&x));
                    let first = [y == bounds.top, x == bounds.left];
                    let last = [y + 1 == bounds.rows().end, x + 1 == bounds.columns().end];
                    for (touched, same) in touched.iter_mut().zip(first.into_iter().chain(last)) {
                        *touched |= same;
                    }
                }
                prop_assert_eq!(touched, [true; 4]);
                let seen = instance.mask.iter().filter(|&&seen| seen).count();
                let Placed { item, covered, hidden, .. } =
                    layout.placed.iter().find(|placed| placed.item.class == instance.class).unwrap();
                prop_assert_eq!(seen, covered - hidden);
                prop_assert!(*hidden as f64 <= occlusion * *covered as f64);
                let whole = item.sprite.pixels().iter().filter(|&&b| Sprite::cover(b) >= COVERED).count();
                prop_assert!(*covered as f64 >= INSIDE * whole as f64);
            }
            prop_assert_eq!(labels, layout.labels());
        }
    }
}
