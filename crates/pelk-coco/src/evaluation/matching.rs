//! Which detections of one image and category match which truths.

use super::settings::Settings;

/// What became of a detection at an IoU threshold and in a range of areas.
pub(super) const FALSE_POSITIVE: u8 = 0;
pub(super) const TRUE_POSITIVE: u8 = 1;
/// It counts neither way: it matches an ignored truth, or nothing and its area is out of range.
pub(super) const IGNORED: u8 = 2;

/// One image and category. Detections are sorted by falling score.
pub(super) struct Scene {
    /// Area and whether it is a crowd, of each truth. Without an area it is out of every range.
    pub truths: Vec<(Option<f64>, bool)>,
    /// Area of each detection; without one it is out of every range.
    pub detections: Vec<Option<f64>>,
    /// `[detections, truths]`.
    pub ious: Vec<f64>,
}

impl Scene {
    /// What became of the detections, `[areas, thresholds, detections]`, and the number of truths that count
    /// in each range of areas.
    ///
    /// The rules and their order are those of pycocotools' `evaluateImg`.
    pub fn outcomes(&self, settings: &Settings) -> (Vec<u8>, Vec<usize>) {
        let (truths, detections) = (self.truths.len(), self.detections.len());
        let best: Vec<f64> = match truths {
            0 => vec![0.0; detections],
            _ => self.ious.chunks(truths).map(|row| row.iter().fold(0.0, |a: f64, &b| a.max(b))).collect(),
        };
        let mut outcomes =
            Vec::with_capacity(settings.areas.len() * settings.iou_thresholds.len() * detections);
        let mut positives = Vec::with_capacity(settings.areas.len());
        let mut matched = vec![false; truths];
        for range in &settings.areas {
            let outside = |area: Option<f64>| area.is_none_or(|area| area < range.low || area > range.high);
            let ignored: Vec<bool> =
                self.truths.iter().map(|&(area, crowd)| crowd || outside(area)).collect();
            // Those that count come first. The sort is stable.
            let mut order: Vec<usize> = (0..truths).collect();
            order.sort_by_key(|&truth| ignored[truth]);
            positives.push(ignored.iter().filter(|&&ignored| !ignored).count());
            for &threshold in &settings.iou_thresholds {
                let least = threshold.min(1.0 - 1e-10);
                matched.fill(false);
                for (detection, &area) in self.detections.iter().enumerate() {
                    let found = if best[detection] < least {
                        None
                    } else {
                        let ious = &self.ious[detection * truths..][..truths];
                        self.find(ious, least, &order, &ignored, &matched)
                    };
                    if let Some(truth) = found {
                        matched[truth] = true;
                    }
                    outcomes.push(match found {
                        Some(truth) if ignored[truth] => IGNORED,
                        Some(_) => TRUE_POSITIVE,
                        None if outside(area) => IGNORED,
                        None => FALSE_POSITIVE,
                    });
                }
            }
        }
        (outcomes, positives)
    }

    /// The truth that a detection with these overlaps matches. Of equal overlaps the last one wins. An
    /// ignored truth is only taken if none that counts is. A crowd can be taken again.
    fn find(
        &self,
        ious: &[f64],
        least: f64,
        order: &[usize],
        ignored: &[bool],
        matched: &[bool],
    ) -> Option<usize> {
        let (mut best, mut found) = (least, None);
        for &truth in order {
            if matched[truth] && !self.truths[truth].1 {
                continue;
            }
            if found.is_some_and(|found: usize| !ignored[found]) && ignored[truth] {
                break;
            }
            if ious[truth] >= best {
                (best, found) = (ious[truth], Some(truth));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(scene: &Scene, thresholds: &[f64]) -> (Vec<u8>, Vec<usize>) {
        let default = Settings::default();
        let settings =
            Settings { iou_thresholds: thresholds.into(), areas: default.areas[..1].to_vec(), ..default };
        scene.outcomes(&settings)
    }

    #[test]
    fn each_truth_is_taken_once_and_a_crowd_again_and_again() {
        let mut scene = Scene {
            truths: vec![(Some(9.0), false)],
            detections: vec![Some(9.0); 3],
            ious: vec![0.6, 0.9, 0.9],
        };
        assert_eq!(outcomes(&scene, &[0.5, 0.75]), (vec![1, 0, 0, 0, 1, 0], vec![1]));
        scene.truths[0].1 = true;
        assert_eq!(outcomes(&scene, &[0.5, 0.75]), (vec![2, 2, 2, 0, 2, 2], vec![0]));
    }

    #[test]
    fn the_last_of_equal_overlaps_wins_and_what_counts_goes_before_a_crowd() {
        // The first detection takes the second truth, so that the second finds only the first, too far away.
        let scene = Scene {
            truths: vec![(Some(9.0), false); 2],
            detections: vec![Some(9.0); 2],
            ious: vec![0.8, 0.8, 0.2, 0.9],
        };
        assert_eq!(outcomes(&scene, &[0.5]).0, [1, 0]);
        let scene = Scene {
            truths: vec![(Some(9.0), true), (Some(9.0), false)],
            detections: vec![Some(9.0)],
            ious: vec![1.0, 0.6],
        };
        assert_eq!(outcomes(&scene, &[0.5, 0.7]).0, [1, 2]);
    }

    #[test]
    fn a_threshold_of_one_is_met_by_an_overlap_of_one() {
        let scene =
            Scene { truths: vec![(Some(9.0), false)], detections: vec![Some(9.0)], ious: vec![1.0 - 1e-11] };
        assert_eq!(outcomes(&scene, &[1.0]).0, [1]);
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it() {
        let scene =
            Scene { truths: vec![(Some(1024.0), false)], detections: vec![Some(1024.0)], ious: vec![0.0] };
        let settings = Settings { iou_thresholds: vec![0.5], ..Settings::default() };
        assert_eq!(scene.outcomes(&settings), (vec![0, 0, 0, 2], vec![1, 1, 1, 0]));
    }
}
