//! The twelve numbers, and their lines in COCO's format.

use super::results::{Evaluation, Selection};
use std::fmt;

/// The averages that COCO reports, one a line. `Display` prints them as pycocotools does.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// With the default settings twelve: AP, AP50, AP75, AP of small, medium and large objects; the average
    /// recall (AR) with 1, 10 and 100 detections, and that of small, medium and large objects.
    ///
    /// With others: AP; AP50 and AP75 if these are among the thresholds; AP of each range of areas but the
    /// first; AR with each number of detections; AR of each range of areas but the first.
    pub lines: Vec<SummaryLine>,
}

/// A line of a [`Summary`].
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryLine {
    /// Whether it is an average recall, and not an average precision.
    pub is_recall: bool,
    /// The IoU thresholds, first and last.
    pub ious: [f64; 2],
    /// The name of the range of areas.
    pub area: String,
    /// The number of detections per image and category.
    pub max_detections: usize,
    /// The average; `None` without truths.
    pub value: Option<f64>,
}

impl Evaluation {
    /// COCO's numbers.
    pub fn summary(&self) -> Summary {
        let settings = self.settings();
        let line = |is_recall, selection: Selection| {
            let thresholds = &settings.iou_thresholds;
            let (first, last) = selection.iou.map_or((0, thresholds.len() - 1), |one| (one, one));
            let limit = selection.limit.unwrap_or(settings.max_detections.len() - 1);
            SummaryLine {
                is_recall,
                ious: [thresholds[first], thresholds[last]],
                area: settings.areas[selection.area].name.clone(),
                max_detections: settings.max_detections[limit],
                value: if is_recall {
                    self.average_recall(selection)
                } else {
                    self.average_precision(selection)
                },
            }
        };
        let all = Selection::default();
        let at = |iou: f64| settings.iou_thresholds.iter().position(|one| (one - iou).abs() < 1e-9);
        let ious = [0.5, 0.75].into_iter().filter_map(at).map(|iou| Selection { iou: Some(iou), ..all });
        let areas = (1..settings.areas.len()).map(|area| Selection { area, ..all });
        let limits = (0..settings.max_detections.len()).map(|limit| Selection { limit: Some(limit), ..all });
        let precisions = std::iter::once(all).chain(ious).chain(areas.clone()).map(|one| line(false, one));
        let recalls = limits.chain(areas).map(|one| line(true, one));
        Summary { lines: precisions.chain(recalls).collect() }
    }
}

impl Summary {
    /// The values in the order of the lines; -1 without truths, as in pycocotools.
    pub fn values(&self) -> Vec<f64> {
        self.lines.iter().map(|line| line.value.unwrap_or(-1.0)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for SummaryLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, short) =
            if self.is_recall { ("Average Recall", "(AR)") } else { ("Average Precision", "(AP)") };
        let [first, last] = self.ious;
        let ious = if first == last { format!("{first:.2}") } else { format!("{first:.2}:{last:.2}") };
        let (area, limit, value) = (&self.area, self.max_detections, self.value.unwrap_or(-1.0));
        write!(
            f,
            " {title:<18} {short} @[ IoU={ious:<9} | area={area:>6} | maxDets={limit:>3} ] = {value:.3}"
        )
    }
}
