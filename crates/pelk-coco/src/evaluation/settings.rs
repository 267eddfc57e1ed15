//! What an evaluation measures.

use super::error::EvaluationError;

/// A range of areas in square pixels. Both ends belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaRange {
    /// Its name in the summary.
    pub name: String,
    /// The smallest area.
    pub low: f64,
    /// The largest area.
    pub high: f64,
}

/// What an evaluation measures. The default is COCO's (`Params` of pycocotools).
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// IoU from which a detection matches a truth: by default 0.5, 0.55, .., 0.95.
    pub iou_thresholds: Vec<f64>,
    /// Recalls at which the precision is read off, ascending: by default 0, 0.01, .., 1.
    pub recall_thresholds: Vec<f64>,
    /// Numbers of detections per image and category, ascending: by default 1, 10, 100. Detections with lower
    /// scores than the last number permits do not count at all.
    pub max_detections: Vec<usize>,
    /// Ranges of areas; the first should hold all. By default all, small (up to 32 x 32), medium, large (from
    /// 96 x 96).
    pub areas: Vec<AreaRange>,
    /// Whether a detection matches truths of its own category only. If not, all are one category.
    pub use_categories: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let area = |name: &str, low: f64, high: f64| AreaRange {
            name: name.into(),
            low: low * low,
            high: high * high,
        };
        Settings {
            iou_thresholds: evenly(0.5, 0.95, 10),
            recall_thresholds: evenly(0.0, 1.0, 101),
            max_detections: vec![1, 10, 100],
            areas: vec![
                area("all", 0.0, 1e5),
                area("small", 0.0, 32.0),
                area("medium", 32.0, 96.0),
                area("large", 96.0, 1e5),
            ],
            use_categories: true,
        }
    }
}

/// `count` numbers from `low` to `high`, with the bits of `numpy.linspace`.
fn evenly(low: f64, high: f64, count: usize) -> Vec<f64> {
    let step = (high - low) / (count - 1) as f64;
    (0..count).map(|i| if i + 1 == count { high } else { i as f64 * step + low }).collect()
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), EvaluationError> {
        let shares = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
        let error = |field, expected| Err(EvaluationError::Settings { field, expected });
        if self.iou_thresholds.is_empty() || !shares(&self.iou_thresholds) {
            return error("iou_thresholds", "at least one number, each from 0 to 1");
        }
        let recalls = &self.recall_thresholds;
        if recalls.is_empty() || !shares(recalls) || !recalls.is_sorted() {
            return error("recall_thresholds", "at least one number, each from 0 to 1, in ascending order");
        }
        let limits = &self.max_detections;
        if limits.first().is_none_or(|&first| first == 0) || !limits.is_sorted() {
            return error("max_detections", "at least one number from 1, in ascending order");
        }
        if self.areas.is_empty() || self.areas.iter().any(|area| area.low.is_nan() || area.high.is_nan()) {
            return error("areas", "at least one range, with numbers as its ends");
        }
        Ok(())
    }
}
