//! Losses of detectors. Each is a weighted sum over some values of a tensor, divided by a number that the
//! caller chooses, since several losses may share it, as the levels of a feature pyramid do. Targets belong
//! to the operator: they are data, and no gradient flows to them.

use crate::boxes::BoxCoder;
use crate::shape::{ShapeError, expect_len};
use std::sync::Arc;

/// Binary cross-entropy of logits: `sum of w (max(z, 0) - z t + ln(1 + e^-|z|)) / normalizer`. Input: logits
/// `z` of any shape. Output: `[1]`.
#[derive(Debug, Clone)]
pub struct BinaryCrossEntropy {
    /// One target for each logit, 0..=1.
    pub targets: Arc<[f32]>,
    /// One weight for each logit, not negative; none where all weigh 1. A logit of weight 0 is not read.
    pub weights: Arc<[f32]>,
    /// What the sum is divided by, positive.
    pub normalizer: f32,
}

/// Smooth L1 loss of boxes' deltas: the sum of `d < beta ? d^2 / (2 beta) : d - beta / 2`, `d` the distance
/// to the target, divided by the normalizer (Girshick, Fast R-CNN, Eq. 3, with beta 1). Input: deltas
/// `[.., 4 k]`, read as rows of four numbers, of which only the listed rows count. Output: `[1]`.
#[derive(Debug, Clone)]
pub struct SmoothL1 {
    /// The rows that count, each at most once, in any order; there may be none.
    pub rows: Arc<[u32]>,
    /// Four targets for each of these rows.
    pub targets: Arc<[[f32; 4]]>,
    /// Where the parabola ends and the line begins, positive.
    pub beta: f32,
    /// What the sum is divided by, positive.
    pub normalizer: f32,
}

/// Generalized IoU loss of boxes that are predicted as deltas, a box for each class:
/// `weight * sum of (1 - giou) / normalizer` over the listed rows. Of a row the four deltas of its class are
/// decoded, without a clamp to the image. Input: deltas `[.., 4 K]`, class k at `4 k`. Output: `[1]`.
#[derive(Debug, Clone)]
pub struct BoxGiou {
    /// The rows that count, each at most once, in any order; there may be none.
    pub rows: Arc<[u32]>,
    /// The class of each of these rows, `0..K`.
    pub classes: Arc<[u32]>,
    /// The box of each of these rows that its deltas start from, `x1, y1, x2, y2`, of positive size.
    pub boxes: Arc<[[f32; 4]]>,
    /// The target of each of these rows, `x1, y1, x2, y2`, of positive size.
    pub targets: Arc<[[f32; 4]]>,
    /// How deltas make a box.
    pub coder: BoxCoder,
    /// A factor of the loss.
    pub weight: f32,
    /// What the sum is divided by, positive.
    pub normalizer: f32,
}

/// Binary cross-entropy of masks, each on the channel of its class. Input: logits `[R, h, w, K]`, a mask of
/// each class for each of R regions. Output: `[1]`.
#[derive(Debug, Clone)]
pub struct MaskCrossEntropy {
    /// The class of each region, `0..K`.
    pub classes: Arc<[u32]>,
    /// The target mask of each region, `[R, h, w]`.
    pub targets: Arc<[bool]>,
    /// The weight of each region, not negative. A region of weight 0 is not read.
    pub weights: Arc<[f32]>,
    /// What the sum is divided by, positive.
    pub normalizer: f32,
}

/// Any of the losses above. Devices compute them alike.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // the names say it
pub enum DetectionLoss<'a> {
    BinaryCrossEntropy(&'a BinaryCrossEntropy),
    SmoothL1(&'a SmoothL1),
    BoxGiou(&'a BoxGiou),
    MaskCrossEntropy(&'a MaskCrossEntropy),
}

macro_rules! losses {
    ($($loss:ident $name:literal),+) => {
        $(impl<'a> From<&'a $loss> for DetectionLoss<'a> {
            fn from(loss: &'a $loss) -> DetectionLoss<'a> {
                DetectionLoss::$loss(loss)
            }
        })+

        impl DetectionLoss<'_> {
            /// The loss's name in messages.
            pub fn name(&self) -> &'static str {
                match self { $(DetectionLoss::$loss(_) => $name),+ }
            }

            /// What the sum is divided by.
            pub fn normalizer(&self) -> f32 {
                match self { $(DetectionLoss::$loss(loss) => loss.normalizer),+ }
            }

            /// Checks the loss's data, for an input of `rows` rows of `columns` values, the channels.
            ///
            /// # Errors
            /// When a length does not fit, a row or class does not exist, a row is listed twice, or a number
            /// is out of its range.
            pub fn check(&self, [rows, columns]: [usize; 2]) -> Result<(), ShapeError> {
                positive(self.name(), "the normalizer", self.normalizer())?;
                match self { $(DetectionLoss::$loss(loss) => loss.check_data($name, rows, columns)),+ }
            }
        }
    };
}

losses! {
    BinaryCrossEntropy "binary_cross_entropy", SmoothL1 "smooth_l1", BoxGiou "box_giou",
    MaskCrossEntropy "mask_cross_entropy"
}

impl BinaryCrossEntropy {
    /// The weight of a logit.
    #[inline]
    pub fn weight(&self, logit: usize) -> f32 {
        self.weights.get(logit).copied().unwrap_or(1.0)
    }

    fn check_data(&self, name: &'static str, rows: usize, columns: usize) -> Result<(), ShapeError> {
        expect_len(name, "targets", self.targets.len(), rows * columns)?;
        if !self.weights.is_empty() {
            expect_len(name, "weights", self.weights.len(), rows * columns)?;
        }
        weights(name, &self.weights)?;
        match self.targets.iter().position(|target| !(0.0..=1.0).contains(target)) {
            Some(i) => invalid(name, format!("target {i} is {}, and targets are in 0..=1", self.targets[i])),
            None => Ok(()),
        }
    }
}

impl SmoothL1 {
    fn check_data(&self, name: &'static str, rows: usize, columns: usize) -> Result<(), ShapeError> {
        let per_row = boxes_of(name, columns)?;
        positive(name, "beta", self.beta)?;
        expect_len(name, "targets", self.targets.len(), self.rows.len())?;
        distinct_rows(name, &self.rows, rows * per_row)?;
        match self.targets.iter().position(|target| target.iter().any(|value| !value.is_finite())) {
            Some(i) => invalid(name, format!("target {i} is {:?}, which is not finite", self.targets[i])),
            None => Ok(()),
        }
    }
}

impl BoxGiou {
    fn check_data(&self, name: &'static str, rows: usize, columns: usize) -> Result<(), ShapeError> {
        let classes = boxes_of(name, columns)?;
        if !self.weight.is_finite() {
            return invalid(name, format!("the weight is {}, and must be finite", self.weight));
        }
        let BoxCoder { means, stds, max_ratio } = self.coder;
        if !(means.iter().chain(&stds).all(|value| value.is_finite()) && max_ratio > 0.0 && max_ratio <= 1.0)
        {
            let reason = format!(
                "the box coder has means {means:?}, deviations {stds:?} and a largest ratio of {max_ratio}: \
                 the first two must be finite, the ratio in 0..=1"
            );
            return invalid(name, reason);
        }
        let listed = self.rows.len();
        expect_len(name, "classes", self.classes.len(), listed)?;
        expect_len(name, "boxes", self.boxes.len(), listed)?;
        expect_len(name, "targets", self.targets.len(), listed)?;
        distinct_rows(name, &self.rows, rows)?;
        existing_classes(name, &self.classes, classes)?;
        real_boxes(name, "box", &self.boxes)?;
        real_boxes(name, "target", &self.targets)
    }
}

impl MaskCrossEntropy {
    /// The pixels of a mask.
    pub fn pixels(&self) -> usize {
        self.targets.len() / self.classes.len().max(1)
    }

    fn check_data(&self, name: &'static str, rows: usize, columns: usize) -> Result<(), ShapeError> {
        expect_len(name, "targets", self.targets.len(), rows)?;
        let regions = self.classes.len();
        expect_len(name, "weights", self.weights.len(), regions)?;
        if regions * self.pixels() != rows {
            return invalid(name, format!("{rows} pixels do not make {regions} masks of one size"));
        }
        weights(name, &self.weights)?;
        existing_classes(name, &self.classes, columns)
    }
}

fn invalid(operator: &'static str, reason: String) -> Result<(), ShapeError> {
    Err(ShapeError::Invalid { operator, reason })
}

fn positive(operator: &'static str, what: &str, value: f32) -> Result<(), ShapeError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    invalid(operator, format!("{what} is {value}, and must be finite and positive"))
}

fn weights(operator: &'static str, weights: &[f32]) -> Result<(), ShapeError> {
    match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        Some(i) => {
            invalid(operator, format!("weight {i} is {}, and must be finite and not negative", weights[i]))
        }
        None => Ok(()),
    }
}

/// The number of boxes in a row of deltas.
fn boxes_of(operator: &'static str, columns: usize) -> Result<usize, ShapeError> {
    if columns > 0 && columns.is_multiple_of(4) {
        return Ok(columns / 4);
    }
    let reason = format!("the deltas have {columns} channels, and a box takes 4");
    Err(ShapeError::Invalid { operator, reason })
}

fn distinct_rows(operator: &'static str, listed: &[u32], rows: usize) -> Result<(), ShapeError> {
    if let Some(i) = listed.iter().position(|row| *row as usize >= rows) {
        return invalid(operator, format!("row {i} of the list is {}, and there are {rows} rows", listed[i]));
    }
    let mut sorted = listed.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => invalid(operator, format!("row {} is listed twice", pair[0])),
        None => Ok(()),
    }
}

fn existing_classes(operator: &'static str, listed: &[u32], classes: usize) -> Result<(), ShapeError> {
    match listed.iter().position(|class| *class as usize >= classes) {
        Some(i) => invalid(operator, format!("class {i} is {}, and classes are 0..{classes}", listed[i])),
        None => Ok(()),
    }
}

fn real_boxes(operator: &'static str, what: &str, boxes: &[[f32; 4]]) -> Result<(), ShapeError> {
    let real = |[x1, y1, x2, y2]: &[f32; 4]| {
        [x1, y1, x2, y2].iter().all(|value| value.is_finite()) && x2 > x1 && y2 > y1
    };
    match boxes.iter().position(|b| !real(b)) {
        Some(i) => invalid(
            operator,
            format!("{what} {i} is {:?}, and must be finite with x1 < x2 and y1 < y2", boxes[i]),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error<'a>(loss: impl Into<DetectionLoss<'a>>, shape: [usize; 2]) -> String {
        loss.into().check(shape).unwrap_err().to_string()
    }

    #[test]
    fn binary_cross_entropy_names_what_is_wrong() {
        let good = BinaryCrossEntropy { targets: [0.0, 1.0].into(), weights: [].into(), normalizer: 2.0 };
        let check = |loss: &BinaryCrossEntropy, shape| DetectionLoss::from(loss).check(shape);
        assert_eq!(check(&good, [1, 2]), Ok(()));
        assert_eq!(check(&good, [2, 1]), Ok(()));
        assert_eq!(
            [good.weight(1), BinaryCrossEntropy { weights: [2.0, 3.0].into(), ..good.clone() }.weight(1)],
            [1.0, 3.0]
        );
        assert!(error(&good, [1, 3]).contains("targets has 2 values"));
        let wrong = BinaryCrossEntropy { weights: [1.0].into(), ..good.clone() };
        assert!(error(&wrong, [1, 2]).contains("weights has 1 values"));
        let wrong = BinaryCrossEntropy { weights: [1.0, -1.0].into(), ..good.clone() };
        assert!(error(&wrong, [1, 2]).contains("weight 1 is -1"));
        for target in [-0.5, 1.5, f32::NAN] {
            let wrong = BinaryCrossEntropy { targets: [0.0, target].into(), ..good.clone() };
            assert!(error(&wrong, [1, 2]).contains("target 1 is"));
        }
        for normalizer in [0.0, -1.0, f32::INFINITY, f32::NAN] {
            let wrong = BinaryCrossEntropy { normalizer, ..good.clone() };
            assert!(error(&wrong, [1, 2]).contains("binary_cross_entropy: the normalizer is"));
        }
    }

    #[test]
    fn rows_of_deltas_exist_and_are_listed_once() {
        let good =
            SmoothL1 { rows: [5, 0].into(), targets: [[0.0; 4]; 2].into(), beta: 0.1, normalizer: 1.0 };
        assert_eq!(DetectionLoss::from(&good).check([2, 12]), Ok(()));
        assert!(error(&good, [1, 12]).contains("row 0 of the list is 5, and there are 3 rows"));
        assert!(error(&good, [2, 10]).contains("10 channels"));
        let wrong = SmoothL1 { rows: [5, 5].into(), ..good.clone() };
        assert!(error(&wrong, [2, 12]).contains("row 5 is listed twice"));
        let wrong = SmoothL1 { beta: 0.0, ..good.clone() };
        assert!(error(&wrong, [2, 12]).contains("beta is 0"));
        let wrong = SmoothL1 { targets: [[0.0; 4], [0.0, f32::NAN, 0.0, 0.0]].into(), ..good.clone() };
        assert!(error(&wrong, [2, 12]).contains("target 1 is"));
        let none = SmoothL1 { rows: [].into(), targets: [].into(), ..good };
        assert_eq!(DetectionLoss::from(&none).check([2, 12]), Ok(()));
    }

    #[test]
    fn boxes_and_classes_are_real() {
        let good = BoxGiou {
            rows: [1].into(),
            classes: [2].into(),
            boxes: [[0.0, 0.0, 2.0, 3.0]].into(),
            targets: [[1.0, 0.0, 2.0, 3.0]].into(),
            coder: BoxCoder::default(),
            weight: 10.0,
            normalizer: 1.0,
        };
        assert_eq!(DetectionLoss::from(&good).check([2, 12]), Ok(()));
        assert!(error(&good, [2, 8]).contains("class 0 is 2, and classes are 0..2"));
        assert!(error(&good, [1, 12]).contains("row 0 of the list is 1"));
        for bad in [[2.0, 0.0, 2.0, 3.0], [0.0, 4.0, 2.0, 3.0], [0.0, 0.0, f32::INFINITY, 3.0], [f32::NAN; 4]]
        {
            assert!(error(&BoxGiou { boxes: [bad].into(), ..good.clone() }, [2, 12]).contains("box 0 is"));
            assert!(
                error(&BoxGiou { targets: [bad].into(), ..good.clone() }, [2, 12]).contains("target 0 is")
            );
        }
        let coder = BoxCoder { max_ratio: 2.0, ..BoxCoder::default() };
        assert!(error(&BoxGiou { coder, ..good.clone() }, [2, 12]).contains("ratio of 2"));
        assert!(error(&BoxGiou { weight: f32::NAN, ..good }, [2, 12]).contains("the weight is NaN"));
    }

    #[test]
    fn masks_have_one_size_and_a_class() {
        let good = MaskCrossEntropy {
            classes: [0, 2].into(),
            targets: [true; 8].into(),
            weights: [1.0, 0.0].into(),
            normalizer: 8.0,
        };
        assert_eq!(good.pixels(), 4);
        assert_eq!(DetectionLoss::from(&good).check([8, 3]), Ok(()));
        assert!(error(&good, [8, 2]).contains("class 1 is 2"));
        assert!(error(&good, [6, 3]).contains("targets has 8 values"));
        let wrong = MaskCrossEntropy { targets: [true; 7].into(), ..good.clone() };
        assert!(error(&wrong, [7, 3]).contains("7 pixels do not make 2 masks"));
        let wrong = MaskCrossEntropy { weights: [1.0].into(), ..good };
        assert!(error(&wrong, [8, 3]).contains("weights has 1 values"));
    }
}
