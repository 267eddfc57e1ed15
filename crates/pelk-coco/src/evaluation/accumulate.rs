//! From the outcomes of all images of a category to precision and recall.

use super::matching::{IGNORED, TRUE_POSITIVE};
use super::settings::Settings;
use rayon::prelude::*;

/// The detections of a category: image after image in the order of the images' ids, in each by falling score.
pub(super) struct Detections {
    pub scores: Vec<f64>,
    /// Place among the detections of its image, from 0.
    pub ranks: Vec<usize>,
    /// `[areas, thresholds, detections]`.
    pub outcomes: Vec<u8>,
    /// The truths that count in each range of areas.
    pub positives: Vec<usize>,
}

/// Results of a category: `[areas, thresholds, limits]`, for the curves with one more axis of the recalls.
/// Entries without truths are -1.
pub(super) struct Curves {
    pub precision: Vec<f64>,
    pub recall: Vec<f64>,
    pub scores: Vec<f64>,
}

impl Detections {
    pub fn curves(&self, settings: &Settings) -> Curves {
        // Stable: equal scores stay in the order of their images.
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        order.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]));
        let within = |&limit: &usize| -> Vec<usize> {
            order.iter().copied().filter(|&i| self.ranks[i] < limit).collect()
        };
        let orders: Vec<Vec<usize>> = settings.max_detections.iter().map(within).collect();
        let (points, thresholds) = (settings.recall_thresholds.len(), settings.iou_thresholds.len());
        let cells: Vec<Curves> = (0..settings.areas.len() * thresholds)
            .into_par_iter()
            .map(|cell| {
                let outcomes = &self.outcomes[cell * self.scores.len()..][..self.scores.len()];
                let positives = self.positives[cell / thresholds];
                let mut curves = Curves::absent(orders.len(), points);
                for (limit, order) in orders.iter().enumerate().filter(|_| positives > 0) {
                    let at = limit * points..(limit + 1) * points;
                    let curve = (&mut curves.precision[at.clone()], &mut curves.scores[at]);
                    curves.recall[limit] =
                        self.curve(order, outcomes, positives, &settings.recall_thresholds, curve);
                }
                curves
            })
            .collect();
        let mut all = Curves { precision: Vec::new(), recall: Vec::new(), scores: Vec::new() };
        for cell in cells {
            all.precision.extend(cell.precision);
            all.recall.extend(cell.recall);
            all.scores.extend(cell.scores);
        }
        all
    }

    /// Writes precisions and scores at the recall points, and returns the last recall (`accumulate` of
    /// pycocotools).
    fn curve(
        &self,
        order: &[usize],
        outcomes: &[u8],
        positives: usize,
        recalls: &[f64],
        (precision, scores): (&mut [f64], &mut [f64]),
    ) -> f64 {
        // Precision only matters where recall grows: it falls in between.
        let (mut hits, mut counted): (Vec<(f64, usize)>, usize) = (Vec::new(), 0);
        for &detection in order {
            let outcome = outcomes[detection];
            counted += usize::from(outcome != IGNORED);
            if outcome == TRUE_POSITIVE {
                let rate = (hits.len() + 1) as f64 / (counted as f64 + f64::EPSILON);
                hits.push((rate, detection));
            }
        }
        let mut highest = 0.0;
        for (rate, _) in hits.iter_mut().rev() {
            highest = f64::max(highest, *rate);
            *rate = highest;
        }
        let recall = |hits: usize| hits as f64 / positives as f64;
        let mut hit = 0;
        for (point, &least) in recalls.iter().enumerate() {
            while hit < hits.len() && recall(hit + 1) < least {
                hit += 1;
            }
            precision[point] = hits.get(hit).map_or(0.0, |&(rate, _)| rate);
            // Recall 0 is reached by the first detection, whatever became of it.
            let detection = if least > 0.0 { hits.get(hit).map(|&(_, i)| i) } else { order.first().copied() };
            scores[point] = detection.map_or(0.0, |detection| self.scores[detection]);
        }
        recall(hits.len())
    }
}

impl Curves {
    pub fn absent(cells: usize, points: usize) -> Curves {
        Curves {
            precision: vec![-1.0; cells * points],
            recall: vec![-1.0; cells],
            scores: vec![-1.0; cells * points],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let default = Settings::default();
        Settings {
            iou_thresholds: vec![0.5],
            recall_thresholds: vec![0.0, 0.25, 0.5, 0.75, 1.0],
            max_detections: vec![1, 100],
            areas: default.areas[..1].to_vec(),
            ..default
        }
    }

    #[test]
    fn precision_is_the_highest_at_this_recall_or_beyond() {
        // By score: false, true, ignored, true, false; four truths.
        let detections = Detections {
            scores: vec![0.9, 0.8, 0.3, 0.7, 0.5],
            ranks: vec![0, 1, 2, 0, 1],
            outcomes: vec![0, 1, 0, 2, 1],
            positives: vec![4],
        };
        let curves = detections.curves(&settings());
        assert_eq!(curves.recall, [0.0, 0.5]);
        // With one detection an image: false, ignored.
        assert_eq!(curves.precision[..5], [0.0; 5]);
        assert_eq!(curves.scores[..5], [0.9, 0.0, 0.0, 0.0, 0.0]);
        // One of two, two of three.
        let high = 2.0 / 3.0;
        assert_eq!(curves.precision[5..], [high, high, high, 0.0, 0.0]);
        assert_eq!(curves.scores[5..], [0.9, 0.8, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn without_truths_there_is_no_entry_and_without_detections_a_zero() {
        let mut detections =
            Detections { scores: vec![], ranks: vec![], outcomes: vec![], positives: vec![0] };
        assert!(detections.curves(&settings()).precision.iter().all(|&value| value == -1.0));
        detections.positives = vec![2];
        let curves = detections.curves(&settings());
        assert_eq!((curves.recall, curves.precision), (vec![0.0; 2], vec![0.0; 10]));
    }
}
