//! The tables that an evaluation fills, and their averages.

use super::accumulate::Curves;
use super::settings::Settings;

/// Precision and recall of every category, IoU threshold, range of areas and number of detections.
///
/// Positions are those in the [`Settings`]; categories are in the order of their ids. A category without
/// truths in a range of areas has no entries there, and no part in averages.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    settings: Settings,
    categories: Vec<u64>,
    /// `[categories, areas, thresholds, limits, recalls]`.
    precision: Vec<f64>,
    scores: Vec<f64>,
    /// `[categories, areas, thresholds, limits]`.
    recall: Vec<f64>,
}

/// What an average is taken over. The default is everything, in the first range of areas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// Position of the IoU threshold; `None` for all.
    pub iou: Option<usize>,
    /// Position of the category; `None` for all.
    pub category: Option<usize>,
    /// Position of the range of areas.
    pub area: usize,
    /// Position of the number of detections; `None` for the last.
    pub limit: Option<usize>,
}

impl Evaluation {
    pub(super) fn new(settings: Settings, categories: Vec<u64>, curves: Vec<Curves>) -> Evaluation {
        let (mut precision, mut scores, mut recall) = (Vec::new(), Vec::new(), Vec::new());
        for category in curves {
            precision.extend(category.precision);
            scores.extend(category.scores);
            recall.extend(category.recall);
        }
        let categories = if settings.use_categories { categories } else { Vec::new() };
        Evaluation { settings, categories, precision, scores, recall }
    }

    /// What was measured.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ids of the categories, ascending; none if all were evaluated as one.
    pub fn categories(&self) -> &[u64] {
        &self.categories
    }

    /// The precision at each of the recall thresholds, or `None` without truths: the highest at this recall
    /// or beyond, 0 if the recall is not reached.
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn precision(&self, iou: usize, category: usize, area: usize, limit: usize) -> Option<&[f64]> {
        self.curve(&self.precision, self.cell(iou, category, area, limit))
    }

    /// The score from which on detections must be taken to reach each of the recall thresholds, or `None`
    /// without truths; 0 if the recall is not reached.
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn scores(&self, iou: usize, category: usize, area: usize, limit: usize) -> Option<&[f64]> {
        self.curve(&self.scores, self.cell(iou, category, area, limit))
    }

    /// The recall of all detections, or `None` without truths.
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn recall(&self, iou: usize, category: usize, area: usize, limit: usize) -> Option<f64> {
        let cell = self.cell(iou, category, area, limit);
        self.present(cell).then(|| self.recall[cell])
    }

    /// The average precision: the mean over recall thresholds, and over what else `selection` leaves open.
    /// `None` if there are no truths (pycocotools: -1).
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn average_precision(&self, selection: Selection) -> Option<f64> {
        let points = self.settings.recall_thresholds.len() as f64;
        let curves = self.cells(selection).filter_map(|cell| self.curve(&self.precision, cell));
        mean(curves.map(|curve| curve.iter().sum::<f64>() / points))
    }

    /// The average recall: the mean over what `selection` leaves open. `None` if there are no truths.
    ///
    /// # Panics
    /// If a position is out of range.
    pub fn average_recall(&self, selection: Selection) -> Option<f64> {
        mean(self.cells(selection).filter(|&cell| self.present(cell)).map(|cell| self.recall[cell]))
    }

    /// The number of categories in the tables: 1 if all were evaluated as one.
    fn rows(&self) -> usize {
        if self.settings.use_categories { self.categories.len() } else { 1 }
    }

    fn cell(&self, iou: usize, category: usize, area: usize, limit: usize) -> usize {
        let (areas, thresholds) = (self.settings.areas.len(), self.settings.iou_thresholds.len());
        let limits = self.settings.max_detections.len();
        assert!(
            iou < thresholds && category < self.rows() && area < areas && limit < limits,
            "IoU {iou}, category {category}, area {area}, limit {limit} are not all below {thresholds}, {}, \
             {areas}, {limits}",
            self.rows()
        );
        ((category * areas + area) * thresholds + iou) * limits + limit
    }

    fn cells(&self, selection: Selection) -> impl Iterator<Item = usize> {
        let range = |fixed: Option<usize>, all: usize| fixed.map_or(0..all, |one| one..one + 1);
        let limit = selection.limit.unwrap_or(self.settings.max_detections.len() - 1);
        let thresholds = range(selection.iou, self.settings.iou_thresholds.len());
        range(selection.category, self.rows()).flat_map(move |category| {
            thresholds.clone().map(move |iou| self.cell(iou, category, selection.area, limit))
        })
    }

    fn present(&self, cell: usize) -> bool {
        self.recall[cell] >= 0.0
    }

    fn curve<'a>(&self, values: &'a [f64], cell: usize) -> Option<&'a [f64]> {
        let points = self.settings.recall_thresholds.len();
        self.present(cell).then(|| &values[cell * points..][..points])
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
