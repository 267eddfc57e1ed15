//! Anchors: the boxes that the region proposal network starts from.

use crate::error::{DetectionError, Result, check_len, check_positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sizes and shapes of anchors (`AnchorGenerator` of MMDetection 2.11, `center_offset` 0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorSettings {
    /// Pixels of the image between two cells of each level, the finest level first.
    pub strides: Vec<usize>,
    /// Sides of an anchor's square, in strides of its level.
    pub scales: Vec<f32>,
    /// Ratios of height to width.
    pub ratios: Vec<f32>,
}

impl Default for AnchorSettings {
    fn default() -> Self {
        Self { strides: vec![4, 8, 16, 32, 64], scales: vec![8.0], ratios: vec![0.5, 1.0, 2.0] }
    }
}

impl AnchorSettings {
    /// The number of anchors of a cell.
    pub fn per_cell(&self) -> usize {
        self.scales.len() * self.ratios.len()
    }

    /// The anchors of maps of these heights and widths, one map a stride.
    ///
    /// # Errors
    /// When the maps are not one a stride, a list is empty, or one of its numbers is not positive and finite.
    pub fn anchors(&self, maps: &[[usize; 2]]) -> Result<Anchors> {
        for (name, values) in [("scales", &self.scales), ("ratios", &self.ratios)] {
            if values.is_empty() {
                return Err(DetectionError::Setting { name, reason: "is empty".to_owned() });
            }
            if let Some(value) = values.iter().find(|value| !(**value > 0.0 && value.is_finite())) {
                let reason = format!("holds {value}, and must hold positive numbers");
                return Err(DetectionError::Setting { name, reason });
            }
        }
        for &stride in &self.strides {
            check_positive("stride", stride)?;
        }
        check_len("maps", maps.len(), self.strides.len())?;
        let levels = self.strides.iter().zip(maps).map(|(&stride, &map)| self.level(stride, map)).collect();
        Ok(Anchors { levels, maps: maps.to_vec(), per_cell: self.per_cell() })
    }

    fn level(&self, stride: usize, [height, width]: [usize; 2]) -> Vec<[f32; 4]> {
        let sides = |scale: f32, ratio: f32| {
            let (side, root) = (f64::from(scale) * stride as f64, f64::from(ratio).sqrt());
            [side / root, side * root]
        };
        let sides: Vec<[f64; 2]> = self
            .ratios
            .iter()
            .flat_map(|&ratio| self.scales.iter().map(move |&scale| sides(scale, ratio)))
            .collect();
        let mut anchors = Vec::with_capacity(height * width * sides.len());
        for row in 0..height {
            for column in 0..width {
                let (x, y) = ((column * stride) as f64, (row * stride) as f64);
                anchors.extend(sides.iter().map(|[w, h]| {
                    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0].map(|corner| corner as f32)
                }));
            }
        }
        anchors
    }
}

/// The anchors of all levels for one size of the padded image. The order in a level is row, column, ratio,
/// scale: that of a map `[H, W, A]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchors {
    levels: Vec<Vec<[f32; 4]>>,
    maps: Vec<[usize; 2]>,
    per_cell: usize,
}

impl Anchors {
    /// The anchors of each level, the finest first.
    pub fn levels(&self) -> &[Vec<[f32; 4]>] {
        &self.levels
    }

    /// Height and width of the map of each level.
    pub fn maps(&self) -> &[[usize; 2]] {
        &self.maps
    }

    /// The number of anchors of a cell.
    pub fn per_cell(&self) -> usize {
        self.per_cell
    }

    /// The number of anchors of all levels.
    pub fn len(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Whether there is no anchor at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The anchors that are candidates in training: those inside the image `[height, width]` before padding
    /// (`allowed_border` 0), as indices into all levels joined, rising, and their boxes.
    ///
    /// The center of an anchor is its cell's corner, so cells that lie in the padding have none.
    pub fn inside(&self, image: [usize; 2]) -> (Vec<usize>, Vec<[f32; 4]>) {
        let [height, width] = image.map(|side| side as f32);
        let all = self.levels.iter().flatten().enumerate();
        all.filter(|(_, b)| b[0] >= 0.0 && b[1] >= 0.0 && b[2] < width && b[3] < height).unzip()
    }

    /// The level of an anchor, and its index there.
    pub fn locate(&self, mut index: usize) -> Option<(usize, usize)> {
        for (level, anchors) in self.levels.iter().enumerate() {
            if index < anchors.len() {
                return Some((level, index));
            }
            index -= anchors.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_ops::boxes::clamp_to_image;

    #[test]
    fn anchors_are_centered_on_the_corners_of_cells_in_the_order_of_maps() {
        let settings = AnchorSettings { strides: vec![4, 8], scales: vec![1.0, 2.0], ratios: vec![1.0, 4.0] };
        let anchors = settings.anchors(&[[2, 3], [1, 1]]).unwrap();
        assert_eq!((anchors.len(), anchors.per_cell()), (28, 4));
        let level = &anchors.levels()[0];
        assert_eq!(level[0], [-2.0, -2.0, 2.0, 2.0]);
        assert_eq!(level[1], [-4.0, -4.0, 4.0, 4.0]);
        assert_eq!(level[2], [-1.0, -4.0, 1.0, 4.0]); // height is four times the width
        assert_eq!(level[4], [2.0, -2.0, 6.0, 2.0]); // the next column
        assert_eq!(level[12], [-2.0, 2.0, 2.0, 6.0]); // the next row
        assert_eq!(
            [23, 24, 27, 28].map(|i| anchors.locate(i)),
            [Some((0, 23)), Some((1, 0)), Some((1, 3)), None]
        );
    }

    #[test]
    fn the_image_of_800_by_1280_has_the_published_number_of_anchors() {
        let maps = [4, 8, 16, 32, 64].map(|stride| [800usize.div_ceil(stride), 1280 / stride]);
        let anchors = AnchorSettings::default().anchors(&maps).unwrap();
        assert_eq!(anchors.len(), 255_780);
        let (inside, boxes) = anchors.inside([800, 1200]);
        assert_eq!(inside.len(), boxes.len());
        assert!(boxes.iter().all(|b| clamp_to_image(b, [800, 1200]) == *b));
    }

    #[test]
    fn an_anchor_that_touches_the_right_or_lower_edge_is_not_inside() {
        let settings = AnchorSettings { strides: vec![4], scales: vec![2.0], ratios: vec![1.0] };
        let anchors = settings.anchors(&[[3, 3]]).unwrap();
        // Only the anchor at cell (1, 1) reaches from 0 to 8.
        assert!(anchors.inside([8, 8]).0.is_empty());
        assert_eq!(anchors.inside([9, 9]).0, [4]);
    }

    #[test]
    fn settings_that_make_no_anchors_are_errors() {
        let good = AnchorSettings::default();
        let text = |settings: AnchorSettings| settings.anchors(&[[1, 1]; 5]).unwrap_err().to_string();
        assert_eq!(text(AnchorSettings { scales: vec![], ..good.clone() }), "scales is empty");
        assert_eq!(
            text(AnchorSettings { ratios: vec![f32::NAN], ..good.clone() }),
            "ratios holds NaN, and must hold positive numbers"
        );
        assert!(text(AnchorSettings { strides: vec![0; 5], ..good.clone() }).contains("stride"));
        assert_eq!(good.anchors(&[[1, 1]]).unwrap_err().to_string(), "there are 1 maps, expected 5");
    }
}
