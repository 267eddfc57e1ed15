//! Scenes as images with objects: a detection task without a download ("scenes-instances").

use std::borrow::Cow;

use pelk_coco::Rle;

use super::{Instance, Scenes};
use crate::{DataError, Dataset, Labeling, NO_GROUP, Object, Properties, Rectangle, Sample};

/// Scenes, composed on request: RGB, with the visible part of each item as an object.
///
/// Classes are those of the items, without background. Boxes lie around the visible pixels. Objects are those
/// that [`write_coco`](crate::write_coco) writes.
///
/// On shelves, other items show what an item is. Groups are distances to the nearest of them: from the center
/// of an object's box to that of the nearest other object on its shelf, in pixels. An object that is alone on
/// its shelf is in no group. Without shelves there are no groups, since nothing outside an item reveals its
/// class.
#[derive(Debug)]
pub struct SceneInstances {
    scenes: Scenes,
    properties: Properties,
}

/// The groups and the distances that they end before, in pixels.
const DISTANCES: [(&str, f64); 3] = [("d<16", 16.0), ("d16-32", 32.0), ("d>=32", f64::INFINITY)];

impl SceneInstances {
    /// The same scenes with other labels.
    pub fn new(scenes: Scenes) -> Self {
        let labeled = scenes.properties();
        let properties = Properties {
            image_size: labeled.image_size,
            labeling: Labeling::Objects,
            groups: match scenes.config.shelves {
                [0, 0] => Vec::new(),
                _ => DISTANCES.map(|(name, _)| name.to_owned()).to_vec(),
            },
            ..Properties::new(labeled.channels, labeled.classes[1..].to_vec(), labeled.statistics.clone())
        };
        Self { scenes, properties }
    }
}

impl Dataset for SceneInstances {
    fn len(&self) -> usize {
        self.scenes.len()
    }

    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>, DataError> {
        let scene = self.scenes.scene(index)?;
        let objects = self.scenes.objects(index, &scene.instances);
        Ok(Sample { objects: objects.into(), ..Sample::new(self.scenes.size(), scene.pixels, vec![]) })
    }

    fn objects(&self, index: usize) -> Result<Cow<'_, [Object]>, DataError> {
        let (_, layout) = self.scenes.layout(index)?;
        Ok(self.scenes.objects(index, &layout.instances()).into())
    }
}

impl Scenes {
    /// The instances of scene `index` as objects. An id depends on the scene and the instance alone.
    pub(crate) fn objects(&self, index: usize, instances: &[Instance]) -> Vec<Object> {
        let most = self.config.shelves[1].max(1) * self.config.items[1];
        let objects = (1..).zip(instances).map(|(number, instance)| {
            let Instance { class, mask, bounds, .. } = instance;
            let mask = Rle::from_bitmap(mask, self.size()).expect("a mask of the scene's size");
            let (rows, columns) = (bounds.rows(), bounds.columns());
            Object {
                id: index as u64 * most as u64 + number,
                class: class - 1,
                bbox: [columns.start, rows.start, columns.end, rows.end].map(|edge| edge as f32),
                area: f64::from(mask.area()),
                mask,
                crowd: false,
                group: group(instance, number as usize - 1, instances),
            }
        });
        objects.collect()
    }
}

/// The group of instance number `own`, by the distance to the nearest other one on its shelf.
fn group(instance: &Instance, own: usize, instances: &[Instance]) -> u8 {
    let center = |instance: &Instance| {
        let Rectangle { top, left, height, width } = instance.bounds;
        [top as f64 + height as f64 / 2.0, left as f64 + width as f64 / 2.0]
    };
    let [y, x] = center(instance);
    let others = instances.iter().enumerate().filter(|(number, other)| {
        *number != own && instance.shelf.is_some() && other.shelf == instance.shelf
    });
    let distances = others.map(|(_, other)| {
        let [other_y, other_x] = center(other);
        (y - other_y).hypot(x - other_x)
    });
    let nearest = distances.min_by(f64::total_cmp);
    let group = nearest.and_then(|nearest| DISTANCES.iter().position(|&(_, end)| nearest < end));
    group.map_or(NO_GROUP, |group| group as u8)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{scenes, scenes_of};
    use super::*;
    use crate::{SceneConfig, Split};

    #[test]
    fn objects_are_the_visible_parts_of_items() {
        let (labeled, set) = (scenes(Split::Train, 3, 50), SceneInstances::new(scenes(Split::Train, 3, 50)));
        assert_eq!((set.len(), set.labeling(), set.image_size()), (50, Labeling::Objects, Some([64, 80])));
        assert_eq!(set.classes(), &labeled.classes()[1..]);
        let mut ids = BTreeSet::new();
        for index in 0..50 {
            let (sample, scene) = (set.sample(index).unwrap(), labeled.scene(index).unwrap());
            assert_eq!((&*sample.pixels, &*sample.labels), (&scene.pixels[..], &[][..]));
            assert_eq!(sample.objects, set.objects(index).unwrap());
            assert_eq!(sample.objects.len(), scene.instances.len());
            for (object, instance) in sample.objects.iter().zip(&scene.instances) {
                assert_eq!(
                    (object.class + 1, object.mask.to_bitmap()),
                    (instance.class, instance.mask.clone())
                );
                let [x, y, w, h] = object.mask.bbox().map(|value| value as f32);
                assert_eq!(object.bbox, [x, y, x + w, y + h]);
                assert_eq!((object.area, object.crowd), (f64::from(object.mask.area()), false));
                assert!(ids.insert(object.id) && object.id > 0);
            }
        }
    }

    #[test]
    fn groups_are_distances_to_the_nearest_neighbor_on_the_shelf() {
        let instance = |shelf, [top, left]: [usize; 2], [height, width]: [usize; 2]| Instance {
            class: 1,
            mask: Vec::new(),
            bounds: Rectangle { top, left, height, width },
            shelf,
        };
        // Centers at columns 10, 25, 40 and 72 of one shelf; the last is alone on its shelf.
        let on_shelves = [
            instance(Some(0), [0, 5], [20, 10]),
            instance(Some(0), [0, 20], [20, 10]),
            instance(Some(0), [16, 35], [20, 10]),
            instance(Some(0), [16, 71], [20, 2]),
            instance(Some(1), [20, 8], [20, 10]),
        ];
        let groups = |instances: &[Instance]| -> Vec<u8> {
            instances.iter().enumerate().map(|(own, one)| group(one, own, instances)).collect()
        };
        // 15; 15; the hypotenuse of 15 and 16; 32.
        assert_eq!(groups(&on_shelves), [0, 0, 1, 2, NO_GROUP]);
        let anywhere = on_shelves.map(|one| Instance { shelf: None, ..one });
        assert_eq!(groups(&anywhere), [NO_GROUP; 5]);
    }

    #[test]
    fn scenes_have_objects_of_all_groups_if_they_have_shelves() {
        let set = SceneInstances::new(scenes(Split::Train, 3, 50));
        assert_eq!(set.groups(), ["d<16", "d16-32", "d>=32"]);
        let mut counts = [0; 3];
        for index in 0..50 {
            for object in set.objects(index).unwrap().iter().filter(|object| object.group != NO_GROUP) {
                counts[usize::from(object.group)] += 1;
            }
        }
        assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
        let config = SceneConfig { shelves: [0, 0], ..SceneConfig::default() };
        let without = SceneInstances::new(scenes_of(config, Split::Train, 3, 5));
        assert_eq!(without.groups(), [""; 0]);
        assert!((0..5).all(|index| without.objects(index).unwrap().iter().all(|one| one.group == NO_GROUP)));
    }
}
