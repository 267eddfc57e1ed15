//! Which annotations become objects.

use pelk_coco::{Annotation, Rle, Segmentation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resize::LONGEST;
use crate::{DataError, NO_GROUP, Object};

/// Which images and objects of annotation files are used, and how batches of images with objects are padded.
/// The defaults are MMDetection's, which has no `max_objects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectConfig {
    /// Leave images without any annotation out of training.
    pub skip_empty: bool,
    /// Smallest shorter side of an image, in pixels; smaller images are left out of training.
    pub min_side: usize,
    /// Largest number of objects of a training image, at least 1; of more, those with the largest areas are
    /// kept.
    pub max_objects: usize,
    /// Images are padded with the mean color, below and on the right, to multiples of this many pixels, 1 to
    /// 32768, and to the largest image of their batch.
    pub size_divisor: usize,
}

impl Default for ObjectConfig {
    fn default() -> Self {
        Self { skip_empty: true, min_side: 32, max_objects: 1000, size_divisor: 32 }
    }
}

impl ObjectConfig {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate(&self) -> Result<(), DataError> {
        if self.max_objects == 0 {
            return Err(DataError::config("max_objects", self.max_objects, "at least 1"));
        }
        if !(1..=LONGEST).contains(&self.size_divisor) {
            return Err(DataError::config("size_divisor", self.size_divisor, format!("1 to {LONGEST}")));
        }
        Ok(())
    }
}

pub(super) const SMALL: &str = "the box or the area is empty, or the box is less than a pixel wide or high";

/// The object of an annotation in an image of this size, or why it is left out: the rules of MMDetection,
/// with boxes clipped to the image.
pub(super) fn object(
    annotation: Annotation,
    size @ [height, width]: [usize; 2],
    class: u32,
) -> Result<Object, &'static str> {
    let Annotation { id, bbox: [x, y, w, h], area, crowd, ignore, segmentation, .. } = annotation;
    if ignore {
        return Err("`ignore` is set");
    }
    if area <= 0.0 || w < 1.0 || h < 1.0 {
        return Err(SMALL);
    }
    let clip = |value: f64, limit: usize| value.clamp(0.0, limit as f64) as f32;
    let bbox = [clip(x, width), clip(y, height), clip(x + w, width), clip(y + h, height)];
    if bbox[0] >= bbox[2] || bbox[1] >= bbox[3] {
        return Err("the box is outside the image");
    }
    let mask = mask(segmentation).filter(|mask| mask.size() == size);
    let mask = mask.ok_or("there is no segmentation")?;
    Ok(Object { id, class, bbox, mask, crowd, area, group: NO_GROUP })
}

/// The mask of an annotation, whose polygons became runs when it was read.
pub(super) fn mask(segmentation: Option<Segmentation>) -> Option<Rle> {
    match segmentation {
        Some(Segmentation::Counts(mask) | Segmentation::Packed(mask)) => Some(mask),
        Some(Segmentation::Polygons(_)) | None => None,
    }
}

/// Removes all but the `most` objects with the largest areas, not counting crowds; returns the ids of the
/// others.
pub(super) fn keep_largest(objects: &mut Vec<Object>, most: usize) -> Vec<u64> {
    let mut single: Vec<&Object> = objects.iter().filter(|object| !object.crowd).collect();
    single.sort_by(|a, b| b.area.total_cmp(&a.area));
    let removed: Vec<u64> = single.iter().skip(most).map(|object| object.id).collect();
    objects.retain(|object| !removed.contains(&object.id));
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(bbox: [f64; 4]) -> Annotation {
        let mask = Rle::from_counts(&[10, 20, 30], [6, 10]).unwrap();
        let segmentation = Some(Segmentation::Packed(mask));
        Annotation {
            id: 4,
            image_id: 1,
            category_id: 2,
            bbox,
            area: 9.0,
            crowd: false,
            ignore: false,
            segmentation,
        }
    }

    #[test]
    fn boxes_are_clipped_and_degenerate_ones_are_none() {
        let read = |annotation| object(annotation, [6, 10], 3).map(|object| object.bbox);
        assert_eq!(read(annotation([1.5, 2.0, 3.0, 1.25])).unwrap(), [1.5, 2.0, 4.5, 3.25]);
        assert_eq!(read(annotation([-2.0, 4.0, 30.0, 3.0])).unwrap(), [0.0, 4.0, 10.0, 6.0]);
        let base = || annotation([1.0, 1.0, 2.0, 2.0]);
        for (annotation, expected) in [
            (annotation([1.0, 1.0, 0.9, 2.0]), "less than a pixel"),
            (annotation([1.0, 1.0, 2.0, 0.5]), "less than a pixel"),
            (Annotation { area: 0.0, ..base() }, "less than a pixel"),
            (annotation([10.0, 1.0, 2.0, 2.0]), "outside"),
            (annotation([1.0, -3.0, 2.0, 3.0]), "outside"),
            (annotation([10.0 - 1e-12, 1.0, 2.0, 2.0]), "outside"),
            (Annotation { ignore: true, ..base() }, "`ignore`"),
            (Annotation { segmentation: None, ..base() }, "no segmentation"),
        ] {
            let reason = read(annotation).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn the_largest_objects_are_kept_in_their_order() {
        let object =
            |id, area| Object { id, area, ..object(annotation([1.0, 1.0, 2.0, 2.0]), [6, 10], 0).unwrap() };
        let crowd = Object { crowd: true, ..object(9, 0.5) };
        let mut objects = vec![object(1, 5.0), object(2, 7.0), crowd, object(3, 1.0), object(4, 6.0)];
        assert_eq!(keep_largest(&mut objects, 3), [3]);
        assert_eq!(objects.iter().map(|object| object.id).collect::<Vec<_>>(), [1, 2, 9, 4]);
        assert!(keep_largest(&mut objects, 3).is_empty());
    }

    #[test]
    fn fields_out_of_range_are_named() {
        let base = ObjectConfig::default;
        for (config, start) in [
            (ObjectConfig { max_objects: 0, ..base() }, "max_objects is 0, but must be"),
            (ObjectConfig { size_divisor: 0, ..base() }, "size_divisor is 0, but must be"),
            (ObjectConfig { size_divisor: 1 << 16, ..base() }, "size_divisor is 65536, but must be"),
        ] {
            assert!(config.validate().unwrap_err().to_string().starts_with(start));
        }
        assert!(base().validate().is_ok());
    }
}
