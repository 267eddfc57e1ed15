//! The configuration of scenes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// The largest number of shelves in a scene, and of items on a shelf.
const MOST: usize = 1000;
/// The longest side of a scene, in pixels.
const LONGEST: usize = 1 << 13;

/// Configuration of [`Scenes`](crate::Scenes).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// Height and width of a scene, each 1 to 8192 pixels.
    pub size: [usize; 2],
    /// Smallest and largest number of shelves, 1 to 1000, of equal height, with items of one class each; `[0,
    /// 0]` for no shelves and items of any class.
    pub shelves: [usize; 2],
    /// Smallest and largest number of items per shelf, or per scene without shelves, 1 to 1000; items that do
    /// not fit are left out.
    pub items: [usize; 2],
    /// Smallest and largest side of an item, in pixels, from 1 to the scene's shorter side; its logarithm is
    /// uniform, and the height of the shelf limits it.
    pub sides: [usize; 2],
    /// Largest share of an item's pixels that items in front may hide, 0 to 1; an item that would hide more
    /// is moved, and left out after ten attempts.
    pub occlusion: f64,
    /// Strength of the background's texture, 0 (one color) to 1.
    pub texture: f64,
    /// Standard deviation of the noise on all pixels, 0 to 128 on the scale 0 to 255.
    pub noise: f64,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self {
            size: [96, 96],
            shelves: [2, 4],
            items: [2, 5],
            sides: [20, 56],
            occlusion: 0.5,
            texture: 0.6,
            noise: 8.0,
        }
    }
}

impl SceneConfig {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field.
    pub fn validate(&self) -> Result<(), DataError> {
        let ordered = |[least, most]: [usize; 2], limit| 1 <= least && least <= most && most <= limit;
        let [height, width] = self.size;
        if !self.size.iter().all(|side| (1..=LONGEST).contains(side)) {
            let expected = format!("height and width, each from 1 to {LONGEST} pixels");
            return Err(DataError::config("size", self.size, expected));
        }
        if !ordered(self.items, MOST) {
            let expected = format!("two numbers from 1 to {MOST}, the smaller first");
            return Err(DataError::config("items", self.items, expected));
        }
        let side = height.min(width);
        if !ordered(self.sides, side) {
            let expected =
                format!("two numbers of pixels from 1 to {side}, the scene's side, the smaller first");
            return Err(DataError::config("sides", self.sides, expected));
        }
        let most = (height / self.sides[0]).min(MOST);
        if self.shelves != [0, 0] && !ordered(self.shelves, most) {
            let expected = format!(
                "[0, 0] for none, or two numbers from 1 to {most}, the smaller first: the smallest item, of \
                 {} pixels, must fit on a shelf of a scene {height} pixels high",
                self.sides[0]
            );
            return Err(DataError::config("shelves", self.shelves, expected));
        }
        for (field, value, most) in
            [("occlusion", self.occlusion, 1.0), ("texture", self.texture, 1.0), ("noise", self.noise, 128.0)]
        {
            if !(0.0..=most).contains(&value) {
                return Err(DataError::config(field, value, format!("from 0 to {most}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_out_of_range_are_named() {
        let base = SceneConfig::default;
        for (config, start) in [
            (SceneConfig { size: [0, 96], ..base() }, "size is [0, 96]"),
            (SceneConfig { size: [96, 1 << 14], ..base() }, "size is [96, 16384]"),
            (SceneConfig { shelves: [0, 2], ..base() }, "shelves is [0, 2]"),
            (
                SceneConfig { shelves: [2, 5], ..base() },
                "shelves is [2, 5], but must be [0, 0] for none, or two numbers from 1 to 4",
            ),
            (SceneConfig { items: [0, 3], ..base() }, "items is [0, 3]"),
            (SceneConfig { items: [4, 3], ..base() }, "items is [4, 3]"),
            (SceneConfig { sides: [20, 97], ..base() }, "sides is [20, 97]"),
            (SceneConfig { occlusion: -0.1, ..base() }, "occlusion is -0.1"),
            (SceneConfig { texture: f64::NAN, ..base() }, "texture is NaN"),
            (SceneConfig { noise: 129.0, ..base() }, "noise is 129.0"),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(start) && error.contains("must be"), "{error}");
        }
    }

    #[test]
    fn configurations_are_read_strictly() {
        let read = |text: &str| toml::from_str::<SceneConfig>(text);
        assert_eq!(read("").unwrap(), SceneConfig::default());
        assert_eq!(read("sides = [8, 16]").unwrap(), SceneConfig { sides: [8, 16], ..Default::default() });
        assert!(read("side = 8").unwrap_err().to_string().contains("unknown field `side`"));
    }
}
