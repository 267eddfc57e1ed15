//! Scenes as images with objects: a detection task without a download ("scenes-instances").

use std::borrow::Cow;

use pelk_coco::Rle;

use super::{Instance, Scenes};
use crate::{DataError, Dataset, Labeling, Object, Properties, Sample};

/// Scenes, composed on request: RGB, with the visible part of each item as an object.
///
/// Classes are those of the items, without background. Boxes lie around the visible pixels. Objects are those
/// that [`write_coco`](crate::write_coco) writes.
#[derive(Debug)]
pub struct SceneInstances {
    scenes: Scenes,
    properties: Properties,
}

impl SceneInstances {
    /// The same scenes with other labels.
    pub fn new(scenes: Scenes) -> Self {
        let labeled = scenes.properties();
        let properties = Properties {
            image_size: labeled.image_size,
            labeling: Labeling::Objects,
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
            let Instance { class, mask, bounds } = instance;
            let mask = Rle::from_bitmap(mask, self.size()).expect("a mask of the scene's size");
            let (rows, columns) = (bounds.rows(), bounds.columns());
            Object {
                id: index as u64 * most as u64 + number,
                class: class - 1,
                bbox: [columns.start, rows.start, columns.end, rows.end].map(|edge| edge as f32),
                area: f64::from(mask.area()),
                mask,
                crowd: false,
            }
        });
        objects.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::scenes;
    use super::*;
    use crate::Split;

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
}
