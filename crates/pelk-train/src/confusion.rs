//! The confusion matrix of a classifier and the metrics computed from it.

/// Counts of labels by their class and the class that was predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// One row per true class, one column per predicted class.
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts a label.
    ///
    /// # Panics
    /// When a class is not below [`Confusion::classes`].
    pub fn add(&mut self, class: usize, predicted: usize) {
        let highest = class.max(predicted);
        assert!(highest < self.classes, "class {highest} of {}", self.classes);
        self.counts[class * self.classes + predicted] += 1;
    }

    /// Adds the counts of another matrix with the same number of classes.
    ///
    /// # Panics
    /// When the numbers of classes differ.
    pub fn merge(&mut self, other: &Confusion) {
        assert_eq!(self.classes, other.classes, "both have the same classes");
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
    }

    /// Number of labels of `class` for which `predicted` was predicted.
    pub fn count(&self, class: usize, predicted: usize) -> u64 {
        self.counts[class * self.classes + predicted]
    }

    /// Number of labels of `class`.
    pub fn labels(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    /// Number of labels for which `class` was predicted.
    pub fn predictions(&self, class: usize) -> u64 {
        (0..self.classes).map(|label| self.count(label, class)).sum()
    }

    /// Number of all labels.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of labels whose class was predicted (aAcc in segmentation); `None` without labels.
    pub fn accuracy(&self) -> Option<f64> {
        let correct: u64 = (0..self.classes).map(|class| self.count(class, class)).sum();
        share(correct, self.total())
    }

    /// Share of a class's labels for which it was predicted (Acc in segmentation); `None` without labels.
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), self.labels(class))
    }

    /// Share of a class's predictions that are correct; `None` without predictions.
    pub fn precision(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), self.predictions(class))
    }

    /// Intersection over union of a class: its correct labels, divided by the labels that have the class or
    /// got it as prediction; `None` without such labels.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let both = self.count(class, class);
        share(both, self.labels(class) + self.predictions(class) - both)
    }

    /// Mean of [`Confusion::recall`] over the classes that have one (mAcc); `None` if none has.
    pub fn mean_recall(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.recall(class)))
    }

    /// Mean of [`Confusion::iou`] over the classes that have one (mIoU); `None` if none has.
    pub fn mean_iou(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.iou(class)))
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_random::{Purpose, stream};
    use rand::RngExt;
    use std::collections::BTreeSet;

    /// Two label maps with some positions that do not count and some classes that do not occur.
    fn maps(index: u64) -> (usize, Vec<Option<usize>>, Vec<usize>) {
        let mut rng = stream(1, Purpose::Augment, 0, index);
        let classes = rng.random_range(1..12);
        let places = rng.random_range(1..400);
        let present = rng.random_range(1..=classes);
        let truth: Vec<_> =
            (0..places).map(|_| (rng.random::<f32>() > 0.15).then(|| rng.random_range(0..present))).collect();
        let predicted = truth
            .iter()
            .map(|label| match label {
                Some(label) if rng.random::<f32>() < 0.6 => *label,
                _ => rng.random_range(0..classes),
            })
            .collect();
        (classes, truth, predicted)
    }

    /// Mean IoU, mean recall and accuracy, computed from the sets of positions of each class.
    fn by_sets(classes: usize, truth: &[Option<usize>], predicted: &[usize]) -> [f64; 3] {
        let counted: Vec<usize> = (0..truth.len()).filter(|&place| truth[place].is_some()).collect();
        let (mut ious, mut recalls) = (Vec::new(), Vec::new());
        for class in 0..classes {
            let of = |is: &dyn Fn(usize) -> bool| {
                counted.iter().copied().filter(|&place| is(place)).collect::<BTreeSet<usize>>()
            };
            let labels = of(&|place| truth[place] == Some(class));
            let predictions = of(&|place| predicted[place] == class);
            let both = labels.intersection(&predictions).count() as f64;
            let either = labels.union(&predictions).count() as f64;
            ious.extend((either > 0.0).then_some(both / either));
            recalls.extend((!labels.is_empty()).then(|| both / labels.len() as f64));
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let correct = counted.iter().filter(|&&place| truth[place] == Some(predicted[place])).count();
        [mean(&ious), mean(&recalls), correct as f64 / counted.len().max(1) as f64]
    }

    #[test]
    fn means_agree_with_sets_of_places_on_random_maps() {
        let mut spread = BTreeSet::new();
        for index in 0..100 {
            let (classes, truth, predicted) = maps(index);
            let mut confusion = Confusion::new(classes);
            for (label, &predicted) in truth.iter().zip(&predicted) {
                if let Some(label) = label {
                    confusion.add(*label, predicted);
                }
            }
            let expected = by_sets(classes, &truth, &predicted);
            let got = [confusion.mean_iou(), confusion.mean_recall(), confusion.accuracy()];
            let got = got.map(|mean| mean.expect("some positions have labels"));
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-12, "map {index}: {got}, not {expected}");
            }
            spread.insert((1000.0 * got[0]) as i64);
        }
        assert!(spread.len() > 50, "the maps differ: {spread:?}");
    }

    #[test]
    fn classes_that_do_not_occur_do_not_count() {
        let mut confusion = Confusion::new(4);
        for (class, predicted) in [(0, 0), (0, 0), (0, 2), (1, 1)] {
            confusion.add(class, predicted);
        }
        assert_eq!(
            [0, 1, 2, 3].map(|class| confusion.iou(class)),
            [Some(2.0 / 3.0), Some(1.0), Some(0.0), None]
        );
        assert_eq!(confusion.recall(2), None);
        assert_eq!(confusion.precision(2), Some(0.0));
        assert!((confusion.mean_iou().unwrap() - (2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
        assert!((confusion.mean_recall().unwrap() - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        let empty = Confusion::new(3);
        assert_eq!([empty.mean_iou(), empty.mean_recall(), empty.accuracy()], [None; 3]);
    }

    #[test]
    fn counts_add_up() {
        let mut one = Confusion::new(2);
        one.add(0, 1);
        let mut both = one.clone();
        both.merge(&one);
        assert_eq!((both.count(0, 1), both.labels(0), both.predictions(1), both.total()), (2, 2, 2, 2));
    }
}
