//! Boxes of the next stage from the output of a box head.

use crate::error::{DetectionError, Result, check_boxes, check_finite, check_len, check_positive};
use pelk_ops::BoxCoder;

/// What a box head computed for `R` boxes.
#[derive(Debug, Clone, Copy)]
pub struct HeadOutput<'a> {
    /// Logits, `[R, K + 1]`; the last is the background's.
    pub logits: &'a [f32],
    /// Deltas, `[R, 4 K]`; those of class `k` are `4 k .. 4 k + 4`.
    pub deltas: &'a [f32],
    /// The number of things, `K`.
    pub classes: usize,
}

impl HeadOutput<'_> {
    pub(crate) fn check(&self, boxes: &[[f32; 4]]) -> Result<()> {
        check_positive("classes", self.classes)?;
        check_len("logits", self.logits.len(), boxes.len() * (self.classes + 1))?;
        check_len("deltas", self.deltas.len(), boxes.len() * 4 * self.classes)?;
        check_boxes(boxes)?;
        check_finite("logit", self.logits, self.classes + 1)?;
        check_finite("delta", self.deltas, 4 * self.classes)
    }

    /// The box of a row and a class.
    pub(crate) fn decode(
        &self,
        from: &[f32; 4],
        row: usize,
        class: usize,
        coder: &BoxCoder,
        image: [usize; 2],
    ) -> [f32; 4] {
        let deltas = &self.deltas.as_chunks().0[row * self.classes + class];
        coder.decode(from, deltas, Some(image))
    }
}

/// Each box moved by the deltas of its class and clamped to the image `[height, width]` before padding
/// (`refine_bboxes` of MMDetection 2.11). The class of the first rows is their label, of which there may be
/// none; that of the others is the thing with the largest logit, of equals the first.
///
/// # Errors
/// When the output does not belong to these boxes, a number is not finite, or a label is not a thing.
pub fn refine(
    boxes: &[[f32; 4]],
    labels: &[usize],
    output: &HeadOutput<'_>,
    coder: &BoxCoder,
    image: [usize; 2],
) -> Result<Vec<[f32; 4]>> {
    output.check(boxes)?;
    if labels.len() > boxes.len() {
        return Err(DetectionError::Length { what: "labels", expected: boxes.len(), actual: labels.len() });
    }
    let classes = output.classes;
    if let Some(row) = labels.iter().position(|&label| label >= classes) {
        return Err(DetectionError::Class { row, class: labels[row], classes });
    }
    let logits = output.logits.chunks_exact(classes + 1);
    let refined = boxes.iter().zip(logits).enumerate().map(|(row, (from, logits))| {
        let class = labels.get(row).copied().unwrap_or_else(|| largest(&logits[..classes]));
        output.decode(from, row, class, coder, image)
    });
    let refined: Vec<_> = refined.collect();
    check_boxes(&refined)?;
    Ok(refined)
}

/// The index of the largest value, the first of equals.
fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOXES: [[f32; 4]; 3] = [[0.0, 0.0, 10.0, 10.0]; 3];

    /// Two classes: the first moves a box to the right by its width, the second down by its height.
    const DELTAS: [f32; 24] = {
        let mut deltas = [0.0; 24];
        let mut row = 0;
        while row < 3 {
            deltas[row * 8] = 1.0;
            deltas[row * 8 + 5] = 1.0;
            row += 1;
        }
        deltas
    };

    #[test]
    fn labels_come_before_logits_and_the_background_never_wins() {
        let logits = [0.0, 1.0, 9.0, 0.0, 1.0, 9.0, 2.0, 2.0, 9.0];
        let output = HeadOutput { logits: &logits, deltas: &DELTAS, classes: 2 };
        let refined = refine(&BOXES, &[0], &output, &BoxCoder::default(), [18, 50]).unwrap();
        let (right, down) = ([10.0, 0.0, 20.0, 10.0], [0.0, 10.0, 10.0, 18.0]);
        assert_eq!(refined, [right, down, right]); // the last is a tie
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut logits = [0.0; 9];
        let text = |labels: &[usize], logits: &[f32]| {
            let output = HeadOutput { logits, deltas: &DELTAS, classes: 2 };
            refine(&BOXES, labels, &output, &BoxCoder::default(), [9, 9]).unwrap_err().to_string()
        };
        assert_eq!(text(&[1, 2], &logits), "row 1 has class 2, and classes are 0..2");
        assert_eq!(text(&[0; 4], &logits), "there are 4 labels, expected 3");
        assert_eq!(text(&[], &logits[1..]), "there are 8 logits, expected 9");
        logits[5] = f32::NAN;
        assert_eq!(text(&[], &logits), "row 1: the logit is NaN, and must be finite");
    }
}
